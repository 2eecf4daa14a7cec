import { isPlannedToDeadline } from '#model/spec/planned-to-deadline.ts'
import type { SpotFacts, Try } from '#model/spot.ts'
import type { Workload } from '#model/workload.ts'
import { mostRuns, spotAgeMs } from '#store/queries/spot.ts'
import type { Memory } from './memory.ts'
import type { LeaseRow } from './rows.ts'
import { all, siteOf } from './tables.ts'

/** Whether a site took a lease, or told that it would. */
export const wasTaken = ({ attempts, ranks }: Memory, { id, attempt }: LeaseRow): boolean =>
  attempts.get(attempt)?.state === 'lost' || ranks.byLease.get(id).some(({ leavesAt }) => leavesAt !== null)

/** What was seen of spot markets, as the query of the same name reads it. */
export function readSpot(
  memory: Memory,
  { workloads, now, always }: { workloads: readonly Workload[]; now: number; always: boolean },
): SpotFacts | null {
  const { leases, attempts, ranks } = memory
  const planned = workloads.filter(({ spec }) => isPlannedToDeadline(spec)).map(({ id }) => id)
  if (planned.length === 0 && !always) return null
  const newest = leases.spotSeen.get(all).slice(leases.spotSeen.behind(all, [now - spotAgeMs]))
  const runs = newest
    .filter(({ startedAt, state }) => startedAt !== null || state === 'refused')
    .toReversed()
    .slice(0, mostRuns)
    .map((lease) => ({
      site: siteOf(lease),
      shape: lease.shape,
      from: lease.startedAt ?? lease.createdAt,
      until: lease.state === 'refused' ? lease.createdAt : lease.endedAt,
      taken: lease.state === 'refused' || wasTaken(memory, lease),
    }))
  const tries = planned.toSorted().flatMap((id) =>
    attempts.byWorkload
      .get(id)
      .toSorted((a, b) => a.number - b.number)
      .flatMap(({ id: attempt, startedAt, endedAt }): Try[] => {
        const its = leases.byAttempt.get(attempt)
        if (startedAt === null) return []
        const began = Math.min(...its.map((lease) => lease.startedAt ?? lease.createdAt))
        const heard = its.flatMap((lease) => ranks.byLease.get(lease.id).flatMap(({ heardAt }) => heardAt ?? []))
        const until = Math.min(endedAt ?? now, heard.length > 0 ? Math.max(...heard) : Infinity)
        return [{ workload: id, ranMs: Math.max(0, until - startedAt), startMs: Math.max(0, startedAt - began) }]
      }),
  )
  return { runs, tries }
}
