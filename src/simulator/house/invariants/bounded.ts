import type { Invariant, Seen } from './invariant.ts'

/** Backoff and the time between two tries keep calls below this, for each token and minute. */
const callsAMinute = 90
const minuteMs = 60_000

/** An operation is tried again with backoff: so often at once, and no more than once in so long in the end. */
const tries = { atOnce: 40, everyMs: 1_000 }

/** A workload is tried again with backoff, and told of no more than what happens to it and what it waits for. */
const attempts = { atOnce: 40, everyMs: 30_000 }
const events = { atOnce: 60, eachAttempt: 12, everyMs: 2_000 }

/** No table, queue or retry grows without a bound: each row belongs to something, and each try waits longer. */
export function nothingGrowsWithoutBound(): Invariant {
  const calls = createRate()
  const firstSeen = new Map<string, number>()
  const eventsOf = new Map<string, number>()
  let nodes = 0
  return {
    name: 'no table, queue or retry grows without a bound',
    rule: 10,
    when: 'always',
    check(seen) {
      const { changes, now } = seen
      for (const { workload } of seen.events) if (workload) eventsOf.set(workload, (eventsOf.get(workload) ?? 0) + 1)
      const retried = changes.operations.flatMap(({ key, after }) => {
        if (!after) {
          firstSeen.delete(key)
          return []
        }
        const since = firstSeen.get(key) ?? now
        firstSeen.set(key, since)
        const most = tries.atOnce + (now - since) / tries.everyMs
        return after.tries > most ? [`operation ${key} was tried ${after.tries} times in ${now - since} ms`] : []
      })
      const grown = changes.workloads.flatMap(({ key, after }) => {
        if (!after) {
          eventsOf.delete(key)
          return []
        }
        const replicas = Math.max(1, replicasOf(key, seen))
        const most = replicas * (attempts.atOnce + (now - after.createdAt) / attempts.everyMs)
        const told = eventsOf.get(key) ?? 0
        const mostTold = events.atOnce + events.eachAttempt * after.attempts + (now - after.createdAt) / events.everyMs
        return [
          ...(after.attempts > most ? [`${key} was tried ${after.attempts} times in ${now - after.createdAt} ms`] : []),
          ...(told > mostTold ? [`${told} events tell of ${key} and its ${after.attempts} attempts`] : []),
        ]
      })
      for (const { before, after } of changes.leases) nodes += (after?.ranks.length ?? 0) - (before?.ranks.length ?? 0)
      return [...calls(seen), ...retried, ...grown, ...tablesGrown(seen, nodes)]
    },
  }
}

/** Who is asked to leave a site alone for a while does. */
export const whoAsksIsLeftAlone = (): Invariant => ({
  name: 'who asks to be left alone is left alone',
  rule: 10,
  when: 'always',
  check: ({ calls }) =>
    calls
      .filter(({ isTooSoon }) => isTooSoon)
      .map(({ plane, name, token, site, at }) => `${plane} called ${name} of ${token} at ${site} too soon, at ${at}`),
})

const replicasOf = (workload: string, { tables }: Seen): number => {
  const spec = tables.workloads.get(workload)?.spec
  return spec?.kind === 'service' ? spec.replicas.min : spec?.kind === 'array' ? spec.parallelism : 1
}

/** Calls for one token and of one kind in the minute that is. */
function createRate(): (seen: Seen) => string[] {
  let minute = 0
  let counts = new Map<string, number>()
  return ({ calls, now }) => {
    const current = Math.floor(now / minuteMs)
    if (current !== minute) counts = new Map()
    minute = current
    return calls.flatMap(({ name, token }) => {
      const key = `${name} of ${token}`
      const count = (counts.get(key) ?? 0) + 1
      counts.set(key, count)
      return count === callsAMinute + 1 ? [`${key} was called ${count} times in a minute`] : []
    })
  }
}

/** Rows that are there for other rows are no more than these; `nodes` are those of all leases. */
function tablesGrown({ tables, known }: Seen, nodes: number): string[] {
  const { leases, attempts: tried, operations, ranks, claims, sites, counts } = tables
  const rankCount = ranks.size
  return [
    ...(leases.size <= tried.size ? [] : [`${leases.size} leases for ${tried.size} attempts`]),
    ...(operations.size <= 2 * leases.size ? [] : [`${operations.size} operations for ${leases.size} leases`]),
    ...(rankCount <= nodes ? [] : [`${rankCount} ranks, and the leases have ${nodes} nodes`]),
    // Of each site one, and of each loop that has one owner; a site that is forgotten leaves its claim.
    ...(claims.size <= 20 + 2 * sites.size ? [] : [`${claims.size} claims for ${sites.size} sites`]),
    ...(counts.control_planes <= 1_000 ? [] : [`${counts.control_planes} control planes`]),
    ...(known.leases.size <= leases.size ? [] : ['more leases go on than there are']),
  ]
}
