import type { Clock } from '#kit/clock.ts'
import type { Blobs } from '#providers/blobs/blobs.ts'
import { prune } from '#providers/blobs/prune.ts'
import type { Store } from '#store/store.ts'

const everyMs = 3_600_000
const dayMs = 24 * everyMs

/** Logs of ended attempts, and bundles, that are kept: so long, and so many bytes in all. */
const keep = {
  logs: { maxAgeMs: 30 * dayMs, maxBytes: 20 * 1024 ** 3 },
  content: { maxAgeMs: 7 * dayMs, maxBytes: 50 * 1024 ** 3 },
}

type Using = { store: Store; blobs: Blobs; clock: Clock; holder: string; failed: (error: unknown) => void }

/** Drops, once an hour, what is kept for a time only. One control plane does it for all. */
export function keepHouse(using: Using): { stop(): Promise<void> } {
  const stop = new AbortController()
  const running = (async () => {
    while (!stop.signal.aborted) {
      await tidy(using).catch(using.failed)
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

async function tidy({ store, blobs, clock, holder }: Using): Promise<void> {
  if (!(await store.claims.take('housekeeping', holder, 600))) return
  await store.prune(clock.now())
  const inUse = await bundlesInUse(store)
  await prune(blobs, 'logs', { keep: keep.logs, now: Date.now() })
  await prune(blobs, 'content', { keep: keep.content, now: Date.now(), inUse: (name) => inUse.has(name) })
}

/** Bundles of workloads that may still start again. */
async function bundlesInUse(store: Store): Promise<Set<string>> {
  const names = new Set<string>()
  const states = ['queued', 'held', 'starting', 'running', 'stopping'] as const
  let after: { createdAt: number; id: string } | undefined
  do {
    const rows = await store.workloads.list({ states: [...states] }, { size: 1000, ...(after ? { after } : {}) })
    for (const { bundle } of rows) if (bundle !== null) names.add(`content/${bundle}`)
    after = rows.length === 1000 ? rows.at(-1) : undefined
  } while (after)
  return names
}
