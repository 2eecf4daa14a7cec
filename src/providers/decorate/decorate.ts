import type { Clock } from '#kit/clock.ts'
import type { Provider } from '#providers/provider.ts'
import { withCircuitBreaker } from './circuit-breaker.ts'
import { withHoldBack } from './hold-back.ts'
import { type CallRecord, withMetrics } from './metrics.ts'
import { type Rate, withRateLimit } from './rate-limit.ts'
import { withTimeout } from './timeout.ts'

type Options = {
  clock: Clock
  /** Fractions in [0, 1), for spreading probes. */
  random: () => number
  record: (call: CallRecord) => void
  /** How often each of its sites may be called; absent where the provider has no limit. */
  rate?: Rate
}

/**
 * An adapter as the house uses it. From the inside out: a call has its time from when it is made, waits its turn, is
 * not made at all while its site does not answer or asked to be left alone, and is counted however it ends.
 */
export function decorate(adapter: Provider, { clock, random, record, rate }: Options): Provider {
  const timed = withTimeout(adapter, clock)
  const limited = rate ? withRateLimit(timed, { rate, clock }) : timed
  const patience = { failures: 3, firstMs: 1_000, mostMs: 15_000 }
  const breaking = withCircuitBreaker(limited, { patience, clock, random })
  return withMetrics(withHoldBack(breaking, clock), { record, clock })
}
