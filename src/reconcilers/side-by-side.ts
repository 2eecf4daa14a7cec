import type { Clock } from '#kit/clock.ts'
import type { OperationResult } from '#store/store.ts'

/** A turn waits no longer than this for its slowest call; what takes longer goes on beside the next turns. */
const patienceMs = 1_000

/**
 * Waits until all of a turn's calls have ended, or for its patience: one that hangs delays only itself. Returns what
 * came in time; what went wrong in time is thrown together. Each of them must end with the signal that it was given.
 */
export async function sideBySide<T>(calls: Promise<T>[], clock: Clock): Promise<T[]> {
  if (calls.length === 0) return []
  const results: T[] = []
  const wrong: unknown[] = []
  const guarded = calls.map((call) =>
    call.then(
      (result) => void results.push(result),
      (error: unknown) => void wrong.push(error),
    ),
  )
  const enough = new AbortController()
  const all = Promise.all(guarded).then(() => enough.abort())
  await Promise.race([all, clock.sleep(patienceMs, enough.signal)])
  enough.abort()
  if (wrong.length > 0) throw new AggregateError(wrong, messageOf(wrong[0]))
  return results
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/** Ends with the loop's signal, and after so long in any case. */
export function within(milliseconds: number, { clock, signal }: { clock: Clock; signal: AbortSignal }): AbortSignal {
  const late = new AbortController()
  const over = () => late.abort(new DOMException(`no answer within ${milliseconds} ms`, 'TimeoutError'))
  void clock.sleep(milliseconds, signal).then(over)
  return AbortSignal.any([signal, late.signal])
}

/** When the first of some operations is to be tried again, as part of what a turn found. */
export function soonest(results: OperationResult[]): { at?: number } {
  const times = results.flatMap((result) => (result.state === 'intended' ? [result.retryAt] : []))
  return times.length === 0 ? {} : { at: Math.min(...times) }
}
