import type { Event } from '#model/event.ts'
import type { Operation } from '#model/operation.ts'
import type { Changes, RowChange } from './changes.ts'
import { type AttemptRow, keyOf, type LeaseRow, type WorkloadRow } from './tables.ts'

/** Rows of what goes on, by what they belong to, kept up with the changes so that a look costs what has changed. */
export type Known = {
  /** Workloads, attempts and leases that have not come to their end; `lost` is none. */
  workloads: ReadonlyMap<string, WorkloadRow>
  attempts: ReadonlyMap<string, AttemptRow>
  leases: ReadonlyMap<string, LeaseRow>
  /** Live attempts of a replica. */
  attemptsOf(workload: string, replica: number): readonly AttemptRow[]
  leaseOf(attempt: string): LeaseRow | null
  /** Leases of a workload that have not come to their end. */
  leasesOf(workload: string): readonly LeaseRow[]
  operationOf(lease: string, kind: Operation['kind']): Operation | null
  /** Leases that were lost once: what they hold counts for nobody. */
  wasLost(lease: string): boolean
  learn(changes: Changes): void
  /** What is lost and seen again between two looks is told by events alone. */
  hear(events: readonly Event[]): void
}

export const isOpenLease = ({ state }: Pick<LeaseRow, 'state'>): boolean => state !== 'gone' && state !== 'refused'

export function createKnown(): Known {
  const workloads = new Map<string, WorkloadRow>()
  const attempts = new Map<string, AttemptRow>()
  const leases = new Map<string, LeaseRow>()
  const ofReplica = new Map<string, Map<string, AttemptRow>>()
  const ofAttempt = new Map<string, LeaseRow>()
  const ofWorkload = new Map<string, Map<string, LeaseRow>>()
  const operations = new Map<string, Operation>()
  const lost = new Set<string>()

  const attempt = ({ key, before, after }: RowChange<AttemptRow>): void => {
    const live = after?.endedAt === null ? after : null
    put(attempts, key, live)
    const row = after ?? before
    if (row) putOf(ofReplica, keyOf(row.workload, row.replica), { key, row: live })
  }
  const lease = ({ key, before, after }: RowChange<LeaseRow>): void => {
    const open = after && isOpenLease(after) ? after : null
    put(leases, key, open)
    const row = after ?? before
    if (row) put(ofAttempt, row.attempt, after)
    if (row) putOf(ofWorkload, row.workload, { key, row: open })
    if (after?.state === 'lost') lost.add(key)
    if (after === null) lost.delete(key)
  }
  return {
    workloads,
    attempts,
    leases,
    attemptsOf: (workload, replica) => [...(ofReplica.get(keyOf(workload, replica))?.values() ?? [])],
    leaseOf: (id) => ofAttempt.get(id) ?? null,
    leasesOf: (workload) => [...(ofWorkload.get(workload)?.values() ?? [])],
    operationOf: (id, kind) => operations.get(keyOf(id, kind)) ?? null,
    wasLost: (id) => lost.has(id),
    hear(events) {
      for (const { type, data } of events) if (type === 'lease.lost') lost.add(String(data['lease']))
    },
    learn(changes) {
      for (const { key, after } of changes.workloads) put(workloads, key, after?.endedAt === null ? after : null)
      for (const change of changes.attempts) attempt(change)
      for (const change of changes.leases) lease(change)
      for (const { before, after } of changes.operations) {
        const row = after ?? before
        if (row) put(operations, keyOf(row.lease, row.kind), after)
      }
    },
  }
}

function put<Row>(map: Map<string, Row>, key: string, row: Row | null): void {
  if (row === null) map.delete(key)
  else map.set(key, row)
}

/** Among those of its owner, of whom nothing is kept who has none. */
function putOf<Row>(
  all: Map<string, Map<string, Row>>,
  owner: string,
  { key, row }: { key: string; row: Row | null },
): void {
  const its = all.get(owner) ?? new Map<string, Row>()
  put(its, key, row)
  put(all, owner, its.size > 0 ? its : null)
}
