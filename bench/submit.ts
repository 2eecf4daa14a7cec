import { Client } from 'pg'

import { wantedReplicas } from '#model/workload.ts'
import { aStore, someIds, withPostgres } from '#rigs/postgres.ts'
import type { NewWorkload } from '#store/store.ts'
import { aJob } from '#test/builders.ts'

/**
 * Workloads submitted and committed per second (goal: 5,000 on two cores, in batches), beside PostgreSQL's own rate for
 * the same bytes in plain prepared inserts of many rows. Both wait for the disk at every commit, as in production.
 *
 *     node bench/submit.ts [seconds per line]
 */
const seconds = Number(process.argv[2] ?? 3)
const batches = [1, 10, 100, 500, 1000]

const someWorkloads = (count: number): NewWorkload[] =>
  Array.from({ length: count }, () => ({
    ...aJob({
      name: 'train-7b',
      nodes: 8,
      resources: { accelerators: ['H200:8', 'H100:8'], memory: '1TB+', cpus: '96+' },
      setup: 'pip install -r requirements.txt',
      run: 'torchrun --nnodes $ISOBAR_NODES --node-rank $ISOBAR_RANK train.py --config configs/7b.yaml',
      env: { NCCL_DEBUG: 'INFO', WANDB_MODE: 'offline' },
      labels: { team: 'research', run: '2026-01-01' },
      budget: { limit: '$10,000' },
    }),
    id: someIds('w'),
  }))

/** Calls `act` again and again for the time of a line; how many it did in a second. */
async function rate(perCall: number, act: (batch: NewWorkload[]) => Promise<void>): Promise<number> {
  const ready = Array.from({ length: Math.ceil(200 / perCall) }, () => someWorkloads(perCall))
  await act(someWorkloads(perCall))
  let [done, spent] = [0, 0]
  for (let i = 0; spent < seconds * 1000; i++) {
    const batch = (ready[i % ready.length] ?? []).map((workload) => ({ ...workload, id: someIds('w') }))
    const start = performance.now()
    await act(batch)
    spent += performance.now() - start
    done += batch.length
  }
  return (done * 1000) / spent
}

/** `($1,$2),($3,$4)` for two rows of two columns. */
const placeholders = (rows: number, columns: number): string =>
  Array.from({ length: rows }, (_row, i) => {
    const row = Array.from({ length: columns }, (_column, j) => `$${i * columns + j + 1}`)
    return `(${row.join(',')})`
  }).join(',')

/** The same rows as `submit` writes, as plain inserts; four statements in one transaction, prepared once. */
async function plain(url: string) {
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

await withPostgres({ durable: true })
console.log(
  `PostgreSQL on this machine, one connection, spec of ${JSON.stringify(someWorkloads(1)[0]?.spec).length} bytes, ${seconds} s a line\n`,
)
console.log('batch   Isobar, workloads/s   plain inserts, workloads/s   share')
for (const size of batches) {
  const store = await aStore()
  const other = await aStore()
  const inserts = await plain(other.url)
  const ours = await rate(size, (batch) => store.workloads.submit(batch, Date.now()))
  const bound = await rate(size, inserts.act)
  const share = `${Math.round((ours / bound) * 100)} %`
  console.log(
    `${String(size).padStart(5)}${ours.toFixed(0).padStart(22)}${bound.toFixed(0).padStart(29)}${share.padStart(8)}`,
  )
  await Promise.all([inserts.close(), store.close(), other.close()])
}
