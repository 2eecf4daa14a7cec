import { randomUUID } from 'node:crypto'

import { fail, type Outcome, succeed } from '#model/fault.ts'
import { mostQuietMs, type Sighting } from '#providers/provider.ts'
import type { Client } from './client.ts'
import type { KubernetesSite } from './config.ts'
import { type Follower, follow } from './follow.ts'
import { followInventory } from './followed-inventory.ts'
import type { Inventory } from './inventory.ts'
import { keptIn } from './kept.ts'
import { Workload, wordsOf, workloadsPath } from './kueue.ts'
import { ours, paths } from './names.ts'
import type { Notices } from './notices.ts'
import { sightingsOf } from './sight.ts'
import { Job, Pod } from './wire.ts'

/**
 * A cluster as it tells of itself to whoever watches it: what is ours there, the nodes, and what others use of them. It is
 * followed only while somebody watches, and believed only while it is known to be what is there: whoever gets `null` asks.
 */
export type Picture = {
  /** As a provider's `watch`. */
  watch(since: string | null, signal: AbortSignal): Promise<Outcome<string>>
  sightings(signal: AbortSignal): Promise<Outcome<Sighting[]> | null>
  inventory(signal: AbortSignal): Promise<Outcome<Inventory> | null>
  /** We change something there: until it has been told of, what is followed is not what we know. */
  touch(): void
  stop(): void
}

type Options = { client: Client; declared: KubernetesSite; house: string; namespace: string; notices: Notices }

/** The way there is tried so often while nothing is told, so that silence is known from quiet. */
const pingMs = 5_000
const pingMostMs = 10_000
/** What is told comes some milliseconds after what we did; after so long we believe it again. */
const touchedMs = 5_000
/** Who watches comes back sooner than this, unless he gives it up. */
const idleMs = 30_000

export function createPicture(options: Options): Picture {
  const { client, declared, house, namespace } = options
  let followed: Followed | null = null
  let touchedAt = -Infinity
  let watchers = 0
  let idle: NodeJS.Timeout | undefined
  const stop = (): void => {
    clearTimeout(idle)
    followed?.stop()
    followed = null
  }
  /** A question that costs nearly nothing, and is answered only where a list would be: by what is kept, and to us. */
  const ping = (signal: AbortSignal) =>
    client.ask({
      path: `${paths.pods(namespace)}?${ours(house)}&limit=1`,
      signal: AbortSignal.any([signal, AbortSignal.timeout(pingMostMs)]),
    })
  const reached = async <T>(signal: AbortSignal, take: () => T | null): Promise<Outcome<T> | null> => {
    if (take() === null) return null
    const answer = await ping(signal)
    if (!answer.ok) return { ok: false, fault: answer.fault }
    const value = take()
    return value === null ? null : succeed(value)
  }

  return {
    async watch(since, signal) {
      clearTimeout(idle)
      followed ??= followCluster(options)
      watchers++
      try {
        return await followed.watch(since, signal, ping)
      } finally {
        if (--watchers === 0 && signal.aborted) stop()
        else if (watchers === 0) idle = setTimeout(stop, idleMs).unref()
      }
    },
    sightings: (signal) =>
      reached(signal, () => (performance.now() < touchedAt + touchedMs ? null : (followed?.sightings() ?? null))),
    inventory: (signal) => reached(signal, () => followed?.inventory(declared) ?? null),
    touch: () => void (touchedAt = performance.now()),
    stop,
  }
}

type Ping = (signal: AbortSignal) => ReturnType<Client['ask']>
type Followed = ReturnType<typeof followCluster>

function followCluster({ client, declared, house, namespace, notices }: Options) {
  const instance = randomUUID().slice(0, 8)
  const [jobs, pods] = [new Map<string, Job>(), new Map<string, Pod>()]
  let changes = 0
  const waiting = new Set<() => void>()
  const changed = (): void => {
    changes++
    waiting.forEach((one) => one())
  }
  const kept = { client, changed }
  const all = ours(house)
  const own = [
    follow({ ...kept, path: `${paths.jobs(namespace)}?${all}`, item: Job, ...keptIn(jobs, (job: Job) => job) }),
    follow({ ...kept, path: `${paths.pods(namespace)}?${all}`, item: Pod, ...keptIn(pods, (pod: Pod) => pod) }),
  ]
  const workloads = new Map<string, Workload>()
  if (declared.queue !== undefined)
    own.push(
      follow({ ...kept, path: workloadsPath(namespace), item: Workload, ...keptIn(workloads, (one: Workload) => one) }),
    )
  const { inventory, stop } = followInventory({ client, ours: { house, namespace }, notices, noticed: changed })

  return {
    inventory,
    sightings() {
      if (!isLive(own)) return null
      const words = declared.queue === undefined ? undefined : wordsOf(workloads.values())
      const seen = sightingsOf([...jobs.values()], [...pods.values()], words)
      return words && seen.some(isUnclear) ? null : seen
    },
    async watch(since: string | null, signal: AbortSignal, ping: Ping): Promise<Outcome<string>> {
      const until = performance.now() + mostQuietMs - pingMostMs
      for (let pingAt = performance.now() + pingMs; !signal.aborted;) {
        const fault = own.map((one) => one.trouble()).find((one) => one !== null)
        if (fault) return { ok: false, fault }
        const mark = `${instance}.${changes}`
        const now = performance.now()
        if (isLive(own) && (mark !== since || now >= until)) return succeed(mark)
        if (now >= pingAt) {
          const answer = await ping(signal)
          if (!answer.ok) return { ok: false, fault: answer.fault }
          pingAt = performance.now() + pingMs
        } else await woken(waiting, Math.max(1, pingAt - now), signal)
      }
      return fail('unreachable', 'later', 'the watch was given up')
    },
    stop() {
      own.forEach((one) => one.stop())
      stop()
    },
  }
}

/**
 * Something ended badly, or is not there. Kueue says that it takes a gang's quota back before the pods end of that; of two
 * watches nobody knows which is ahead, so whoever wants to know asks, first the pods and then Kueue.
 */
const isUnclear = ({ ranks }: Sighting): boolean =>
  ranks.some(
    ({ state, exitCode, startedAt }) =>
      (state === 'exited' && exitCode !== 0) || (state === 'lost' && startedAt === null),
  )

const isLive = (all: readonly Follower[]): boolean => all.every((one) => one.isLive())

/** Resolves when somebody wakes who waits, after so long, or when the signal aborts. */
function woken(waiting: Set<() => void>, milliseconds: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const end = (): void => resolve()
  const timer = setTimeout(end, milliseconds)
  signal.addEventListener('abort', end, { once: true })
  waiting.add(end)
  return promise.finally(() => {
    signal.removeEventListener('abort', end)
    clearTimeout(timer)
    waiting.delete(end)
  })
}
