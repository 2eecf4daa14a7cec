import type { Clock } from '#kit/clock.ts'
import type { Caller } from './connection.ts'
import type { Coverage } from './coverage.ts'
import type { Tables } from './invariants/tables.ts'
import type { Life } from './life.ts'
import { stateOf } from './states.ts'
import type { Trace } from './trace.ts'

/** Writes down what processes ask of the world, and what befalls them there. */
export type Recorder = {
  /** Makes the calls of a process; `deliver` brings each to where it goes. */
  caller(life: Life, deliver: <T>(call: string, make: () => Promise<T>) => Promise<T>): Caller
  /** A fault has met the call that is being made. */
  met(fault: string, meets: { who: string; call: string; args?: readonly unknown[] }): void
  /** In which state the lease was that a call with a token was about, by `site call token instant`. */
  orders: ReadonlyMap<string, string>
}

type Options = {
  clock: Clock
  trace: Trace
  coverage: Coverage
  /** Null where they are not at hand. */
  tables: () => Tables | null
  /** As `Backing` has it: of each call it is asked, and that is no reason to make tables of all that has changed. */
  leaseState?: ((lease: string) => string | undefined) | undefined
}

export function createRecorder({ clock, trace, coverage, tables, leaseState }: Options): Recorder {
  const orders = new Map<string, string>()
  let about: readonly unknown[] = []
  const stateNow = (call: string, args: readonly unknown[]): string => stateOf(call, args, tables())
  const noteOrder = (call: string, [first]: readonly unknown[]): void => {
    if (typeof first !== 'object' || first === null) return
    const { site, token } = first as { site?: unknown; token?: unknown } // an order or a handle
    const state = (typeof token === 'string' && leaseState?.(token)) || 'unknown'
    orders.set(`${site} ${call.slice('provider.'.length)} ${token} ${clock.now()}`, state)
  }
  return {
    orders,
    met(fault, { who, call, args = about }) {
      trace.note({ at: clock.now(), who, what: wordsOf(call, args), outcome: fault })
      coverage.met({ fault, operation: call, state: stateNow(call, args) })
    },
    caller: (life, deliver) => (call, args, make) => {
      coverage.ran(call)
      const note = (outcome: string): void =>
        trace.note({ at: clock.now(), who: life.name, what: wordsOf(call, args), outcome })
      const begin = () => {
        about = args
        if (call.startsWith('provider.')) noteOrder(call, args)
        return deliver(call, make)
      }
      return life.doing(call, begin, args).then(
        (answer) => {
          note(outcomeOf(answer))
          return answer
        },
        (error: unknown) => {
          note(error instanceof Error ? error.name : 'threw')
          throw error
        },
      )
    },
  }
}

/** A call with what it is about, as far as that is a word. */
function wordsOf(call: string, [first]: readonly unknown[]): string {
  if (typeof first === 'string') return `${call} ${first}`
  if (Array.isArray(first)) return `${call} ×${first.length}`
  if (typeof first !== 'object' || first === null) return call
  const one = first as { token?: unknown; id?: unknown; name?: unknown; kind?: unknown } // only looked at
  const word = one.token ?? one.id ?? one.name ?? one.kind
  return typeof word === 'string' ? `${call} ${word}` : call
}

/** An answer in a word. */
function outcomeOf(answer: unknown): string {
  if (answer === null || typeof answer === 'boolean' || typeof answer === 'number') return String(answer)
  if (Array.isArray(answer)) return `×${answer.length}`
  if (typeof answer !== 'object') return ''
  const { ok, fault, value } = answer as { ok?: unknown; fault?: { kind?: unknown }; value?: unknown } // only looked at
  if (ok === false) return String(fault?.kind)
  if (ok === true && typeof value === 'string') return value
  return Array.isArray(value) ? `×${value.length}` : ''
}
