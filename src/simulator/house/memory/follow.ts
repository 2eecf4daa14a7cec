import { assemble, type WorkloadRow as Listed } from '#store/queries/follow.ts'
import type { Facts, Follow } from '#store/store.ts'
import type { Memory } from './memory.ts'
import { owedBy } from './owed.ts'
import { attemptOf, leaseOf, rankOf, replicaOf, workloadOf, type WorkloadRow } from './rows.ts'
import { all, isOver, siteOf, spentKey } from './tables.ts'

export const createFollow = (memory: Memory): Follow => ({
  async due(options) {
    const claims = await memory.hurry(() => claimDue(memory, options))
    // A later look at all of it at once: what comes after the claim makes the workload due again.
    return claims.size === 0 ? [] : memory.read(() => factsOf(memory, claims, options.now))
  },
  nextDueAt: () => memory.read(() => memory.workloads.due.get(all)[0]?.dueAt ?? null),
})

/** What was claimed, and until when. */
function claimDue(
  { workloads }: Memory,
  { now, most, claimMs }: { now: number; most: number; claimMs: number },
): Map<string, number> {
  const due = workloads.due.get(all)
  const rows = due.slice(0, Math.min(most, workloads.due.behind(all, [now])))
  for (const row of rows) {
    const until = Math.max((row.claimedUntil ?? 0) + 1, now + claimMs)
    workloads.update(row, { dueAt: until, claimedUntil: until })
  }
  return new Map(rows.map(({ id, claimedUntil }) => [id, claimedUntil ?? 0]))
}

function factsOf(memory: Memory, claims: Map<string, number>, now: number): Facts[] {
  const { workloads, replicas, attempts, leases, ranks, sites } = memory
  const ids = [...claims.keys()].sort()
  const live = ids.flatMap((id) => attempts.live.get(id))
  const used = new Set(live.map(({ id }) => id))
  const held = ids
    .flatMap((id) => leases.byWorkload.get(id).filter((lease) => !isOver(lease) || used.has(lease.attempt)))
    .sort((a, b) => a.createdAt - b.createdAt || (a.id < b.id ? -1 : 1))
  return assemble({
    claims,
    workloads: ids.flatMap((id) => {
      const row = workloads.get(id)
      return row ? [withSums(memory, row, now)] : []
    }),
    replicas: ids.flatMap((id) => replicas.byWorkload.get(id).map(replicaOf)),
    attempts: live.map(attemptOf),
    leases: held.map(leaseOf),
    ranks: held.flatMap(({ id }) => ranks.byLease.get(id).map(rankOf)),
    sites: [...new Set(held.map(siteOf))].flatMap((key) => {
      const row = sites.get(key)
      if (!row) return []
      const { reach, since, detail, site, askedAt } = row
      return [
        {
          site: key,
          reach,
          since,
          detail,
          askedAt: askedAt ?? since,
          patienceMs: site.patienceMs,
          upWithinMs: site.upWithinMs ?? null,
        },
      ]
    }),
  })
}

function withSums({ spent, leases }: Memory, row: WorkloadRow, now: number): Listed {
  const its = spent.get(spentKey({ kind: 'workload', name: row.id }))
  const open = 'budget' in row.spec ? owedBy(leases.owedOfWorkload.get(row.id), now) : 0n
  return {
    ...workloadOf(row),
    tasksTotal: row.spec.kind === 'array' ? row.spec.tasks : null,
    tasksSucceeded: row.tasksSucceeded,
    tasksFailed: row.tasksFailed,
    tasksLeased: row.tasksLeased,
    spentMicros: (its?.amountMicros ?? 0n) + open,
    warned: typeof its?.warnedAt === 'number',
  }
}
