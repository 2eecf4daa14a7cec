import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'

import { Client } from 'pg'

import type { Change } from '#model/change.ts'
import { aStore, withPostgres } from '#rigs/postgres.ts'
import { aClaim, aPlacing, submitted } from '#rigs/story.ts'
import type { Placed } from '#store/store.ts'
import { aJob, aNow } from '#test/builders.ts'

/**
 * What the start of a job, the news that it runs and its end cost PostgreSQL, some of them in one transaction: processor
 * time of its backends as the kernel counts it, which other work disturbs less than the clock on the wall, and what goes into
 * the write-ahead log. Linux only.
 *
 *     node bench/lifecycle.ts [--each N] [--rounds N]
 */
const { values } = parseArgs({
  options: { each: { type: 'string', default: '30' }, rounds: { type: 'string', default: '150' } },
})
const [each, rounds] = [Number(values.each), Number(values.rounds)]
/** Rounds that are not counted: statements are planned and pages come into memory. */
const warmUp = 20

await withPostgres({ durable: true })
await using store = await aStore()
const sql = new Client({ connectionString: store.url })
await sql.connect()

const ids: string[] = []
for (let i = 0; i < warmUp + rounds; i++)
  ids.push(
    ...(await submitted(
      store,
      Array.from({ length: each }, () => aJob()),
    )),
  )
await sql.query('vacuum analyze')

const steps = ['start', 'runs', 'end'] as const
const spent = new Map(steps.map((step) => [step, { cpuMs: 0, wallMs: 0 }]))
let before = await written()
for (let round = 0; round < warmUp + rounds; round++) {
  if (round === warmUp) before = await written()
  const claim = await aClaim(store)
  const placed = ids.slice(round * each, (round + 1) * each).map((id) => aPlacing(id))
  const calls = {
    start: () => store.placement.commit(claim, placed, [], aNow),
    runs: () => store.apply(placed.flatMap(runs)),
    end: () => store.apply(placed.flatMap(ends)),
  }
  for (const step of steps) {
    const [cpuMs, begun] = [await processorMs(), performance.now()]
    await calls[step]()
    const wallMs = performance.now() - begun
    const sum = spent.get(step)
    if (!sum || round < warmUp) continue
    sum.wallMs += wallMs
    sum.cpuMs += (await processorMs()) - cpuMs
  }
}
const after = await written()
const jobs = each * rounds
const microseconds = (ms: number): number => Math.round((ms * 1000) / jobs)
console.log(`${each} jobs in one transaction, ${jobs} in all`)
console.table(
  Object.fromEntries(
    [...spent].map(([step, { cpuMs, wallMs }]) => [
      step,
      { 'processor µs a job': microseconds(cpuMs), 'on the wall µs a job': microseconds(wallMs) },
    ]),
  ),
)
console.log(
  `Written to the log of PostgreSQL for each: ${Math.round((after.bytes - before.bytes) / jobs)} bytes in ` +
    `${Math.round((after.records - before.records) / jobs)} records`,
)
await sql.end()

function runs({ decision: { workload: id }, leaseId, attemptId }: Placed): Change[] {
  return [
    { change: 'lease', id: leaseId, to: 'held' },
    { change: 'attempt', id: attemptId, to: 'running', reason: '' },
    { change: 'workload', id, to: 'running', reason: '' },
  ]
}

function ends({ decision: { workload: id, replica }, leaseId, attemptId }: Placed): Change[] {
  return [
    { change: 'lease', id: leaseId, to: 'stopping' },
    { change: 'lease', id: leaseId, to: 'gone' },
    { change: 'attempt', id: attemptId, to: 'succeeded', reason: '', exitCode: 0 },
    { change: 'replica-done', workload: id, replica },
    { change: 'workload', id, to: 'succeeded', reason: '', exitCode: 0 },
  ]
}

/** Of all backends but our own. */
async function processorMs(): Promise<number> {
  const { rows } = await sql.query<{ pid: number }>(
    'select pid from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()',
  )
  // Its first number is the time on a processor in nanoseconds.
  return rows.reduce((sum, { pid }) => sum + Number.parseInt(readFileSync(`/proc/${pid}/schedstat`, 'utf8')) / 1e6, 0)
}

async function written(): Promise<{ bytes: number; records: number }> {
  const { rows } = await sql.query<{ bytes: number; records: number }>(
    'select wal_bytes::float8 as bytes, wal_records::int as records from pg_stat_wal',
  )
  return rows[0] ?? { bytes: 0, records: 0 }
}
