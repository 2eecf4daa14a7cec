import type { Spec } from '#model/spec/spec.ts'
import type { Invariant, Seen } from './invariant.ts'
import { type AttemptRow, keyOf, type LeaseRow } from './tables.ts'

/** A gang is placed whole, is there whole, and runs only when all of it does. */
export const gangsAreWhole = (): Invariant => ({
  name: 'gangs are placed, there and running whole',
  rule: 5,
  when: 'always',
  check: (seen) => [
    ...seen.changes.leases.flatMap(({ before, after }) => (before === null && after ? placedWhole(after, seen) : [])),
    ...seen.changes.attempts.flatMap(({ before, after }) =>
      after?.state === 'running' && before?.state !== 'running' ? runsWhole(after, seen) : [],
    ),
    ...seen.gangs.flatMap(({ gang: { token, ranks }, site }) => {
      const lease = seen.known.leases.get(token)
      if (!lease || lease.ranks.length === ranks) return []
      return [`${token} at ${site} has ${ranks} nodes, and its lease ${lease.ranks.length}`]
    }),
  ],
})

/** Nodes of one replica. */
const nodesOf = (spec: Spec): number => (spec.kind === 'array' ? 1 : spec.nodes)

function placedWhole({ id, workload, ranks }: LeaseRow, { tables }: Seen): string[] {
  const spec = tables.workloads.get(workload)?.spec
  const numbers = ranks.map(({ rank }) => rank)
  const rows = numbers.filter((rank) => tables.ranks.has(keyOf(id, rank)))
  const isWhole = spec && ranks.length === nodesOf(spec) && numbers.every((rank, i) => rank === i)
  if (isWhole && rows.length === ranks.length) return []
  return [
    `lease ${id} has the ranks [${numbers}], of which ${rows.length} have rows; ${workload} asks for ${spec && nodesOf(spec)}`,
  ]
}

/** Nobody starts before all are up: an attempt runs once all of its ranks do, or have. */
function runsWhole({ id }: AttemptRow, { known, tables }: Seen): string[] {
  const lease = known.leaseOf(id)
  const early = (lease?.ranks ?? []).filter(({ rank }) => {
    const state = tables.ranks.get(keyOf(lease?.id ?? '', rank))?.state
    return state === 'expected' || state === 'arrived'
  })
  return early.length === 0 ? [] : [`attempt ${id} runs, and its ranks [${early.map(({ rank }) => rank)}] do not yet`]
}

/** Who is preempted leaves with all that it has, and nobody preempts whom it was preempted for. */
export const preemptedWhole = (): Invariant => ({
  name: 'what is preempted leaves whole, and not in turn',
  rule: 5,
  when: 'always',
  check: ({ changes, known, tables }) =>
    changes.attempts.flatMap(({ key, before, after }) => {
      if (!after || after.preemptedFor === null || before?.preemptedFor === after.preemptedFor) return []
      const lease = known.leaseOf(key)
      const stays = after.state === 'starting' || after.state === 'running'
      const holds = lease?.state === 'wanted' || lease?.state === 'starting' || lease?.state === 'held'
      const inTurn = [...tables.attempts.values()].some(
        (other) =>
          other.workload === after.preemptedFor &&
          other.preemptedFor === after.workload &&
          after.preemptedFor !== after.workload, // who leaves for itself goes back to spot capacity
      )
      return [
        ...(stays || holds
          ? [`attempt ${key} was preempted, and is ${after.state} with its lease ${lease?.state}`]
          : []),
        ...(inTurn ? [`${after.workload} and ${after.preemptedFor} were preempted for each other`] : []),
      ]
    }),
})
