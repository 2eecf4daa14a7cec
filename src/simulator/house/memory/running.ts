import type { Replica } from '#model/replica.ts'
import type { After } from '#store/store.ts'
import { isMovable } from './live-leases.ts'
import type { Memory } from './memory.ts'
import { replicaOf, type LeaseRow } from './rows.ts'
import { all, replicaKey } from './tables.ts'

/** Who runs on capacity that is not spot, has a deadline and saves its work, as the query of the same name reads them. */
export function readRunning(memory: Memory, { workload, most }: After): Replica[] {
  return memory.leases.occupying
    .get(all)
    .filter((lease) => lease.workload > workload)
    .flatMap((lease) => runningIn(memory, lease))
    .sort((a, b) => (a.workload < b.workload ? -1 : 1))
    .slice(0, most)
}

function runningIn(
  { attempts, workloads, replicas }: Memory,
  { attempt: id, workload, state, tier }: LeaseRow,
): Replica[] {
  const [attempt, row] = [attempts.get(id), workloads.get(workload)]
  if (!attempt || !row || state !== 'held' || tier === 'spot' || attempt.state !== 'running') return []
  if (row.state !== 'running' || row.wants !== 'run' || row.kind !== 'job') return []
  const replica = replicas.get(replicaKey(attempt))
  return replica && isMovable(row) && 'deadline' in row.spec ? [replicaOf(replica)] : []
}
