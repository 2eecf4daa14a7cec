import { sql } from 'kysely'

import type { Replica } from '#model/replica.ts'
import type { Executor } from '#store/database.ts'
import type { After } from '#store/store.ts'
import { replicaColumns } from './columns.ts'

/** Who runs on capacity that is not spot, has a deadline and saves its work: some of them, in the order of their workloads. */
export async function readRunning(on: Executor, { workload, most }: After): Promise<Replica[]> {
  const { rows } = await sql<Replica>`
    select ${replicaColumns('r')}
    from leases l join attempts a on a.id = l.attempt join workloads w on w.id = l.workload
      join replicas r on r.workload = a.workload and r.replica = a.replica
    where l.state = 'held' and l.tier <> 'spot' and a.state = 'running' and w.id > ${workload}
      and w.state = 'running' and w.wants = 'run' and w.kind = 'job'
      and w.spec ? 'deadline' and w.spec -> 'checkpoint' ?| '{everyMs,directory}'
    order by w.id, l.id limit ${most}
  `.execute(on)
  return rows
}
