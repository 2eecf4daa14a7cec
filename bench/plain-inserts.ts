import { Client } from 'pg'

import { wantedReplicas } from '#model/workload.ts'
import type { NewWorkload } from '#store/store.ts'

/** `($1,$2),($3,$4)` for two rows of two columns. */
const placeholders = (rows: number, columns: number): string =>
  Array.from({ length: rows }, (_row, i) => {
    const row = Array.from({ length: columns }, (_column, j) => `$${i * columns + j + 1}`)
    return `(${row.join(',')})`
  }).join(',')

/** The same rows as `submit` writes, as plain inserts on one connection: one transaction of prepared statements. */
export async function openPlainInserts(url: string) {
  const client = new Client({ connectionString: url })
  await client.connect()
  const insert = (into: string, rows: unknown[][]) => {
    const values = placeholders(rows.length, rows[0]?.length ?? 0)
    return client.query({
      name: `${into.slice(0, 9)} ${rows.length}`,
      text: `insert into ${into} values ${values}`,
      values: rows.flat(),
    })
  }
  const act = async (batch: NewWorkload[]): Promise<void> => {
    await client.query('begin')
    await insert(
      'workloads (id, name, project, kind, spec, bundle, priority, submitted_by, created_at, due_at)',
      batch.map((w) => [w.id, w.name, w.project, w.kind, w.spec, w.bundle, w.priority, w.submittedBy, 1, 1]),
    )
    await insert(
      'replicas (workload, replica)',
      batch.flatMap(({ id, spec }) => Array.from({ length: wantedReplicas(spec) }, (_, replica) => [id, replica])),
    )
    await insert(
      'events (generation, at, type, workload, project, message)',
      batch.map(({ id, name, project, submittedBy }) => [
        1,
        1,
        'workload.submitted',
        id,
        project,
        `${name} was submitted by ${submittedBy}`,
      ]),
    )
    await client.query('commit')
  }
  return { act, close: () => client.end() }
}
