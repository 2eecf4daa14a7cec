import assert from 'node:assert/strict'
import { test } from 'node:test'

import { fail, type Outcome, succeed } from '#model/fault.ts'
import type { GangAsk, RelayedGang } from '#model/gang-relay.ts'
import type { Site } from '#model/site.ts'
import { createNowhere } from '#providers/nowhere.ts'
import { anApi, type TestApi } from '#rigs/api.ts'
import { aPlacing, held, submitted } from '#rigs/story.ts'
import { aJob } from '#test/builders.ts'

const west: Site = { provider: 'local', name: 'west', jurisdictions: ['SE'], patienceMs: 0 }
const known: RelayedGang = { known: true, order: null, nodes: null, stop: null, claimedAt: 5 }
const claim: GangAsk = { ask: 'claim', job: '7', by: '0b0e7a52-6cf6-4f3f-9a57-0f3f2a0d8d11' }

async function* archive() {
  yield Buffer.from('an archive')
}

/** A house whose site keeps the orders of its gangs, as told, and what it was asked. */
async function aKeeper(t: { after(end: () => unknown): void }, site: Site = west) {
  const api = await anApi()
  t.after(() => api[Symbol.asyncDispose]())
  const asked: unknown[] = []
  const keeper = { answer: succeed(known) as Outcome<RelayedGang> }
  const provider = createNowhere(site)
  api.house.providers.set('local', {
    ...provider,
    abilities: {
      relay: async (name, question) => (asked.push([name, question]), keeper.answer),
      program: async () => succeed(archive()),
    },
  })
  const [workload = ''] = await submitted(api.house.store, [aJob()])
  const placing = aPlacing(workload)
  await held(api.house.store, [placing])
  return { api, asked, keeper, lease: placing.leaseId, workload }
}

const bearer = (api: TestApi, lease: string) => ({ authorization: `Bearer ${api.credential(lease)}` })
const ask = (api: TestApi, lease: string, question: unknown) =>
  api.call('POST /agent/v1/gang', question, bearer(api, lease))

test('a gang is answered by the provider that keeps its order, which its credential names', async (t) => {
  const { api, asked, lease } = await aKeeper(t)
  const { status, json } = await ask(api, lease, claim)
  assert.deepEqual([status, json], [200, { ...known, controlPlanes: [api.url] }])
  assert.deepEqual(asked, [['west', { token: lease, question: claim }]])
})

test('nobody else asks or fetches anything, and nothing malformed comes through', async (t) => {
  const { api, asked, lease } = await aKeeper(t)
  for (const authorization of [
    '',
    `Bearer ${api.house.keys.token}`,
    `Bearer ${lease}`,
    `Bearer ${lease}.${'0'.repeat(64)}`,
  ]) {
    assert.equal((await api.call('POST /agent/v1/gang', claim, { authorization })).status, 401)
    assert.equal((await api.call('GET /agent/v1/program', undefined, { authorization })).status, 401)
  }
  const output = { from: 0, bytes: 'A'.repeat(400_000) }
  const tell = { ask: 'tell', rank: 0, agent: { pid: 1, started: '' }, start: null, end: null, taken: false, output }
  for (const wrong of [
    { ...claim, by: '../../x' },
    { ask: 'join', rank: -1 },
    { ask: 'join', rank: '../x' },
    { ask: 'rm' },
    tell,
  ])
    assert.equal((await ask(api, lease, wrong)).status, 400)
  assert.deepEqual(asked, [])
})

test('of a lease that never was nothing is known; a site that does not answer is no such answer', async (t) => {
  const { api, keeper, lease } = await aKeeper(t)
  assert.equal((await ask(api, 'l-never', claim)).json.known, false)
  keeper.answer = fail('unreachable', 'later', 'its disk is away')
  const away = await ask(api, lease, claim)
  assert.deepEqual([away.status, away.json.detail], [503, 'its disk is away'])
  api.house.providers.set('local', createNowhere(west))
  assert.equal((await ask(api, lease, claim)).status, 400)
})

test('the agent comes as it is', async (t) => {
  const { api, lease } = await aKeeper(t)
  const { status, headers, text } = await api.call('GET /agent/v1/program', undefined, bearer(api, lease))
  assert.deepEqual([status, headers.get('content-type'), text], [200, 'application/x-tar', 'an archive'])
})

test('where a site has a place for checkpoints, ranks there are told of it', async (t) => {
  const { api, lease, workload } = await aKeeper(t, { ...west, checkpointFolder: '/lustre/ada' })
  const report = { rank: 0, state: 'arrived', address: '127.0.0.9', endpoints: [], ready: false, exit: null }
  const rest = { startedAt: null, endedAt: null, waitMs: 0, seen: '' }
  const { json } = await api.call('POST /agent/v1/sync', { ...report, ...rest }, bearer(api, lease))
  assert.equal(json.go.checkpointRoot, `/lustre/ada/${workload}`)
})
