import assert from 'node:assert/strict'
import { test } from 'node:test'

import { conclude } from '#engine/lifecycle/conclude.ts'
import type { AgentReport } from '#model/agent-protocol.ts'
import type { Change } from '#model/change.ts'
import type { Store } from '#store/store.ts'
import { aStore } from '#rigs/postgres.ts'
import { aPlacing, held, submitted } from '#rigs/story.ts'
import { aJob, anArray, aNow } from '#test/builders.ts'

const aReport = (fields: Partial<AgentReport> = {}): AgentReport => ({
  rank: 0,
  state: 'running',
  address: '127.0.0.2',
  endpoints: [],
  ready: true,
  exit: null,
  startedAt: aNow,
  endedAt: null,
  waitMs: 0,
  seen: '',
  ...fields,
})

const end = (index: number, code: number, startedAt = aNow) => ({
  index,
  exit: { code, signal: null, outOfMemory: false },
  startedAt,
  endedAt: startedAt + 1,
})

async function working(store: Store, spec: Parameters<typeof anArray>[0], replicas = 1) {
  const [id = ''] = await submitted(store, [anArray(spec)])
  const placed = Array.from({ length: replicas }, (_, replica) => aPlacing(id, { replica }))
  await held(store, placed)
  return { id, placed, leases: placed.map(({ leaseId }) => leaseId) }
}

test('a report is written when it brings news, and then the workload is due', async () => {
  await using store = await aStore()
  const [id = ''] = await submitted(store, [aJob()])
  const placed = aPlacing(id)
  await held(store, [placed])
  const rank = async () => (await store.agents.view(placed.leaseId))?.ranks[0]
  const asked = { now: aNow + 10, most: 9, claimMs: 99_999 }
  await store.follow.due(asked)

  await store.agents.report(placed.leaseId, aReport(), aNow + 10)
  assert.deepEqual([(await rank())?.state, (await rank())?.heardAt], ['running', aNow + 10])
  assert.equal((await store.follow.due(asked)).length, 1)

  await store.agents.report(placed.leaseId, aReport(), aNow + 20)
  assert.equal((await rank())?.heardAt, aNow + 10)
  await store.agents.report(placed.leaseId, aReport(), aNow + 2010)
  assert.equal((await rank())?.heardAt, aNow + 2010)
  assert.equal((await store.follow.due({ ...asked, now: aNow + 2010 })).length, 0)

  const exit = { code: null, signal: 'SIGKILL', outOfMemory: true }
  await store.agents.report(placed.leaseId, aReport({ state: 'exited', exit, endedAt: aNow + 5 }), aNow + 2011)
  await store.agents.report(placed.leaseId, aReport(), aNow + 2012)
  assert.deepEqual([(await rank())?.state, (await rank())?.exitCode, (await rank())?.ready], ['exited', 137, false])
})

test('a report that another one overtook on its way does not undo it', async () => {
  await using store = await aStore()
  const [id = ''] = await submitted(store, [aJob()])
  const placed = aPlacing(id)
  await held(store, [placed])
  await store.agents.report(placed.leaseId, aReport({ number: 3, ready: true }), aNow + 1)
  await store.agents.report(placed.leaseId, aReport({ number: 2, ready: false }), aNow + 2)
  assert.equal((await store.agents.view(placed.leaseId))?.ranks[0]?.ready, true)
  await store.agents.report(placed.leaseId, aReport({ number: 4, ready: false }), aNow + 3)
  assert.equal((await store.agents.view(placed.leaseId))?.ranks[0]?.ready, false)
})

test('which rank failed first is told by the clock of the house, however wrong those of the agents are', async () => {
  await using store = await aStore()
  const [id = ''] = await submitted(store, [aJob({ nodes: 2 })])
  const placed = aPlacing(id, { nodes: 2 })
  await held(store, [placed])
  const hour = 3_600_000
  const ends = [
    { rank: 0, code: 3, endedAt: aNow + 100, wrong: hour },
    { rank: 1, code: 9, endedAt: aNow + 900, wrong: -hour },
  ]
  for (const { rank, code, endedAt, wrong } of ends) {
    const exit = { code, signal: null, outOfMemory: false }
    const times = { startedAt: aNow + wrong, endedAt: endedAt + wrong, sentAt: aNow + 1000 + wrong }
    await store.agents.report(placed.leaseId, aReport({ rank, state: 'exited', exit, ...times }), aNow + 1000)
  }
  const ranks = (await store.agents.view(placed.leaseId))?.ranks
  assert.deepEqual(
    ranks?.map(({ startedAt, endedAt }) => [startedAt, endedAt]),
    [
      [aNow, aNow + 100],
      [aNow, aNow + 900],
    ],
  )
  const [facts] = await store.follow.due({ now: aNow + 1000, most: 1, claimMs: 1 })
  assert.ok(facts)
  const verdict = conclude(facts, aNow + 1000).find(({ change }) => change === 'attempt')
  assert.ok(verdict?.change === 'attempt' && verdict.exitCode === 3 && verdict.reason === 'rank 0 exited with 3')
})

test('a time that no clock can have told yet counts as now', async () => {
  await using store = await aStore()
  const [id = ''] = await submitted(store, [aJob()])
  const placed = aPlacing(id)
  await held(store, [placed])
  await store.agents.report(placed.leaseId, aReport({ startedAt: aNow + 5000 }), aNow + 10)
  assert.equal((await store.agents.view(placed.leaseId))?.ranks[0]?.startedAt, aNow + 10)
})

test('a later attempt of its replica fences an agent', async () => {
  await using store = await aStore()
  const [id = ''] = await submitted(store, [aJob()])
  const [before, after] = [aPlacing(id), aPlacing(id)]
  await held(store, [before])
  assert.equal((await store.agents.view(before.leaseId))?.fenced, false)
  await store.apply([
    { change: 'attempt', id: before.attemptId, to: 'lost', reason: '' },
    { change: 'replica-waits', workload: id, replica: 0, losses: 1, failures: 0, notBefore: 0, avoid: {} },
  ])
  await held(store, [after])
  const views = await store.agents.views([before.leaseId, after.leaseId, 'l-none'])
  assert.deepEqual([...views].map(([, { fenced, attempt }]) => [attempt.number, fenced]).sort(), [
    [1, true],
    [2, false],
  ])
  assert.equal(await store.agents.view('l-none'), null)
})

test('every task is leased once and counts once while agents compete, repeat themselves and miss answers', async () => {
  await using store = await aStore()
  await using other = await aStore({ url: store.url })
  const { id, leases } = await working(store, { tasks: 300, parallelism: 24 }, 3)
  const runs = new Map<number, number>()
  const work = async (lease: string, turn: number): Promise<void> => {
    let mine: number[] = []
    let over = false
    for (let i = turn; !over || mine.length > 0; i++) {
      const ended = mine.slice(0, 5).map((index) => end(index, 0))
      const report = { ended, held: mine.slice(5), wanted: 8 - mine.slice(5).length }
      const agents = (i % 2 === 0 ? store : other).agents
      if (i % 3 === 0) await agents.tasks(lease, report, aNow) // its answer is lost on the way
      const answer = await agents.tasks(lease, report, aNow)
      for (const index of answer.leased) runs.set(index, (runs.get(index) ?? 0) + 1)
      mine = [...report.held, ...answer.leased]
      over = answer.over
    }
  }
  await Promise.all(leases.map(work))
  assert.equal(runs.size, 300)
  assert.deepEqual(
    [...runs.values()].filter((count) => count !== 1),
    [],
  )
  assert.deepEqual((await store.workloads.get(id))?.tasks, { succeeded: 300, failed: 0, leased: 0 })
})

test('a task of a lost attempt runs again elsewhere, and the lost one has no more say', async () => {
  await using store = await aStore()
  const { id, placed, leases } = await working(store, { tasks: 12, parallelism: 16 }, 2)
  const [lost = '', other = ''] = leases
  const first = await store.agents.tasks(lost, { ended: [], held: [], wanted: 3 }, aNow)
  assert.deepEqual(first, { leased: [0, 1, 2], over: false })
  const release: Change = { change: 'release-tasks', workload: id, attempt: 1 }
  await store.apply([{ change: 'attempt', id: placed[0]?.attemptId ?? '', to: 'lost', reason: '' }, release])
  assert.deepEqual(await store.agents.tasks(lost, { ended: [end(0, 0)], held: [], wanted: 8 }, aNow), {
    leased: [],
    over: true,
  })
  const second = await store.agents.tasks(other, { ended: [], held: [], wanted: 12 }, aNow)
  assert.deepEqual(second, { leased: Array.from({ length: 12 }, (_, i) => i), over: true })
  assert.equal(await store.apply([release]), 0)
  const ended = second.leased.map((index) => end(index, 0))
  await store.agents.tasks(other, { ended, held: [], wanted: 8 }, aNow)
  assert.deepEqual((await store.workloads.get(id))?.tasks, { succeeded: 12, failed: 0, leased: 0 })
})

test('a task is tried again after an exit that the spec names, so often and no more', async () => {
  await using store = await aStore()
  const { id, leases } = await working(store, { tasks: 1, retry: { onExit: [75], times: 2 } })
  const [lease = ''] = leases
  const say = (ended: ReturnType<typeof end>[]) => store.agents.tasks(lease, { ended, held: [], wanted: 1 }, aNow)
  await say([])
  for (const start of [1, 2]) {
    assert.deepEqual((await say([end(0, 75, start)])).leased, [0])
    assert.deepEqual((await say([end(0, 75, start)])).leased, [0], 'a repeated report is no second try')
  }
  assert.deepEqual(await say([end(0, 75, 3)]), { leased: [], over: true })
  assert.deepEqual((await store.workloads.get(id))?.tasks, { succeeded: 0, failed: 1, leased: 0 })
})

test('what an attempt on its way down kills is not failed, and it gets nothing more', async () => {
  await using store = await aStore()
  const { id, placed, leases } = await working(store, { tasks: 5 })
  const [lease = ''] = leases
  await store.agents.tasks(lease, { ended: [], held: [], wanted: 2 }, aNow)
  await store.apply([{ change: 'attempt', id: placed[0]?.attemptId ?? '', to: 'stopping', reason: 'held' }])
  const ended = [end(0, 143), end(1, 0)]
  assert.deepEqual((await store.agents.tasks(lease, { ended, held: [], wanted: 2 }, aNow)).leased, [])
  assert.deepEqual((await store.workloads.get(id))?.tasks, { succeeded: 1, failed: 0, leased: 0 })
  assert.equal((await store.follow.due({ now: aNow, most: 1, claimMs: 1 }))[0]?.tasks?.waiting, 4)
})

test('agents that wait are noted as heard all at once, which is no news to anybody', async () => {
  await using store = await aStore()
  const [id = ''] = await submitted(store, [aJob({ nodes: 3 })])
  const placed = aPlacing(id, { nodes: 3 })
  await held(store, [placed])
  const asked = { now: aNow + 10, most: 9, claimMs: 99_999 }
  await store.follow.due(asked)
  const lease = placed.leaseId
  await store.agents.heard(
    [0, 2].map((rank) => ({ lease, rank })),
    aNow + 10,
  )
  await store.agents.heard(
    [
      { lease, rank: 2 },
      { lease: 'l-none', rank: 0 },
    ],
    aNow + 5,
  )
  assert.deepEqual(await store.agents.heardAt(['local/x-none', 'local/west']), new Map())
  await store.agents.fellSilent({ from: 0, to: aNow + 99 }, aNow + 99)
  const ranks = (await store.agents.view(lease))?.ranks
  assert.deepEqual(
    ranks?.map(({ state, heardAt }) => [state, heardAt]),
    [
      ['expected', aNow + 10],
      ['expected', null],
      ['expected', aNow + 10],
    ],
  )
  assert.deepEqual(await store.follow.due(asked), [])
})

test('who has an agent that fell silent is looked at, and when others of its site were heard is known', async () => {
  await using store = await aStore()
  const [silent = '', loud = ''] = await submitted(store, [aJob(), aJob({ name: 'loud' })])
  const placed = [silent, loud].map((id) => aPlacing(id))
  await held(store, placed)
  for (const [i, { leaseId }] of placed.entries()) await store.agents.report(leaseId, aReport(), aNow + i * 60_000)
  const due = async (now: number) =>
    (await store.follow.due({ now, most: 9, claimMs: 600_000 })).map(({ workload }) => workload.id)
  assert.deepEqual((await due(aNow + 60_000)).sort(), [silent, loud].sort())
  const last = { from: aNow - 60_000, to: aNow + 1 }
  await store.agents.fellSilent({ ...last, to: aNow }, aNow + 61_000)
  assert.deepEqual(await due(aNow + 61_000), [])
  await store.agents.fellSilent(last, aNow + 61_000)
  assert.deepEqual(await due(aNow + 61_000), [silent])
  assert.deepEqual(await store.agents.heardAt(['local/west', 'local/none']), new Map([['local/west', aNow + 60_000]]))
})
