import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

import { Client } from 'pg'

import { costMicros } from '#kit/money.ts'
import { linesOf } from '#rigs/lines.ts'
import { started } from './processes.ts'
import { marksOf, type Expected } from './work.ts'

export type Facts = {
  /** The database. */
  url: string
  /** Below which everything of the torture is. */
  scratch: string
  /** Folders of its sites. */
  sites: string[]
  expected: Expected[]
  /** Whether capacity was taken away, so that more than one attempt is right. */
  losses: boolean
}

/**
 * Looks at everything that must be true once all work has ended, in the store, on the disk, among the processes, and in
 * the marks that the work itself left, and returns what is not so.
 */
export async function violations(facts: Facts): Promise<string[]> {
  await tidied(facts.sites)
  return withClient(facts.url, async (client) => {
    const expected = await those(client, facts.expected)
    return [
      ...(await outcomes(client, expected)),
      ...(await runs(client, { ...facts, expected })),
      ...(await leases(client, facts.losses)),
      ...(await ledger(client)),
      ...facts.sites.flatMap(leftFolders),
      ...(await started(facts.scratch)).map(({ pid, agent }) => `${agent ? 'agent' : 'process'} ${pid} is left`),
    ]
  })
}

/** Those that are there for sure, and of the others those that are. */
async function those(client: Client, expected: Expected[]): Promise<Expected[]> {
  const { rows } = await client.query<{ name: string }>('select name from workloads')
  const there = new Set(rows.map(({ name }) => name))
  return expected.filter(({ name, maybe }) => !maybe || there.has(name))
}

export async function withClient<T>(url: string, work: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({ connectionString: url })
  client.on('error', () => {}) // the query that meets it fails, that is enough
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end()
  }
}

const open = `
  select 'workload ' || name || ' is ' || state || ': ' || reason as what from workloads where ended_at is null
  union all select 'lease ' || id || ' is ' || state from leases where state not in ('gone', 'refused')
  union all select o.kind || ' of ' || o.lease || ' is open after ' || o.tries || ' tries: ' || o.detail
    from operations o where o.state = 'intended'
  union all select 'lease ' || id || ' is not billed to its end' from leases
    where started_at is not null and (metered_until is null or metered_until < ended_at)`

/**
 * Waits until all work has ended and the loops have nothing left to do: an operation that a dead control plane had
 * claimed waits for its claim to expire, and the last entries are written after the last lease has ended.
 */
export async function quiet(url: string, withinMs: number): Promise<void> {
  const deadline = performance.now() + withinMs
  for (;;) {
    const { rows } = await withClient(url, (client) => client.query<{ what: string }>(open))
    if (rows.length === 0) return
    if (performance.now() > deadline)
      throw new Error(
        [`Work has not ended after ${withinMs / 1000} s:`, ...rows.slice(0, 10).map(({ what }) => what)].join('\n  '),
      )
    await sleep(200)
  }
}

/** None lost: every workload ended as its program did, all tasks of an array counted once. */
async function outcomes(client: Client, expected: Expected[]): Promise<string[]> {
  const { rows } = await client.query<{ name: string; state: string; exit_code: number; tasks: number; rows: number }>(
    `select name, state, exit_code, tasks_succeeded::int as tasks,
       (select count(*)::int from tasks t where t.workload = w.id and t.state = 'succeeded') as rows from workloads w`,
  )
  const byName = Map.groupBy(rows, ({ name }) => name)
  return expected.flatMap(({ name, state, exitCode, tasks }) => {
    const found = byName.get(name) ?? []
    const [row] = found
    if (found.length !== 1 || !row) return [`${name}: ${found.length} workloads of that name`]
    const wrong: string[] = []
    if (row.state !== state || row.exit_code !== exitCode)
      wrong.push(`${name}: ${row.state} with ${row.exit_code}, expected ${state} with ${exitCode}`)
    if (row.tasks !== tasks || row.rows > tasks)
      wrong.push(`${name}: ${row.tasks} tasks (${row.rows} rows) succeeded, expected ${tasks}`)
    return wrong
  })
}

/** What the work left: nothing, where none of it ever ran. */
const marks = (scratch: string): string[] => linesOf(marksOf(scratch))

/**
 * None run twice: in one attempt each rank left one mark at its start and one at its end, and none of them more than
 * that. A task may start again after a loss, in another attempt.
 */
async function runs(client: Client, { scratch, expected, losses }: Facts): Promise<string[]> {
  const { rows } = await client.query<{ name: string; number: number }>(
    "select w.name, a.number from attempts a join workloads w on w.id = a.workload where a.state in ('succeeded', 'failed')",
  )
  const ended = Map.groupBy(rows, ({ name }) => name)
  const counts = new Map<string, number>()
  for (const line of marks(scratch)) counts.set(line, (counts.get(line) ?? 0) + 1)
  const known = new Set(expected.map(({ name }) => name))
  const wrong = [...counts].flatMap(([mark, times]) => {
    if (!known.has(mark.split(' ')[0] ?? '')) return [`"${mark}" was left by nobody we know`]
    return times > 1 ? [`"${mark}" was left ${times} times`] : []
  })
  for (const { name, ranks, tasks } of expected) {
    const attempts = ended.get(name) ?? []
    if (ranks > 0 && attempts.length !== 1) wrong.push(`${name} came to its end in ${attempts.length} attempts`)
    for (let rank = 0; rank < ranks; rank++)
      for (const when of ['start', 'end']) {
        const mark = `${name} attempt ${attempts[0]?.number} rank ${rank} ${when}`
        if (!counts.has(mark)) wrong.push(`"${mark}" is missing`)
      }
    for (let task = 0; task < tasks; task++) {
      const times = [...counts.keys()].filter(
        (mark) => mark.startsWith(`${name} `) && mark.endsWith(` task ${task} end`),
      )
      if (times.length === 0 || (times.length > 1 && !losses))
        wrong.push(`task ${task} of ${name} ended ${times.length} times`)
    }
  }
  return wrong
}

async function leases(client: Client, losses: boolean): Promise<string[]> {
  const left = await client.query<{ what: string }>(open)
  const fine = losses ? "('refused', 'lost')" : "('refused')"
  const doubled = await client.query<{ workload: string; replica: number; count: number }>(
    `select workload, replica, count(*) from attempts where state not in ${fine} group by 1, 2 having count(*) > 1`,
  )
  return [
    ...left.rows.map(({ what }) => what),
    ...doubled.rows.map(({ workload, replica, count }) => `replica ${replica} of ${workload} had ${count} attempts`),
  ]
}

/** Nothing of an order that is over stays on the disk of its site. */
const leftFolders = (site: string): string[] =>
  ['orders', 'claims'].flatMap((kind) =>
    readdirSync(join(site, kind)).map((name) => `${join(site, kind, name)} is left`),
  )

/** What a control plane left halfway goes when somebody lists the site, which happens twice a minute when nothing runs. */
async function tidied(sites: string[]): Promise<void> {
  for (const until = performance.now() + 60_000; performance.now() < until; await sleep(500))
    if (sites.flatMap(leftFolders).length === 0) return
}

type Line = {
  id: string
  price: string
  started: string
  ended: string
  from: string | null
  to: string
  amount: string
}

/** No entry missing or double: the entries of a lease join end to end from its start to its end, and cost what they must. */
async function ledger(client: Client): Promise<string[]> {
  const { rows } = await client.query<Line>(
    `select l.id, l.price_micros::text as price, l.started_at::text as started, l.ended_at::text as ended,
            e.from_ms::text as from, e.to_ms::text as to, e.amount_micros::text as amount
       from leases l left join entries e on e.lease = l.id
      where l.started_at is not null order by l.id, e.from_ms`,
  )
  const sums = await client.query<{ name: string }>(
    `select s.name from spent s full join (
       select 'workload' as kind, workload as name, sum(amount_micros) as amount from entries group by workload
       union all select 'project', project, sum(amount_micros) from entries group by project
     ) e using (kind, name) where s.amount_micros is distinct from e.amount`,
  )
  return [
    ...[...Map.groupBy(rows, ({ id }) => id).values()].flatMap(billed),
    ...sums.rows.map(({ name }) => `what ${name} has spent is not the sum of its entries`),
  ]
}

function billed(entries: Line[]): string[] {
  const [first] = entries
  if (!first) return []
  let at = Number(first.started)
  let sum = 0n
  for (const { id, from, to, amount } of entries) {
    if (from === null) return Number(first.ended) > at ? [`${id} was never billed`] : []
    if (Number(from) !== at) return [`${id} is billed from ${from} where ${at} was due`]
    at = Number(to)
    sum += BigInt(amount)
  }
  if (at !== Number(first.ended)) return [`${first.id} is billed until ${at} and ended at ${first.ended}`]
  const due = costMicros(BigInt(first.price), at - Number(first.started))
  return sum === due ? [] : [`${first.id} is billed ${sum} micro-dollars, and ${due} are due`]
}
