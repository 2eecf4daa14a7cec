import type { Clock } from '#kit/clock.ts'
import type { FaultKind } from '#model/fault.ts'
import type { ProviderName } from '#model/names.ts'
import type { Provider } from '#providers/provider.ts'
import { type Call, withAround } from './around.ts'

/** One call that came to its end. `threw` is a bug in the adapter. */
export type CallRecord = Call & { provider: ProviderName; outcome: 'ok' | 'threw' | FaultKind; milliseconds: number }

/** Tells a recorder of every call: how it ended and how long it took. */
export const withMetrics = (
  inner: Provider,
  { record, clock }: { record: (call: CallRecord) => void; clock: Pick<Clock, 'now'> },
): Provider =>
  withAround(inner, async (call, signal, make) => {
    const began = clock.now()
    let outcome: CallRecord['outcome'] = 'threw'
    try {
      const answer = await make(signal)
      outcome = answer.ok ? 'ok' : answer.fault.kind
      return answer
    } finally {
      record({ ...call, provider: inner.name, outcome, milliseconds: clock.now() - began })
    }
  })
