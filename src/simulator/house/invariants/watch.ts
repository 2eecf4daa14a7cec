import type { Clock } from '#kit/clock.ts'
import { type Outcome, retryAfterOf } from '#model/fault.ts'
import type { Provider } from '#providers/provider.ts'
import { createAsked } from './asked.ts'
import type { Call, Seen } from './invariant.ts'
import type { Tables } from './tables.ts'

/** Notes the calls that change something at providers, each with whether it was intended when it was made. */
export type Watch = {
  /** The same adapter, whose launches and retirements are noted as calls of this control plane. */
  of(provider: Provider, plane: string): Provider
  /** As `Seen` has it. */
  asked: Seen['asked']
  /** All calls since it was asked last. */
  taken(): Call[]
  noteCrash(): void
  /** Whether the database crashed since this was asked last, and may have taken claims back. */
  tookBack(): boolean
  /** What was offered to anybody, by `provider/site tier shape`, in the order of time. */
  offered: Seen['offered']
}

type Made = Omit<Call, 'at' | 'intended' | 'lease' | 'isTooSoon'>
type Options = { clock: Clock; tables(): Tables | Promise<Tables> }

const keyOf = ({ plane, site, name, token }: Made): string => `${plane} ${site} ${name} ${token}`

export function createWatch({ clock, tables }: Options): Watch {
  let calls: Call[] = []
  let hasCrashed = false
  const asked = createAsked(clock)
  /** Until when whoever called wants to be left alone by it, as far as it heard so. */
  const heldUntil = new Map<string, number>()
  const note = (call: Made, { operations, leases }: Tables): void => {
    const intended = operations.values().some(({ token, kind }) => token === call.token && kind === call.name)
    const lease = leases.get(call.token)?.state ?? null
    const isTooSoon = clock.now() < (heldUntil.get(keyOf(call)) ?? 0)
    calls.push({ ...call, at: clock.now(), intended, lease, isTooSoon })
  }
  const heard = (call: Made, answer: Outcome<unknown>): void => {
    const forMs = answer.ok ? 0 : retryAfterOf(answer.fault)
    if (forMs > 0) heldUntil.set(keyOf(call), clock.now() + forMs)
    else heldUntil.delete(keyOf(call))
  }
  /** Noted before the call goes out; without an await where the tables are at hand. */
  const noted = <T>(call: Made, signal: AbortSignal, go: () => Promise<Outcome<T>>): Promise<Outcome<T>> => {
    const goes = async (): Promise<Outcome<T>> => {
      const answer = await go()
      if (!signal.aborted) heard(call, answer)
      return answer
    }
    const there = tables()
    if (there instanceof Promise) return there.then((rows) => (note(call, rows), goes()))
    note(call, there)
    return goes()
  }
  return {
    asked: asked.at,
    noteCrash: () => void (hasCrashed = true),
    tookBack() {
      const had = hasCrashed
      hasCrashed = false
      return had
    },
    offered: asked.offered,
    of: (provider, plane) => ({
      ...asked.of(provider),
      launch: (order, signal) => {
        const { site, token } = order
        const call = { plane, provider: provider.name, site, name: 'launch', token, order } as const
        return noted(call, signal, () => provider.launch(order, signal))
      },
      retire: (handle, graceMs, signal) => {
        const { site, token } = handle
        const call = { plane, provider: provider.name, site, name: 'retire', token, order: null } as const
        return noted(call, signal, () => provider.retire(handle, graceMs, signal))
      },
    }),
    taken() {
      const all = calls
      calls = []
      return all
    },
  }
}
