import assert from 'node:assert/strict'
import { test } from 'node:test'

import type { AgentReport } from '#model/agent-protocol.ts'
import { anApi, type TestApi } from '#rigs/api.ts'
import { aPlacing, held, submitted } from '#rigs/story.ts'
import { aJob, anArray } from '#test/builders.ts'

const aReport = (fields: Partial<AgentReport> = {}): AgentReport => ({
  rank: 0,
  state: 'arrived',
  address: '127.0.0.9',
  endpoints: [],
  ready: false,
  exit: null,
  startedAt: null,
  endedAt: null,
  waitMs: 0,
  seen: '',
  ...fields,
})

const sync = (api: TestApi, lease: string, report: AgentReport) =>
  api.call('POST /agent/v1/sync', report, { authorization: `Bearer ${api.credential(lease)}` })

type Job = Parameters<typeof aJob>[0]

async function placed(api: TestApi, job: Job = {}) {
  const { store } = api.house
  const [workload = ''] = await submitted(store, [aJob(job)])
  const placing = aPlacing(workload, { nodes: aJob(job).spec.nodes })
  await held(store, [placing])
  return { workload, lease: placing.leaseId, attempt: placing.attemptId }
}

test('an agent without the credential of its lease is told nothing', async () => {
  await using api = await anApi()
  const { lease } = await placed(api)
  const token = api.house.keys.token
  for (const credential of ['', token, lease, `${lease}.${'0'.repeat(64)}`]) {
    const headers = { authorization: `Bearer ${credential}` }
    assert.equal((await api.call('POST /agent/v1/sync', aReport(), headers)).status, 401)
  }
})

test('nobody starts before all ranks have arrived; then all are told at once, with the addresses in rank order', async () => {
  await using api = await anApi()
  const { lease } = await placed(api, { nodes: 3, env: { MODE: 'fast' } })
  const first = await sync(api, lease, aReport({ rank: 0, address: '127.0.0.1' }))
  assert.equal(first.json.go, null)
  const { version } = first.json
  const waiting = [0, 2].map((rank) =>
    sync(api, lease, aReport({ rank, address: `127.0.0.${rank + 1}`, waitMs: 10_000, seen: version })),
  )
  const last = await sync(api, lease, aReport({ rank: 1, address: '127.0.0.2', waitMs: 10_000, seen: version }))
  for (const { json } of [last, ...(await Promise.all(waiting))]) {
    assert.deepEqual(json.go.peers, ['127.0.0.1', '127.0.0.2', '127.0.0.3'])
    assert.equal(json.go.environment.MODE, 'fast')
    assert.equal(json.go.run, 'true')
  }
})

test('nobody starts before the addresses of all are known, though a look at their site has shown that they are up', async () => {
  await using api = await anApi()
  const { lease } = await placed(api, { nodes: 2 })
  const { version } = (await sync(api, lease, aReport({ rank: 1, address: '127.0.0.2' }))).json
  const none = { exitCode: null, startedAt: null, endedAt: null, cause: null, leavesAt: null }
  await api.house.store.sites.saw([{ lease, rank: 0, state: 'arrived', ...none }], Date.now())
  const early = await sync(api, lease, aReport({ rank: 1, address: '127.0.0.2' }))
  assert.equal(early.json.go, null)
  const waiting = sync(api, lease, aReport({ rank: 1, address: '127.0.0.2', waitMs: 10_000, seen: version }))
  await sync(api, lease, aReport({ rank: 0, address: '127.0.0.1' }))
  assert.deepEqual((await waiting).json.go.peers, ['127.0.0.1', '127.0.0.2'])
})

test('nobody starts beside a rank that ended before it said where it is', async () => {
  await using api = await anApi()
  const { lease } = await placed(api, { nodes: 2 })
  const ended = { state: 'exited', exitCode: 1, startedAt: null, endedAt: 1, cause: null, leavesAt: null } as const
  await api.house.store.sites.saw([{ lease, rank: 0, ...ended }], Date.now())
  assert.equal((await sync(api, lease, aReport({ rank: 1, address: '127.0.0.2' }))).json.go, null)
})

test('each rank is told what its role runs, with what only that role has in its environment', async () => {
  await using api = await anApi()
  const { lease } = await placed(api, {
    run: 'work',
    env: { MODE: 'fast' },
    roles: [
      { name: 'leader', run: 'lead', env: { MODE: 'calm' } },
      { name: 'worker', nodes: 2 },
    ],
  })
  const arrive = (rank: number) => sync(api, lease, aReport({ rank, address: `127.0.0.${rank + 1}` }))
  for (const rank of [0, 1]) await arrive(rank)
  const told = [(await arrive(2)).json.go, (await arrive(0)).json.go]
  assert.deepEqual(
    told.map(({ run, environment }) => [run, environment.MODE, environment.ISOBAR_ROLE]),
    [
      ['work', 'fast', 'worker'],
      ['lead', 'calm', 'leader'],
    ],
  )
})

test('an agent that knows of its go is not given it again, and one that lost it is', async () => {
  await using api = await anApi()
  const { lease } = await placed(api)
  const { json } = await sync(api, lease, aReport())
  assert.ok(json.go)
  assert.equal((await sync(api, lease, aReport({ seen: json.version }))).json.go, null)
  assert.ok((await sync(api, lease, aReport())).json.go)
})

test('a secret reaches the attempt that names it, and only in its go', async () => {
  await using api = await anApi()
  await api.fetch('/v1/secrets/HF_TOKEN', { method: 'PUT', body: 'hush-hush' })
  const { lease, workload } = await placed(api, { secrets: ['HF_TOKEN'] })
  assert.equal((await sync(api, lease, aReport())).json.go.environment.HF_TOKEN, 'hush-hush')
  for (const path of [`/v1/workloads/${workload}`, '/v1/events?after=0', `/v1/workloads/${workload}/why`] as const)
    assert.ok(!(await api.call(`GET ${path}`)).text.includes('hush'))
})

test('an order to stop arrives while the agent waits', async () => {
  await using api = await anApi()
  const { lease, workload } = await placed(api)
  const { json } = await sync(api, lease, aReport())
  const waiting = sync(api, lease, aReport({ state: 'running', startedAt: 1, waitMs: 20_000, seen: json.version }))
  const began = performance.now()
  await api.call(`POST /v1/workloads/${workload}/stop`)
  const told = await waiting
  assert.equal(told.json.stop.graceMs, 30_000)
  assert.ok(performance.now() - began < 5000)
})

test('agents of an attempt that is over are fenced, and what they report changes nothing', async () => {
  await using api = await anApi()
  const { lease, attempt, workload } = await placed(api)
  await sync(api, lease, aReport())
  await api.house.store.apply([{ change: 'attempt', id: attempt, to: 'lost', reason: 'for the test' }])
  const exit = { code: 0, signal: null, outOfMemory: false }
  const { json } = await sync(api, lease, aReport({ state: 'exited', exit, startedAt: 1, endedAt: 2 }))
  assert.equal(json.fenced, true)
  const [known] = await api.house.store.workloads.attempts(workload)
  assert.equal(known?.ranks[0]?.state, 'arrived')
  assert.equal((await sync(api, 'l-unknown', aReport())).json.fenced, true)
})

const takes = (wanted: number, ended: number[] = []) =>
  aReport({
    state: 'running',
    startedAt: 1,
    tasks: {
      wanted,
      held: [],
      ended: ended.map((index) => ({
        index,
        exit: { code: 0, signal: null, outOfMemory: false },
        startedAt: 1,
        endedAt: 2,
      })),
    },
  })

test('each task of an array is leased once', async () => {
  await using api = await anApi()
  const { store } = api.house
  const [workload = ''] = await submitted(store, [anArray({ tasks: 5 })])
  const placing = aPlacing(workload)
  await held(store, [placing])
  const first = await sync(api, placing.leaseId, takes(3))
  assert.deepEqual(first.json.tasks, [0, 1, 2])
  const second = await sync(api, placing.leaseId, takes(3, [0, 1, 2]))
  assert.deepEqual(second.json.tasks, [3, 4])
  const last = await sync(api, placing.leaseId, takes(3, [3, 4]))
  assert.deepEqual([last.json.tasks, last.json.tasksOver], [[], true])
})

test('an agent that works on the last tasks waits for news, and is not told again and again that there are no more', async () => {
  await using api = await anApi()
  const [workload = ''] = await submitted(api.house.store, [anArray({ tasks: 1 })])
  const placing = aPlacing(workload)
  await held(api.house.store, [placing])
  const first = await sync(api, placing.leaseId, takes(1))
  assert.deepEqual(first.json.tasks, [0])
  const working = { ...takes(0), tasks: { wanted: 0, held: [0], ended: [] }, seen: first.json.version, waitMs: 300 }
  const began = performance.now()
  const answer = await sync(api, placing.leaseId, working)
  assert.equal(answer.json.tasksOver, true)
  assert.ok(performance.now() - began >= 290, `it was answered after ${performance.now() - began} ms`)
})

test('an agent that never waits is held back', async () => {
  await using api = await anApi()
  const { lease } = await placed(api)
  const { clock } = api.house
  const now = clock.now()
  clock.now = () => now // however slow this machine is
  const answers = await Promise.all(Array.from({ length: 400 }, () => sync(api, lease, aReport())))
  assert.equal(answers.filter(({ status }) => status === 429).length, 200)
})

test('an agent whose long poll is open counts as heard, and costs no look at its rows', async () => {
  await using api = await anApi()
  const { store } = api.house
  const { lease } = await placed(api)
  const { version } = (await sync(api, lease, aReport())).json
  const { agents } = store
  let heard = Promise.withResolvers<{ lease: string; rank: number }[]>()
  let views = 0
  store.agents = {
    ...agents,
    view: (...given) => ((views += 1), agents.view(...given)),
    heard: (...given) => (heard.resolve(given[0]), agents.heard(...given)),
  }
  const wait = () => sync(api, lease, aReport({ waitMs: 4000, seen: version }))
  const waiting = wait()
  assert.deepEqual(await heard.promise, [{ lease, rank: 0 }])
  assert.equal((await waiting).json.version, version)
  assert.equal(views, 2) // when it came and when it went
  heard = Promise.withResolvers()
  const again = wait() // after a time in which nobody waited
  assert.deepEqual(await heard.promise, [{ lease, rank: 0 }])
  await again
})

test('agents that wait already are told where else to dial as soon as that is known', async () => {
  await using api = await anApi()
  const { lease } = await placed(api)
  const first = await sync(api, lease, aReport())
  const { self } = api.house
  const before = self.controlPlanes
  let asked = 0
  self.controlPlanes = () => [...before(), ...(asked++ < 2 ? [] : [{ id: 'c-other', url: 'http://127.0.0.1:2' }])]
  const telling = setInterval(() => asked === 2 && api.tellAddresses(), 5)
  const began = performance.now()
  const told = await sync(api, lease, aReport({ waitMs: 20_000, seen: first.json.version }))
  clearInterval(telling)
  assert.deepEqual(told.json.controlPlanes, [api.url, 'http://127.0.0.1:2'])
  assert.ok(performance.now() - began < 10_000)
})

test('an agent that waits hears of a control plane that came or went', async () => {
  await using api = await anApi()
  const { lease } = await placed(api, { nodes: 2 })
  const first = await sync(api, lease, aReport())
  const { self } = api.house
  const before = self.controlPlanes
  let asked = 0
  // The other one comes once the agent waits.
  self.controlPlanes = () => [...before(), ...(asked++ === 0 ? [] : [{ id: 'c-other', url: 'http://127.0.0.1:2' }])]
  const began = performance.now()
  assert.deepEqual((await sync(api, lease, aReport({ waitMs: 20_000, seen: first.json.version }))).json.controlPlanes, [
    api.url,
    'http://127.0.0.1:2',
  ])
  assert.ok(performance.now() - began < 10_000)
})
