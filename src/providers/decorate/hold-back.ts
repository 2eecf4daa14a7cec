import type { Clock, Instant } from '#kit/clock.ts'
import { type Fault, retryAfterOf } from '#model/fault.ts'
import type { Provider } from '#providers/provider.ts'
import { type Call, perSite, withAround } from './around.ts'

/**
 * Leaves a site alone for as long as it asked: whoever makes a call of that kind before hears at once what it said then,
 * and how long it still takes. Calls of other kinds go on, since providers count them apart.
 */
export function withHoldBack(inner: Provider, clock: Pick<Clock, 'now'>): Provider {
  const heldAt = perSite(() => new Map<Call['name'], { until: Instant; fault: Fault }>())
  return withAround(inner, async (call, signal, make) => {
    const held = heldAt(call.site)
    const told = held.get(call.name)
    if (told && clock.now() < told.until)
      return { ok: false, fault: { ...told.fault, retryAfterMs: told.until - clock.now() } }
    held.delete(call.name)
    const outcome = await make(signal)
    const holdMs = outcome.ok ? 0 : retryAfterOf(outcome.fault)
    if (!outcome.ok && holdMs > 0) held.set(call.name, { until: clock.now() + holdMs, fault: outcome.fault })
    return outcome
  })
}
