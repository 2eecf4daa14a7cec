import { Cancel } from '#kit/cancel.ts'
import type { Clock } from '#kit/clock.ts'
import type { OperationResult } from '#store/store.ts'

/** A turn waits no longer than this for its slowest call, unless it says so; what takes longer goes on beside the next turns. */
const ordinaryMs = 1_000

/**
 * Waits until all of a turn's calls have ended, or for its patience: one that hangs delays only itself. Returns what
 * came in time; what went wrong in time is thrown together. Each of them must end with the signal that it was given.
 */
export async function sideBySide<T>(calls: Promise<T>[], clock: Clock, patienceMs = ordinaryMs): Promise<T[]> {
  if (calls.length === 0) return []
  const results: T[] = []
  const wrong: unknown[] = []
  const guarded = calls.map((call) =>
    call.then(
      (result) => void results.push(result),
      (error: unknown) => void wrong.push(error),
    ),
  )
  const enough = new Cancel()
  const all = Promise.all(guarded).then(() => enough.cancel())
  await Promise.race([all, clock.sleep(patienceMs, enough)])
  enough.cancel()
  if (wrong.length > 0) throw new AggregateError(wrong, messageOf(wrong[0]))
  return results
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/** Makes calls with a signal that aborts with the loop's, and after so long in any case. */
export async function within<T>(
  milliseconds: number,
  { clock, signal }: { clock: Clock; signal: AbortSignal },
  make: (call: AbortSignal) => Promise<T>,
): Promise<T> {
  const late = new AbortController()
  const answered = new Cancel()
  const stop = () => late.abort(signal.reason)
  const giveUp = () => {
    if (!answered.aborted) late.abort(new DOMException(`no answer within ${milliseconds} ms`, 'TimeoutError'))
  }
  if (signal.aborted) stop()
  else signal.addEventListener('abort', stop, { once: true })
  void clock.sleep(milliseconds, answered).then(giveUp)
  try {
    return await make(late.signal)
  } finally {
    signal.removeEventListener('abort', stop)
    answered.cancel()
  }
}

/** When the first of some operations is to be tried again, as part of what a turn found. */
export function soonest(results: OperationResult[]): { at?: number } {
  const times = results.flatMap((result) => (result.state === 'intended' ? [result.retryAt] : []))
  return times.length === 0 ? {} : { at: Math.min(...times) }
}
