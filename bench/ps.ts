import { spawnSync } from 'node:child_process'

import { Client } from 'pg'

import { WorkloadPage } from '#api/views.ts'
import { readSpecs } from '#model/spec/read.ts'
import { bin, quantile, startControlPlane } from './control-plane.ts'
import { coresText, watchCores } from './processes.ts'

/**
 * `isobar ps` with 12,501 active workloads and 100,000 ended ones: the page that it asks, at the server (goal: 50 ms),
 * and the whole command (goal: 150 ms), beside a bare Node. The rows are filled in by SQL, each with what a running or
 * an ended workload has: replica, attempt, lease, rank and money spent.
 */
const [active, ended, rounds] = [12_501, 100_000, 15]

const read = readSpecs(
  'kind: job\nname: train\nnodes: 8\nrun: torchrun train.py\nresources: { accelerators: "H100:8" }\nlabels: { team: research }\n',
  'spec.yaml',
)
if ('problems' in read) throw new Error('the spec of this bench is not right')
const spec = JSON.stringify(read.specs[0]?.spec)

async function fill(url: string): Promise<void> {
  const client = new Client({ connectionString: url })
  await client.connect()
  const ids = `select i, 'w-' || lpad(i::text, 16, '0') as id, i > ${ended} as live from generate_series(1, ${ended + active}) i`
  for (const statement of [
    `insert into workloads (id, name, project, kind, spec, priority, state, attempts, submitted_by, created_at, started_at, ended_at, due_at, exit_code)
     select id, 'train-' || i, 'default', 'job', $1::jsonb, i % 7 - 3, case when live then 'running' else 'succeeded' end, 1, 'bench',
       1700000000000 + i * 1000, 1700000001000 + i * 1000, case when live then null else 1700000100000 + i * 1000 end,
       case when live then 4000000000000 end, case when live then null else 0 end from (${ids}) x`,
    `insert into replicas (workload, replica, state) select id, 0, case when live then 'placed' else 'done' end from (${ids}) x`,
    `insert into attempts (id, workload, replica, number, state, plan, ready, created_at, started_at)
     select 'a' || id, id, 0, 1, case when live then 'running' else 'succeeded' end, 'p', live, 1, 2 from (${ids}) x`,
    // No loop has anything to do with them: what is measured is the list.
    `insert into leases (id, attempt, workload, project, provider, site, tier, shape, price_micros, ranks, grace_ms, state, created_at, started_at, ended_at, metered_until)
     select 'l' || id, 'a' || id, id, 'default', 'other', 'far', 'on-demand', 'h100', 98000000, '[]', 30000,
       case when live then 'held' else 'gone' end, 1, 4000000000000, case when live then null else 4000000000000 end, 4000000000000 from (${ids}) x`,
    `insert into spent (kind, name, amount_micros) select 'workload', id, 1234567 from (${ids}) x`,
  ])
    await client.query(statement, statement.includes('$1') ? [spec] : [])
  await client.query('vacuum analyze')
  await client.end()
}

function command(argv: string[], env: NodeJS.ProcessEnv): number {
  const began = performance.now()
  const { status, stderr } = spawnSync(process.execPath, argv, { env })
  if (status !== 0) throw new Error(String(stderr))
  return performance.now() - began
}

const server = await startControlPlane()
try {
  await fill(server.database)
  const cores = watchCores([server.postgres])
  const page = async (query: string) => {
    const began = performance.now()
    const answer = await server.get(`/v1/workloads?${query}`)
    await answer.text()
    if (!answer.ok) throw new Error(`the list was answered with ${answer.status}`)
    return performance.now() - began
  }
  const tokens = new Map<string, string>()
  const behind = async (query: string) => {
    const known = tokens.get(query)
    if (known !== undefined) return page(`${query}&pageToken=${known}`)
    const first = WorkloadPage.parse(await (await server.get(`/v1/workloads?${query}`)).json())
    tokens.set(query, first.nextPageToken ?? '')
    return behind(query)
  }
  const lines: [string, () => number | Promise<number>][] = [
    ['bound: a page of nothing', () => page('pageSize=1&name=none')],
    ['the page of `ps`: active, 100 (goal 50)', () => page('state=active&pageSize=100')],
    ['… of 1,000', () => page('state=active&pageSize=1000')],
    ['… of all states, 100', () => page('state=all&pageSize=100')],
    ...['createdAt', 'name', 'priority desc', 'priority desc,createdAt', 'project,name'].flatMap(
      (order): typeof lines => [
        [`… active, 100, by ${order}`, () => page(`state=active&pageSize=100&orderBy=${order}`)],
        ['… the page behind it', () => behind(`state=active&pageSize=100&orderBy=${order}`)],
        [`… of all states, 100, by ${order}`, () => page(`state=all&pageSize=100&orderBy=${order}`)],
      ],
    ),
    ['bound: node -e 0', () => command(['-e', '0'], server.env)],
    ['isobar ps (goal 150)', () => command([bin, 'ps'], server.env)],
    ['isobar ps --all', () => command([bin, 'ps', '--all'], server.env)],
  ]
  console.log(`${active} active workloads, ${ended} ended    median ms   p95 ms`)
  for (const [name, act] of lines) {
    for (let i = 0; i < 5; i++) await act()
    const times: number[] = []
    for (let i = 0; i < rounds; i++) times.push(await act())
    const figures = [quantile(times, 0.5), quantile(times, 0.95)].map((ms) => ms.toFixed(1).padStart(9))
    console.log(`${name.padEnd(40)}${figures.join('')}`)
  }
  console.log(coresText(cores()))
} finally {
  await server.stop()
}
process.exit(0)
