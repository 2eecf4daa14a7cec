import { randomBytes } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'

import { Client } from 'pg'

import { createClock } from '#kit/clock.ts'
import { createIds } from '#kit/ids.ts'
import { readSpecs } from '#model/spec/read.ts'
import { admit } from '#reconcilers/admit.ts'
import { follow } from '#reconcilers/follow.ts'
import { launch } from '#reconcilers/launch.ts'
import { meter } from '#reconcilers/meter.ts'
import { observe } from '#reconcilers/observe.ts'
import type { Reconciler } from '#reconcilers/reconciler.ts'
import { retire } from '#reconcilers/retire.ts'
import { startLoops } from '#reconcilers/run.ts'
import { sweep } from '#reconcilers/sweep.ts'
import { withPostgres } from '#rigs/postgres.ts'
import { openStore } from '#store/open.ts'
import { openClouds } from './clouds.ts'
import { coresText, processes, ticksOf, watchCores } from './processes.ts'

/**
 * Memory of a control plane with 100,000 active simulated workloads (goal: 500 MB), and what its loops take of a core
 * once all run. The loops and the store are the real ones; the simulated clouds and PostgreSQL have processes
 * of their own. The rows are filled in by SQL as if all had been started already. The bound is the bytes of the live rows in PostgreSQL, which nobody has to hold.
 *
 *     node bench/memory.ts [workloads] [seconds of steady state]
 */
const [count = 100_000, seconds = 60] = process.argv.slice(2).map(Number)
const MB = 1024 * 1024

const read = readSpecs('kind: job\nname: train\nrun: torchrun train.py\nlabels: { team: research }\n', 'spec.yaml')
const spec = 'specs' in read ? read.specs[0]?.spec : undefined
if (!spec) throw new Error('the spec of this bench is not right')

/** Turns of each loop, and the time that they took from begin to end. */
const turns = new Map<string, { count: number; ms: number; longest: number }>()
const timed = (loop: Reconciler): Reconciler => ({
  ...loop,
  async turn(house, signal) {
    const began = performance.now()
    try {
      return await loop.turn(house, signal)
    } finally {
      const ms = performance.now() - began
      const sum = turns.get(loop.name) ?? { count: 0, ms: 0, longest: 0 }
      turns.set(loop.name, { count: sum.count + 1, ms: sum.ms + ms, longest: Math.max(sum.longest, ms) })
    }
  },
})

const shape = {
  name: 'sim',
  accelerators: 0,
  acceleratorMemoryMiB: 0,
  cpuMilli: 8000,
  memoryMiB: 65_536,
  diskMiB: 65_536,
}
const postgres = await withPostgres({ durable: true })
const url = await postgres.database('bench')
const clock = createClock()
const ids = createIds(clock.now, randomBytes)
const store = await openStore({ url, ids, clock })
const sites = Array.from({ length: 10 }, (_, i) => ({
  name: `site-${i}`,
  jurisdictions: ['DE'],
  patienceMs: 60_000,
  pools: [{ tier: 'on-demand' as const, shape, priceMicros: 3_600_000 + i, nodes: Math.ceil(count / 10) }],
}))
const clouds = openClouds({ seed: 1, sites, faults: { runMs: [1e10, 1e10] } })
const house = {
  store,
  providers: new Map([['simulated', clouds.provider]]),
  clock,
  ids,
  holder: 'bench',
  controlPlanes: () => ['http://127.0.0.1:1'],
  credential: (token: string) => `${token}.simulated`,
  archive: { kept: async () => ({ bytes: 0, end: 0 }), add: async () => {} },
}

let peak = 0
const rss = () => {
  const now = process.memoryUsage.rss()
  peak = Math.max(peak, now)
  return now
}
const watch = setInterval(rss, 100)
const sql = new Client({ connectionString: url })
await sql.connect()
const one = async (text: string): Promise<number> => Number(Object.values((await sql.query(text)).rows[0])[0])
/** With all its processes, those that ended among them; ticks are of 10 ms. */
const postgresMs = (): number => ticksOf(postgres.pid(), processes()) * 10

const atStart = rss()
const first = ids('w')
const { project, kind, priority } = spec
const like = { id: first, name: 'train', project, kind, spec, bundle: null, priority, submittedBy: 'bench' }
await store.workloads.submit([like], clock.now())
await sql.query(
  `insert into workloads (id, name, project, kind, spec, need, priority, submitted_by, created_at)
     select 'w-' || lpad(i::text, 16, '0'), name, project, kind, spec, need, priority, submitted_by, created_at
     from workloads, generate_series(2, ${count}) i where id = '${first}'`,
)
await sql.query(`insert into replicas (workload, replica) select id, 0 from workloads where id <> '${first}'`)
await sql.query(
  `create temporary table mine as select id, 'l-' || id as lease, 'a-' || id as attempt,
     'site-' || (row_number() over (order by id) - 1) % ${sites.length} as site from workloads`,
)
const now = clock.now()
const ranks = JSON.stringify([{ rank: 0, cpuMilli: 8000, memoryMiB: 65_536, diskMiB: 65_536, accelerators: 0 }])
for (const statement of [
  `update replicas set state = 'placed'`,
  // Looks at them are spread, as they would be after a while.
  `update workloads set state = 'running', attempts = 1, started_at = ${now}, due_at = ${now} + (random() * 300000)::bigint`,
  `insert into attempts (id, workload, replica, number, state, plan, ready, created_at, started_at)
     select attempt, id, 0, 1, 'running', 'p', true, ${now}, ${now} from mine`,
  `insert into leases (id, attempt, workload, project, provider, site, tier, shape, price_micros, ranks, grace_ms, state, created_at, started_at, metered_until)
     select lease, attempt, id, 'default', 'simulated', site, 'on-demand', 'sim', 3600000, '${ranks}', 30000, 'held', ${now},
       ${now} - 600000, ${now} - (random() * 60000)::bigint from mine`,
  `insert into ranks (lease, rank, state, started_at) select lease, 0, 'running', ${now} from mine`,
  `insert into operations (id, lease, kind, site, token, state, not_before)
     select 'o-' || id, lease, 'launch', 'simulated/' || site, lease, 'done', ${now} from mine`,
  'analyze',
])
  await sql.query(statement)
const { signal } = new AbortController()
const { rows: mine } = await sql.query('select id, lease, site from mine')
for (let done = 0; done < mine.length; done += 500) {
  const launches = mine.slice(done, done + 500).map(({ id: workload, lease: token, site }) => {
    const order = { token, workload, attempt: 1, site, tier: 'on-demand' as const, ranks: [{ rank: 0, shape }] }
    return clouds.provider.launch({ ...order, controlPlanes: [], credential: '', graceMs: 30_000 }, signal)
  })
  const refused = (await Promise.all(launches)).find(({ ok }) => !ok)
  if (refused && !refused.ok) throw new Error(refused.fault.detail)
}
mine.length = 0
const filled = rss()
const cores = watchCores([postgres.pid()])
const loops = startLoops([observe, admit, launch, follow, retire, meter, sweep].map(timed), house, {
  error: (facts, message) => console.error(message, facts),
})
await pause(20_000) // the first look at everything, and the entries that are due
const peakAtFirst = peak
turns.clear()
peak = 0
const cpu = process.cpuUsage()
const postgresBefore = postgresMs()
await pause(seconds * 1000)
const used = process.cpuUsage(cpu)
const postgresAfter = postgresMs()
const steady = { peak, now: rss(), heap: process.memoryUsage().heapUsed }
for (const [name, { count: n, ms, longest }] of turns)
  console.log(
    `  steady, loop ${name.padEnd(8)}${String(n).padStart(6)} turns${(ms / n).toFixed(0).padStart(7)} ms each${longest.toFixed(0).padStart(7)} ms the longest`,
  )

await loops.stop()
clearInterval(watch)
const rows = await one(
  `select sum(pg_total_relation_size(c.oid)) from pg_class c where c.relname in ('workloads', 'replicas', 'attempts', 'leases', 'ranks')`,
)
const line = (what: string, bytes: number) => console.log(`${what.padEnd(52)}${(bytes / MB).toFixed(0).padStart(8)}`)
console.log(`${count} active workloads                                    MB`)
line('before', atStart)
line('filled', filled)
line('peak of the first 20 s', peakAtFirst)
line('steady state, peak (goal: 500)', steady.peak)
line('steady state, at the end', steady.now)
line('steady state, heap', steady.heap)
line('bound: their rows and indexes in PostgreSQL', rows)
console.log(
  `CPU in steady state, % of a core: loops ${((used.user + used.system) / seconds / 10_000).toFixed(1)}, PostgreSQL ${((postgresAfter - postgresBefore) / seconds / 10).toFixed(1)}`,
)
console.log(coresText(cores()))
await sql.end()
await store.close()
process.exit(0)
