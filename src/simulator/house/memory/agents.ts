import { mayMove } from '#model/moves.ts'
import { type Rank, rankMoves } from '#model/rank.ts'
import { differs, heard, heardEveryMs } from '#store/queries/agents.ts'
import type { Agents, AgentView } from '#store/store.ts'
import { jsonb } from './jsonb.ts'
import type { Memory } from './memory.ts'
import { dueWithNews } from './news-due.ts'
import { attemptOf, leaseOf, type RankRow, rankOf, workloadOf, type WorkloadRow } from './rows.ts'
import { all, isLive, rankKey } from './tables.ts'
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
  fellSilent: ({ from, to }, now) => memory.write(() => fellSilent(memory, { from, to, now })),
  heardAt: (sites) =>
    memory.read(() => {
      const latest = new Map<string, number>()
      for (const site of sites)
        for (const { id, state } of memory.leases.openAt.get(site)) {
          if (state !== 'starting' && state !== 'held') continue
          for (const rank of memory.ranks.byLease.get(id))
            if ((rank.state === 'arrived' || rank.state === 'running') && rank.heardAt !== null)
              latest.set(site, Math.max(latest.get(site) ?? 0, rank.heardAt))
        }
      return latest
    }),
  tasks: (lease, said, now) => memory.write(() => exchangeTasks(memory, { lease, report: said, now })),
})

function fellSilent(memory: Memory, { from, to, now }: { from: number; to: number; now: number }): void {
  const { leases, ranks, workloads } = memory
  const isSilent = ({ state, heardAt }: RankRow): boolean =>
    (state === 'arrived' || state === 'running') && heardAt !== null && heardAt >= from && heardAt < to
  const due = new Set<WorkloadRow>()
  for (const row of workloads.due.get(all))
    for (const { id, state } of leases.open.get(row.id))
      if ((state === 'starting' || state === 'held') && ranks.byLease.get(id).some(isSilent)) due.add(row)
  for (const row of due) workloads.update(row, { dueAt: dueWithNews(row, now) })
  if (due.size > 0) memory.tell({ nudges: ['follow'] })
}

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
  ranks.update(row, {
    ...next,
    endpoints: jsonb(next.endpoints),
    cause: next.cause && jsonb(next.cause),
    report: number ?? row.report,
  })
  if (!news) return
  const workload = workloads.get(leases.get(next.lease)?.workload ?? '')
  if (workload && workload.dueAt !== null) workloads.update(workload, { dueAt: dueWithNews(workload, now) })
  tell({ nudges: ['follow', 'agents'] })
}
