import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

import { Client } from 'pg'

import { costMicros } from '#kit/money.ts'

/** What a workload of the torture must have come to. */
export type Expected = { name: string; state: 'succeeded' | 'failed'; exitCode: number; ranks: number; tasks: number }

/**
 * Looks at everything that must be true once all work has ended, in the store and in the marks that the work itself
 * left, and returns what is not so.
 */
export async function violations(options: { url: string; marks: string; expected: Expected[] }): Promise<string[]> {
  const client = new Client({ connectionString: options.url })
  await client.connect()
  try {
    return [
      ...(await outcomes(client, options.expected)),
      ...runs(options.marks, options.expected),
      ...(await leases(client)),
      ...(await ledger(client)),
    ]
  } finally {
    await client.end()
  }
}

/**
 * Waits until the loops have nothing left to do: an operation that a dead control plane had claimed waits for its claim
 * to expire, and the last entries are written after the last lease has ended.
 */
export async function quiet(url: string): Promise<void> {
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    const deadline = performance.now() + 120_000
    while (performance.now() < deadline) {
      const { rows } = await client.query(
        `select (select count(*) from operations where state = 'intended')
              + (select count(*) from leases where started_at is not null and (metered_until is null or metered_until < ended_at)) as open`,
      )
      if (Number(rows[0]?.open) === 0) return
      await sleep(200)
    }
  } finally {
    await client.end()
  }
}

/** None lost: every workload ended as its program did. */
async function outcomes(client: Client, expected: Expected[]): Promise<string[]> {
  const rows: { name: string; state: string; exit_code: number; attempts: number; kind: string }[] = (
    await client.query('select name, state, exit_code, attempts, kind from workloads')
  ).rows
  const byName = Map.groupBy(rows, ({ name }) => name)
  return expected.flatMap(({ name, state, exitCode }) => {
    const found = byName.get(name) ?? []
    const [row] = found
    if (found.length !== 1 || !row) return [`${name}: ${found.length} workloads of that name`]
    const right = row.state === state && row.exit_code === exitCode
    return right ? [] : [`${name}: ${row.state} with ${row.exit_code}, expected ${state} with ${exitCode}`]
  })
}

/** None run twice: each rank and each task left one mark at its start and one at its end. */
function runs(marks: string, expected: Expected[]): string[] {
  const lines = readFileSync(marks, 'utf8').trimEnd().split('\n')
  const counts = new Map<string, number>()
  for (const line of lines) counts.set(line, (counts.get(line) ?? 0) + 1)
  const wrong: string[] = []
  const once = (mark: string) => {
    if (counts.get(mark) !== 1) wrong.push(`"${mark}" was left ${counts.get(mark) ?? 0} times`)
    counts.delete(mark)
  }
  for (const { name, ranks, tasks } of expected)
    for (const when of ['start', 'end']) {
      for (let rank = 0; rank < ranks; rank++) once(`${name} rank ${rank} ${when}`)
      for (let task = 0; task < tasks; task++) once(`${name} task ${task} ${when}`)
    }
  for (const mark of counts.keys()) wrong.push(`"${mark}" was left by nobody we know`)
  return wrong
}

async function leases(client: Client): Promise<string[]> {
  const open = await client.query(
    "select id, state from leases where state not in ('gone', 'refused') union all select o.id || ' (' || o.kind || ', try ' || o.tries || ', ' || o.detail || ', lease ' || l.state || ')', o.state from operations o join leases l on l.id = o.lease where o.state = 'intended'",
  )
  const doubled = await client.query(
    "select workload, replica, count(*) from attempts where state not in ('refused') group by 1, 2 having count(*) > 1",
  )
  return [
    ...open.rows.map(({ id, state }) => `${id} is still ${state}`),
    ...doubled.rows.map(({ workload, replica, count }) => `replica ${replica} of ${workload} had ${count} attempts`),
  ]
}

/** No entry missing or double: the entries of a lease join end to end from its start to its end, and cost what they must. */
async function ledger(client: Client): Promise<string[]> {
  const all: {
    id: string
    price: string
    started: string
    ended: string
    from: string | null
    to: string
    amount: string
  }[] = (
    await client.query(
      `select l.id, l.price_micros::text as price, l.started_at::text as started, l.ended_at::text as ended,
              e.from_ms::text as from, e.to_ms::text as to, e.amount_micros::text as amount
         from leases l left join entries e on e.lease = l.id
        where l.started_at is not null order by l.id, e.from_ms`,
    )
  ).rows
  return [...Map.groupBy(all, ({ id }) => id)].flatMap(([id, entries]) => {
    const [first] = entries
    if (!first) return []
    let at = Number(first.started)
    let sum = 0n
    for (const { from, to, amount } of entries) {
      if (from === null) return Number(first.ended) > at ? [`${id} was never billed`] : []
      if (Number(from) !== at) return [`${id} is billed from ${from} where ${at} was due`]
      at = Number(to)
      sum += BigInt(amount)
    }
    if (at !== Number(first.ended)) return [`${id} is billed until ${at} and ended at ${first.ended}`]
    const due = costMicros(BigInt(first.price), at - Number(first.started))
    return sum === due ? [] : [`${id} is billed ${sum} micro-dollars, and ${due} are due`]
  })
}
