import { join } from 'node:path'

import type { Clock } from '#kit/clock.ts'
import { removeTree } from '#kit/remove-tree.ts'
import { contentName, type Blobs } from '#providers/blobs/blobs.ts'
import { prune } from '#providers/blobs/prune.ts'
import type { Store } from '#store/store.ts'

const [hourMs, dayMs] = [3_600_000, 24 * 3_600_000]

/** What files of a kind may take in all, and how long a bundle is kept that nobody asks for. */
const keep = {
  logBytes: 20 * 1024 ** 3,
  bundles: { maxAgeMs: 7 * dayMs, maxBytes: 50 * 1024 ** 3 },
}
/** Workloads that are forgotten at once. */
const batch = 200
/** One claim lasts so long; a round that takes longer goes on an hour later. */
const claimSeconds = 600

export type Tidying = {
  store: Store
  blobs: Blobs
  clock: Clock
  holder: string
  /** Where the folders of checkpoints are that Isobar keeps. */
  shared: string
  /** Removes such a folder with all in it. */
  remove?: (folder: string) => Promise<void>
  keepDays: number
}

type Keeping = Tidying & { failed: (error: unknown) => void; everyMs?: number }

/** Drops, once an hour, what is kept for a time only. One control plane does it for all. */
export function keepHouse({ everyMs = hourMs, ...using }: Keeping): { stop(): Promise<void> } {
  const stop = new AbortController()
  const running = (async () => {
    while (!stop.signal.aborted) {
      await tidy(using, stop.signal).catch(using.failed)
      await using.clock.sleep(everyMs, stop.signal)
    }
  })()
  return {
    async stop() {
      stop.abort()
      await running
    },
  }
}

/** One round of it, in small steps: after each it may be stopped. */
export async function tidy({ store, blobs, clock, holder, ...using }: Tidying, signal: AbortSignal): Promise<void> {
  if (!(await store.claims.take('housekeeping', holder, claimSeconds))) return
  const until = clock.now() + (claimSeconds * 1000) / 2
  const goesOn = () => !signal.aborted && clock.now() < until
  const endedMs = using.keepDays * dayMs
  while (goesOn() && (await store.prune({ now: clock.now(), endedMs })));
  const { shared, remove = removeTree } = using
  const forgetting = { store, shared, remove, before: clock.now() - endedMs }
  let forgot: Forgot = { more: true, stuck: [] }
  while (goesOn() && forgot.more) forgot = await forget(forgetting)
  if (signal.aborted) return
  const needed = new Set((await store.workloads.bundles()).map(contentName))
  await prune(blobs, 'logs', { keep: { maxAgeMs: endedMs, maxBytes: keep.logBytes }, now: Date.now() })
  await prune(blobs, 'content', { keep: keep.bundles, now: Date.now(), inUse: (name) => needed.has(name) })
  const [stuck] = forgot.stuck
  if (stuck !== undefined) throw stuck
}

type Forgetting = Required<Pick<Tidying, 'store' | 'shared' | 'remove'>> & { before: number }
/** Whether there are more to forget, and what kept some from it. */
type Forgot = { more: boolean; stuck: unknown[] }

/**
 * Forgets some workloads. Their checkpoints go first: nobody would find them once the rows are gone; so those of which
 * they cannot be removed stay.
 */
async function forget({ store, shared, remove, before }: Forgetting): Promise<Forgot> {
  const ids = await store.workloads.expired({ before, most: batch })
  const gone: string[] = []
  const stuck: unknown[] = []
  for (const id of ids)
    await remove(join(shared, 'checkpoints', id)).then(
      () => gone.push(id),
      (error: unknown) => stuck.push(error),
    )
  await store.workloads.forget(gone)
  return { more: ids.length === batch && gone.length > 0, stuck }
}
