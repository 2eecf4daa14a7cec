import { Client } from 'pg'

import { aJob } from '#test/builders.ts'
import { aStore, someIds } from '#rigs/postgres.ts'

/**
 * What the loops read of a house with many live leases, at ten sites: the snapshot of `admit` while somebody waits, the
 * look of `observe` at one site whose listing agrees with what is known, and the leases that `meter` looks at. The bound
 * is reading one row of each lease.
 *
 *     node bench/live-leases.ts [leases]
 */
const [count = 100_000] = process.argv.slice(2).map(Number)
const now = Date.now()
const store = await aStore()
const sql = new Client({ connectionString: store.url })
await sql.connect()
const ids = Array.from({ length: 2 }, () => someIds('w'))
await store.workloads.submit(
  ids.map((id) => ({ ...aJob({ duration: { expected: '1d' } }), id })),
  now,
)
const ranks = JSON.stringify([{ rank: 0, cpuMilli: 8000, memoryMiB: 65_536, diskMiB: 65_536, accelerators: 0 }])
const site = `'site-' || i % 10`
for (const text of [
  `insert into workloads (id, name, project, kind, spec, priority, submitted_by, created_at, state, attempts, started_at)
     select 'w-' || i, name, project, kind, spec, priority, submitted_by, created_at, 'running', 1, ${now}
     from workloads, generate_series(1, ${count}) i where id = '${ids[0]}'`,
  `insert into attempts (id, workload, replica, number, state, plan, ready, created_at, started_at)
     select 'a-' || i, 'w-' || i, 0, 1, 'running', 'p', true, ${now}, ${now} from generate_series(1, ${count}) i`,
  `insert into leases (id, attempt, workload, project, provider, site, tier, shape, price_micros, ranks, grace_ms, state,
       created_at, started_at, metered_until)
     select 'l-' || i, 'a-' || i, 'w-' || i, 'default', 'local', ${site}, 'on-demand', 'sim', 3600000, '${ranks}', 30000,
       'held', ${now}, ${now} - 6000000, ${now} - (random() * 60000)::bigint from generate_series(1, ${count}) i`,
  `insert into ranks (lease, rank, state, started_at) select 'l-' || i, 0, 'running', ${now} from generate_series(1, ${count}) i`,
  'analyze',
])
  await sql.query(text)

const listed = Array.from({ length: count / 10 }, (_, i) => ({
  lease: `l-${i * 10 + 1}`,
  rank: 0,
  state: 'running' as const,
}))

/** The middle of five, and what was allocated. */
async function measure(what: string, read: () => Promise<number>): Promise<void> {
  const times: number[] = []
  let rows = 0
  const before = process.memoryUsage().heapUsed
  let peak = before
  for (let i = 0; i < 5; i++) {
    const began = performance.now()
    rows = await read()
    times.push(performance.now() - began)
    peak = Math.max(peak, process.memoryUsage().heapUsed)
  }
  const middle = times.toSorted((a, b) => a - b)[2] ?? 0
  const MB = ((peak - before) / 1024 / 1024).toFixed(0)
  console.log(
    `${what.padEnd(48)}${middle.toFixed(0).padStart(7)} ms${String(rows).padStart(9)} rows${MB.padStart(6)} MB`,
  )
}

console.log(`${count} live leases`)
await measure('admit: snapshot', async () => (await store.placement.snapshot({ now, most: 1_000 })).leases.length)
await measure(
  'observe: what a listing of one site contradicts',
  async () => (await store.sites.differing('local/site-1', listed)).length,
)
await measure('meter: those due first', async () => (await store.ledger.unmetered(1_000)).length)
await measure('bound: one row of each lease', async () => (await sql.query('select id from leases')).rows.length)
await sql.end()
await store.close()
process.exit(0)
