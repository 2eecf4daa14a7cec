import { Cancel } from '#kit/cancel.ts'
import type { Clock } from '#kit/clock.ts'
import { fail, type Outcome } from '#model/fault.ts'
import { mostQuietMs, type Provider } from '#providers/provider.ts'
import { type Call, withAround } from './around.ts'

/** How long a call may take: a launch may make many machines, a watch waits for changes, all others only ask or tell. */
const otherMs = 10_000
const ownMs: Partial<Record<Call['name'], number>> = { launch: 60_000, watch: mostQuietMs + otherMs }

/**
 * Ends each call after its time with `unreachable`, by aborting its signal, and without waiting for an adapter that
 * does not heed it. What the call may have done meanwhile is found by its token.
 */
export const withTimeout = (inner: Provider, clock: Clock): Provider =>
  withAround(inner, async (call, signal, make) => {
    const mostMs = ownMs[call.name] ?? otherMs
    const late = new AbortController()
    const answered = new Cancel()
    const giveUp = async (): Promise<Outcome<never>> => {
      await clock.sleep(mostMs, answered)
      if (!answered.aborted) late.abort('late')
      const why = signal.aborted ? 'the call was given up' : `no answer within ${mostMs / 1000} s`
      return fail('unreachable', 'later', `${call.site}: ${call.name}: ${why}`)
    }
    const stop = () => {
      late.abort(signal.reason)
      answered.cancel()
    }
    if (signal.aborted) stop()
    else signal.addEventListener('abort', stop, { once: true })
    try {
      const answer = make(late.signal)
      return await Promise.race([answer, giveUp()])
    } finally {
      signal.removeEventListener('abort', stop)
      answered.cancel()
    }
  })
