import type { Clock } from '#kit/clock.ts'
import type { Provider } from '#providers/provider.ts'
import type { Call } from './invariant.ts'
import type { Tables } from './tables.ts'

/** Notes the calls that change something at providers, each with whether it was intended when it was made. */
export type Watch = {
  /** The same adapter, whose launches and retirements are noted as calls of this control plane. */
  of(provider: Provider, plane: string): Provider
  /** All calls since it was asked last. */
  taken(): Call[]
}

type Made = Omit<Call, 'at' | 'intended' | 'lease'>
type Options = { clock: Clock; tables(): Tables | Promise<Tables> }

export function createWatch({ clock, tables }: Options): Watch {
  let calls: Call[] = []
  const note = (call: Made, { operations, leases }: Tables): void => {
    const intended = operations.values().some(({ token, kind }) => token === call.token && kind === call.name)
    const lease = leases.get(call.token)?.state ?? null
    calls.push({ ...call, at: clock.now(), intended, lease })
  }
  /** Noted before the call goes out; without an await where the tables are at hand. */
  const noted = <T>(call: Made, go: () => Promise<T>): Promise<T> => {
    const there = tables()
    if (there instanceof Promise) return there.then((rows) => (note(call, rows), go()))
    note(call, there)
    return go()
  }
  return {
    of: (provider, plane) => ({
      ...provider,
      launch: (order, signal) => {
        const { site, token } = order
        const call = { plane, provider: provider.name, site, name: 'launch', token, order } as const
        return noted(call, () => provider.launch(order, signal))
      },
      retire: (handle, graceMs, signal) => {
        const { site, token } = handle
        const call = { plane, provider: provider.name, site, name: 'retire', token, order: null } as const
        return noted(call, () => provider.retire(handle, graceMs, signal))
      },
    }),
    taken() {
      const all = calls
      calls = []
      return all
    },
  }
}
