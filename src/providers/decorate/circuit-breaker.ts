import { backoffMs } from '#kit/backoff.ts'
import type { Clock, Instant } from '#kit/clock.ts'
import { fail, type Outcome } from '#model/fault.ts'
import type { Provider } from '#providers/provider.ts'
import { perSite, withAround } from './around.ts'

/** After so many calls in a row that a site did not answer it is left alone: first so long, doubling up to so long. */
export type Patience = { failures: number; firstMs: number; mostMs: number }

/** A breaker is open while `failures` has reached its limit and `openUntil` has not passed; then one call may probe. */
export type Breaker = { failures: number; openUntil: Instant; probing: boolean }

export const closedBreaker = (): Breaker => ({ failures: 0, openUntil: 0, probing: false })

/** Whether a call may be made now, and whether it is the one that finds out. */
export function admit(breaker: Breaker, { failures }: Patience, now: Instant): 'call' | 'probe' | 'no' {
  if (breaker.failures < failures) return 'call'
  if (now < breaker.openUntil || breaker.probing) return 'no'
  breaker.probing = true
  return 'probe'
}

/** Takes in whether the site answered: any answer, even a refusal, shows that it is there. */
export function heard(
  breaker: Breaker,
  patience: Patience,
  { answered, now, spread }: { answered: boolean; now: Instant; spread: number },
): void {
  if (answered) {
    Object.assign(breaker, closedBreaker())
    return
  }
  breaker.failures++
  const tries = breaker.failures - patience.failures + 1
  if (tries >= 1) breaker.openUntil = now + backoffMs({ ...patience, tries, spread })
}

type Options = { patience: Patience; clock: Clock; /** A fraction in [0, 1). */ random: () => number }

/**
 * Spares callers the wait for a site that does not answer: while the breaker is open they hear `unreachable` at once,
 * and one call now and then finds out whether the site is back. Each site has its own.
 */
export function withCircuitBreaker(inner: Provider, { patience, clock, random }: Options): Provider {
  const breakerOf = perSite(closedBreaker)
  return withAround(inner, async (call, signal, make) => {
    // Who waits for changes finds out too late whether a site is back; when its watch is cut, the next call tells why.
    if (call.name === 'watch') return make(signal)
    const breaker = breakerOf(call.site)
    const admitted = admit(breaker, patience, clock.now())
    if (admitted === 'no')
      return fail('unreachable', 'later', `${call.site} has not answered ${breaker.failures} times and is left alone`)
    try {
      const outcome = await make(signal)
      const answered = hasAnswered(outcome, signal)
      // What fails after others opened the breaker was under way already: a burst is one silence, however large.
      const isNews = answered === true || admitted === 'probe' || breaker.failures < patience.failures
      if (answered !== null && isNews) heard(breaker, patience, { answered, now: clock.now(), spread: random() })
      return outcome
    } finally {
      if (admitted === 'probe') breaker.probing = false
    }
  })
}

/** Whether the site answered, or null where that is not known: the caller was told to stop, or waited for its turn. */
function hasAnswered(outcome: Outcome<unknown>, signal: AbortSignal): boolean | null {
  const kind = outcome.ok ? null : outcome.fault.kind
  if (kind === 'throttled' && signal.aborted) return null
  if (kind !== 'unreachable') return true
  return signal.aborted && !ranOut(signal) ? null : false
}

/** Aborted because its time was over, which is the site's doing, and not because somebody wants to stop. */
const ranOut = ({ reason }: AbortSignal): boolean => reason instanceof DOMException && reason.name === 'TimeoutError'
