import { mayMove } from '#model/moves.ts'
import { type Rank, rankMoves } from '#model/rank.ts'
import { differs, heard, heardEveryMs } from '#store/queries/agents.ts'
import type { Agents, AgentView } from '#store/store.ts'
import { jsonb } from './jsonb.ts'
import type { Memory } from './memory.ts'
import { attemptOf, leaseOf, rankOf, workloadOf } from './rows.ts'
import { isLive, rankKey } from './tables.ts'
import { exchangeTasks } from './tasks.ts'

export const createAgents = (memory: Memory): Agents => ({
  view: (lease) => memory.read(() => viewOf(memory, lease)),
  views: (leases) =>
    memory.read(() => {
      const views = new Map<string, AgentView>()
      for (const lease of leases) {
        const view = viewOf(memory, lease)
        if (view) views.set(lease, view)
      }
      return views
    }),
  async report(lease, said, now) {
    const known = await memory.read(() => {
      const row = memory.ranks.get(rankKey({ lease, rank: said.rank }))
      return row && rankOf(row)
    })
    if (!known) return
    const next = heard(known, said, now)
    const news = differs(known, next)
    if (!news && now - (known.heardAt ?? 0) < heardEveryMs) return
    await memory.write(() => report(memory, { next, news, now, number: said.number ?? null }))
  },
  heard: (ranks, now) =>
    memory.write(() => {
      for (const rank of ranks) {
        const row = memory.ranks.get(rankKey(rank))
        if (row && (row.heardAt ?? 0) < now) memory.ranks.update(row, { heardAt: now })
      }
    }),
  tasks: (lease, said, now) => memory.write(() => exchangeTasks(memory, { lease, report: said, now })),
})

function viewOf({ leases, attempts, workloads, ranks }: Memory, id: string): AgentView | null {
  const lease = leases.get(id)
  const attempt = attempts.get(lease?.attempt ?? '')
  const workload = workloads.get(lease?.workload ?? '')
  if (!lease || !attempt || !workload) return null
  const isLater = attempts.byWorkload
    .get(workload.id)
    .slice(attempts.byWorkload.behind(workload.id, [attempt.number]))
    .some(({ replica }) => replica === attempt.replica)
  return {
    lease: leaseOf(lease),
    attempt: attemptOf(attempt),
    workload: workloadOf(workload),
    ranks: ranks.byLease.get(id).map(rankOf),
    fenced: isLater || !isLive(attempt),
  }
}

type Reported = { next: Rank; news: boolean; now: number; number: number | null }

/** State and number are asked again: another report of the same rank may have come in between. */
function report({ ranks, leases, workloads, tell }: Memory, { next, news, now, number }: Reported): void {
  const row = ranks.get(rankKey(next))
  if (!row || row.report > (number ?? row.report) || !mayMove(rankMoves, row.state, next.state)) return
  ranks.update(row, { ...next, endpoints: jsonb(next.endpoints), report: number ?? row.report })
  if (!news) return
  const workload = workloads.get(leases.get(next.lease)?.workload ?? '')
  if (workload && workload.dueAt !== null) workloads.update(workload, { dueAt: Math.min(workload.dueAt, now) })
  tell({ nudges: ['follow', 'agents'] })
}
