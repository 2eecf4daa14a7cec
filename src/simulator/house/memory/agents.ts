import type { AgentReport } from '#model/agent-protocol.ts'
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
  report: (lease, said, now) => memory.write(() => report(memory, { lease, said, now })),
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

function report(memory: Memory, { lease, said, now }: { lease: string; said: AgentReport; now: number }): void {
  const { ranks, leases, workloads, tell } = memory
  const row = ranks.get(rankKey({ lease, rank: said.rank }))
  if (!row) return
  const known = rankOf(row)
  const next = heard(known, said, now)
  const news = differs(known, next)
  if (!news && now - (known.heardAt ?? 0) < heardEveryMs) return
  const number = said.number ?? row.report
  if (row.report > number) return
  ranks.update(row, { ...next, endpoints: jsonb(next.endpoints), report: number })
  if (!news) return
  const workload = workloads.get(leases.get(lease)?.workload ?? '')
  if (workload && workload.dueAt !== null) workloads.update(workload, { dueAt: Math.min(workload.dueAt, now) })
  tell({ nudges: ['follow', 'agents'] })
}
