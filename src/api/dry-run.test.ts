import assert from 'node:assert/strict'
import { test } from 'node:test'

import { Client } from 'pg'

import type { Nudge } from '#store/store.ts'
import { anApi, jobText, type Answer, type TestApi } from '#rigs/api.ts'
import { aStore } from '#rigs/postgres.ts'

/** All that a database holds, but for the numbers that its sequences have given. */
async function contentOf(url: string): Promise<Record<string, string>> {
  const client = new Client({ connectionString: url })
  await client.connect()
  const { rows: tables } = await client.query("select tablename from pg_tables where schemaname = 'public' order by 1")
  const content: Record<string, string> = {}
  for (const { tablename } of tables) {
    const { rows } = await client.query(
      `select coalesce(string_agg(t::text, e'\\n' order by t::text), '') as text from ${tablename} t`,
    )
    content[tablename] = rows[0].text
  }
  await client.end()
  return content
}

type Request = [request: `${string} /${string}`, body?: unknown, headers?: Record<string, string>]

const bytes = { 'content-type': 'application/octet-stream' }
const dry = ([request, ...more]: Request): Request => [
  `${request}${request.includes('?') ? '&' : '?'}dryRun=all`,
  ...more,
]

/** Every write that people have, in an order in which each can be done; some are refused. */
const writes = (plan: string): Request[] => [
  ['PUT /v1/projects/research', { weight: 3, quota: { nodes: 4 } }],
  ['PUT /v1/projects/research', { parent: 'nobody' }],
  ['PUT /v1/projects/research', { weight: 4 }, { 'if-match': '"stale"' }],
  ['PUT /v1/secrets/KEY?project=research', 'hush', bytes],
  ['PUT /v1/secrets/KEY?project=research', 'hush', { ...bytes, 'if-match': '"stale"' }],
  ['POST /v1/validate', { text: jobText('one') }],
  ['POST /v1/plans', { text: jobText('one') }],
  ['POST /v1/workloads', { text: `${jobText('two', 'project: research\nsecrets: [KEY]\n')}---\n${jobText('three')}` }],
  ['POST /v1/workloads', { text: jobText('four', 'secrets: [KEY]\n') }],
  [`POST /v1/plans/${plan}/apply`],
  ['POST /v1/workloads/two/hold?project=research'],
  ['POST /v1/workloads/two/release?project=research'],
  ['PUT /v1/workloads/three/priority', { priority: 9 }],
  ['PUT /v1/workloads/three/priority', { priority: 9 }, { 'if-match': '"stale"' }],
  ['POST /v1/workloads/three/stop'],
  ['POST /v1/workloads/three/release'],
  ['DELETE /v1/secrets/KEY?project=research'],
  ['DELETE /v1/secrets/KEY?project=research'],
]

/** What an answer says, but for what is another each time. */
const said = ({ status, text, headers }: Answer) => ({
  status,
  type: headers.get('content-type'),
  text: text.replaceAll(/"[wpr]-[0-9a-z]+"/g, '"id"').replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'then'),
})

test('a dry run answers as the real thing does, keeps nothing and tells nobody', async () => {
  await using store = await aStore()
  await using api = await anApi({ store })
  const nudges: Nudge[] = []
  const off = api.house.store.onNudge((nudge) => nudges.push(nudge))
  const plan = (await api.call('POST /v1/plans', { text: jobText('planned') })).json.id
  for (const request of writes(plan)) {
    await nudged(api, nudges)
    const before = await contentOf(store.url)
    const tried = await api.call(...dry(request))
    assert.deepEqual(await contentOf(store.url), before, request[0])
    assert.deepEqual(await nudged(api, nudges), [], request[0])
    const done = await api.call(...request)
    assert.deepEqual(said(tried), said(done), request[0])
    assert.equal(tried.headers.get('isobar-version'), '0.0.0')
    if (!request[0].includes('secrets')) assert.equal(tried.headers.get('etag'), done.headers.get('etag'), request[0])
  }
  off()
  assert.deepEqual(api.faults, [])
})

/** What was told since it was asked last, up to now: nudges come in the order of their transactions. */
async function nudged(api: TestApi, nudges: Nudge[]): Promise<Nudge[]> {
  const { store } = api.house
  await store.claims.announce({ id: `c-${nudges.length}-${Math.random()}`, url: 'http://127.0.0.1' }, [])
  const until = Date.now() + 10_000
  while (!nudges.includes('planes') && Date.now() < until) await new Promise((resolve) => setImmediate(resolve))
  return nudges.splice(0).filter((nudge) => nudge !== 'planes')
}

test('whatever changes something can be tried, or says that it cannot', async () => {
  await using api = await anApi()
  const { paths } = (await api.call('GET /openapi.json')).json
  const notTried: string[] = []
  type Operation = { parameters?: { name: string }[] }
  for (const [path, methods] of Object.entries<Record<string, Operation>>(paths))
    for (const [method, { parameters = [] }] of Object.entries(methods)) {
      if (method === 'get' || parameters.some(({ name }) => name === 'dryRun')) continue
      notTried.push(`${method} ${path}`)
      const refused = await api.call(`${method.toUpperCase()} ${path as `/${string}`}?dryRun=all`)
      assert.deepEqual([refused.status, refused.json.code], [400, 'usage'], path)
      assert.match(refused.json.detail, /cannot be tried with dryRun/)
    }
  const isNot = ['post /agent/v1/gang', 'post /agent/v1/sync', 'post /v1/server/stop', 'put /v1/bundles/{hash}']
  assert.deepEqual(notTried.sort(), isNot)
})

test('any other value or spelling of dryRun is refused, so that nothing is done by mistake', async () => {
  await using api = await anApi()
  const body = { text: jobText('train') }
  for (const query of [
    'dryRun=none',
    'dryRun',
    'dryRun=',
    'dryRun=all&dryRun=no',
    'dryrun=all',
    'dry_run=all',
    'DRY-RUN=all',
  ]) {
    const { status, json } = await api.call(`POST /v1/workloads?${query}`, body)
    assert.equal(status, 400, query)
    assert.deepEqual(json.next, ["isobar api post 'v1/workloads?dryRun=all'"])
  }
  assert.deepEqual((await api.call('GET /v1/workloads')).json.items, [])
})

test('what was tried is never given as the answer of what is done with the same key, nor the other way round', async () => {
  await using api = await anApi()
  const key = { 'idempotency-key': 'k1' }
  const body = { text: jobText('train') }
  const tried = await api.call('POST /v1/workloads?dryRun=all', body, key)
  assert.deepEqual((await api.call('GET /v1/workloads')).json.items, [])
  const done = await api.call('POST /v1/workloads', body, key)
  assert.deepEqual([done.status, done.headers.get('idempotency-replayed')], [201, null])
  assert.equal(done.json.workloads[0].id, tried.json.workloads[0].id)
  const again = await api.call('POST /v1/workloads', body, key)
  assert.equal(again.headers.get('idempotency-replayed'), 'true')
  const triedAgain = await api.call('POST /v1/workloads?dryRun=all', body, key)
  assert.deepEqual([triedAgain.status, triedAgain.headers.get('idempotency-replayed')], [201, null])
  assert.equal((await api.call('GET /v1/workloads')).json.items.length, 1)
})

test('a key is for one query as well as for one body', async () => {
  await using api = await anApi()
  const { id } = (await api.call('POST /v1/plans', { text: jobText('planned') })).json
  const key = { 'idempotency-key': 'k1' }
  const apply = (query: string) => api.call(`POST /v1/plans/${id}/apply${query}`, undefined, key)
  assert.equal((await apply('?maxCostMicros=5')).status, 201)
  assert.equal((await apply('?maxCostMicros=6')).status, 409)
  assert.equal((await apply('')).status, 409)
  assert.equal((await apply('?maxCostMicros=5')).headers.get('idempotency-replayed'), 'true')
})

test('many who try at once, beside others who do it, leave what those did', async () => {
  await using api = await anApi()
  const submit = (name: string, query: string) => api.call(`POST /v1/workloads${query}`, { text: jobText(name) })
  const answers = await Promise.all(
    Array.from({ length: 40 }, (_, i) => (i % 2 ? submit(`done-${i}`, '') : submit(`tried-${i}`, '?dryRun=all'))),
  )
  assert.ok(answers.every(({ status }) => status === 201))
  const { items } = (await api.call('GET /v1/workloads')).json
  assert.equal(items.length, 20)
  assert.ok(items.every(({ name }: { name: string }) => name.startsWith('done')))
})
