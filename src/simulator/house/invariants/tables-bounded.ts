import type { Spec } from '#model/spec/spec.ts'
import type { Invariant, Seen } from './invariant.ts'

/** A piece of the ledger grows with the age of its lease, from ten seconds to ten minutes, and is cut at each hour. */
const entriesOf = { atOnce: 30, everyMs: 350_000 }

/** What is told of sites, projects and the house itself, beside what is told of work. */
const told = { atOnce: 60, everyMs: 5_000 }

/** What is remembered belongs to work that there is, or to what people asked for: so much for each, and no more. */
export function tablesAreAsLargeAsTheirWork(): Invariant {
  const entries = new Map<string, number>()
  let [from, events] = [Infinity, 0]
  return {
    name: 'what is kept is kept for work that there is, or for what was asked',
    rule: 10,
    when: 'always',
    check(seen) {
      const { changes, tables, now } = seen
      from = Math.min(from, now)
      events += seen.events.filter(({ workload }) => workload === null).length
      const mostTold = told.atOnce + ((now - from) * (1 + tables.sites.size)) / told.everyMs
      for (const { after } of changes.entries) if (after) entries.set(after.lease, (entries.get(after.lease) ?? 0) + 1)
      const pieces = changes.leases.flatMap(({ key, after }) => {
        const count = entries.get(key) ?? 0
        if (!after) entries.delete(key)
        if (!after || after.startedAt === null) return []
        const most = entriesOf.atOnce + ((after.meteredUntil ?? 0) - after.startedAt) / entriesOf.everyMs
        return count > most ? [`${count} entries are of lease ${key}, where ${Math.floor(most)} would do`] : []
      })
      return [
        ...pieces,
        ...(events > mostTold ? [`${events} events tell of other things than work`] : []),
        ...rowsTooMany(seen),
      ]
    },
  }
}

/** Tables of which there are more rows than what they are for. */
function rowsTooMany({ tables, people, changes }: Seen): string[] {
  const { workloads, attempts, spent, projects, replicas, tasks, counts } = tables
  const sum = (of: (spec: Spec) => number): number => workloads.values().reduce((all, { spec }) => all + of(spec), 0)
  const [tasksMost, replicasMost] = [
    changes.tasks.length > 0 ? sum((spec) => (spec.kind === 'array' ? spec.tasks : 0)) : Infinity,
    changes.replicas.length > 0 ? sum(replicasOf) : Infinity,
  ]
  return [
    // One of each workload, and of each project; the project that everybody has needs no row.
    ...(spent.size > workloads.size + projects.size + 1 ? [`${spent.size} sums for ${workloads.size} workloads`] : []),
    ...(tasks.size > tasksMost ? [`${tasks.size} tasks of arrays that have ${tasksMost}`] : []),
    ...(replicas.size > replicasMost ? [`${replicas.size} replicas of workloads that have ${replicasMost}`] : []),
    ...(people && counts.plans > attempts.size + people.plans
      ? [`${counts.plans} plans for ${attempts.size} attempts, and ${people.plans} were asked for`]
      : []),
    ...(people && counts.idempotency > people.changes
      ? [`${counts.idempotency} answers are kept of ${people.changes} requests`]
      : []),
  ]
}

const replicasOf = (spec: Spec): number =>
  spec.kind === 'service' ? spec.replicas.max : spec.kind === 'array' ? spec.parallelism : 1
