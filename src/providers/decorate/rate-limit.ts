import type { Clock, Instant } from '#kit/clock.ts'
import { fail } from '#model/fault.ts'
import type { Provider } from '#providers/provider.ts'
import { perSite, withAround } from './around.ts'

/** How often a site is called: `perSecond` in the long run, and up to `burst` at once. */
export type Rate = { perSecond: number; burst: number }

/** A token bucket as one number: when it will be full again. */
export type Bucket = { fullAt: Instant }

/**
 * Takes a token, even one that comes only later, and says how long to wait for it. So whoever takes is served in the
 * order of taking, and any span of s seconds lets at most `burst + s × perSecond` calls pass.
 */
export function take(bucket: Bucket, { perSecond, burst }: Rate, now: Instant): number {
  const perToken = 1_000 / perSecond
  bucket.fullAt = Math.max(bucket.fullAt, now) + perToken
  return Math.max(0, Math.ceil(bucket.fullAt - now - burst * perToken))
}

/** Gives the last token back that was taken and not used. */
function giveBack(bucket: Bucket, { perSecond }: Rate): void {
  bucket.fullAt -= 1_000 / perSecond
}

/** Calls a site no more often than its rate; a call waits its turn until its signal aborts, and is then `throttled`. */
export function withRateLimit(inner: Provider, { rate, clock }: { rate: Rate; clock: Clock }): Provider {
  const bucketOf = perSite<Bucket>(() => ({ fullAt: 0 }))
  return withAround(inner, async (call, signal, make) => {
    const bucket = bucketOf(call.site)
    const waitMs = take(bucket, rate, clock.now())
    if (waitMs > 0) await clock.sleep(waitMs, signal)
    if (waitMs > 0 && signal.aborted) {
      giveBack(bucket, rate)
      return fail('throttled', 'later', `${call.site}: ${call.name} waited for its turn in vain`)
    }
    return make(signal)
  })
}
