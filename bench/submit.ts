import { aStore, someIds, withPostgres } from '#rigs/postgres.ts'
import type { NewWorkload } from '#store/store.ts'
import { aJob } from '#test/builders.ts'
import { openPlainInserts } from './plain-inserts.ts'

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

await withPostgres({ durable: true })
console.log(
  `PostgreSQL on this machine, one connection, spec of ${JSON.stringify(someWorkloads(1)[0]?.spec).length} bytes, ${seconds} s a line\n`,
)
console.log('batch   Isobar, workloads/s   plain inserts, workloads/s   share')
for (const size of batches) {
  const store = await aStore()
  const other = await aStore()
  const inserts = await openPlainInserts(other.url)
  const ours = await rate(size, (batch) => store.workloads.submit(batch, Date.now()))
  const bound = await rate(size, inserts.act)
  const share = `${Math.round((ours / bound) * 100)} %`
  console.log(
    `${String(size).padStart(5)}${ours.toFixed(0).padStart(22)}${bound.toFixed(0).padStart(29)}${share.padStart(8)}`,
  )
  await Promise.all([inserts.close(), store.close(), other.close()])
}
