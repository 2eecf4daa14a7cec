import assert from 'node:assert/strict'
import { test } from 'node:test'

import { anApi, jobText, type Answer, type TestApi } from '#rigs/api.ts'
import { aStore } from '#rigs/postgres.ts'
import { aPlacing, held } from '#rigs/story.ts'

const submit = async (api: TestApi, name: string): Promise<string> =>
  (await api.call('POST /v1/workloads', { text: jobText(name) })).json.workloads[0].id

const tagOf = ({ headers }: Pick<Answer, 'headers'>): string => headers.get('etag') ?? ''
const ifMatch = (tag: string) => ({ 'if-match': tag })

/** Two control planes on one database. */
async function twoApis() {
  const store = await aStore()
  const other = await aStore({ url: store.url })
  const both = { api: await anApi({ store }), other: await anApi({ store: other }) }
  return {
    ...both,
    async [Symbol.asyncDispose]() {
      for (const api of [both.api, both.other]) await api[Symbol.asyncDispose]()
      await store.close()
      await other.close()
    },
  }
}

test('a tag is another once people changed something, and the same however far a run has come', async () => {
  await using api = await anApi()
  const id = await submit(api, 'train')
  const read = async () => tagOf(await api.call('GET /v1/workloads/train'))
  const first = await read()
  assert.match(first, /^"[0-9a-f]{20}"$/)
  await held(api.house.store, [aPlacing(id)])
  await api.house.store.apply([{ change: 'reason', id, reason: 'something else' }])
  assert.equal((await api.call('GET /v1/workloads/train')).json.state, 'starting')
  assert.equal(await read(), first)

  const prioritised = await api.call('PUT /v1/workloads/train/priority', { priority: 5 }, ifMatch(first))
  assert.equal(prioritised.status, 200)
  assert.notEqual(tagOf(prioritised), first)
  assert.equal(tagOf(prioritised), await read())
  const held5 = await api.call('POST /v1/workloads/train/hold', undefined, ifMatch(tagOf(prioritised)))
  assert.deepEqual([held5.status, tagOf(held5)], [200, await read()])
  await submit(api, 'other')
  assert.notEqual(tagOf(await api.call('GET /v1/workloads/other')), first)
})

test('who read something that is not so any more is told so, how to look again, and changes nothing', async () => {
  await using api = await anApi()
  const id = await submit(api, 'train')
  const stale = tagOf(await api.call('GET /v1/workloads/train'))
  await api.call('PUT /v1/workloads/train/priority', { priority: 5 })
  const answers = [
    await api.call('PUT /v1/workloads/train/priority', { priority: 9 }, ifMatch(stale)),
    ...(await Promise.all(
      ['hold', 'stop', 'release'].map((verb) =>
        api.call(`POST /v1/workloads/train/${verb}`, undefined, ifMatch(stale)),
      ),
    )),
  ]
  for (const { status, json, headers } of answers) {
    assert.deepEqual([status, json.code, json.status], [412, 'changed', 412])
    assert.equal(headers.get('content-type'), 'application/problem+json')
    assert.match(json.detail, /^"train" was changed since it was read/)
    assert.deepEqual(json.next, [`isobar describe ${id}`])
  }
  const { json } = await api.call('GET /v1/workloads/train')
  assert.deepEqual([json.priority, json.wants], [5, 'run'])
  assert.equal((await api.call('GET /v1/events')).json.items.length, 2)
})

test('tags are compared as RFC 9110 has it: any of a list, * for anything, never a weak one', async () => {
  await using api = await anApi()
  await submit(api, 'train')
  const tag = tagOf(await api.call('GET /v1/workloads/train'))
  const tried: [header: string, status: number][] = [
    [tag, 200],
    ['*', 200],
    [` , "a,b" ,${tag},, "c"`, 200],
    [`"a"\t,\t${tag}`, 200],
    ['"a", "b"', 412],
    ['""', 412],
    [`W/${tag}`, 412],
    [`W/"a", W/${tag}`, 412],
    ['"é"', 412],
    ['', 400],
    [',', 400],
    ['a', 400],
    [tag.slice(1), 400],
    [tag.slice(0, -1), 400],
    [`${tag}"`, 400],
    [`${tag} "a"`, 400],
    [`*, ${tag}`, 400],
    [`w/${tag}`, 400],
    ['"a b"', 400],
  ]
  for (const [header, status] of tried) {
    const answer = await api.call('PUT /v1/workloads/train/priority', { priority: 0 }, ifMatch(header))
    assert.equal(answer.status, status, JSON.stringify(header))
    if (status === 400) assert.match(answer.json.detail, /If-Match: must be \*, or tags/)
  }
})

test('of many who read the same and all write, exactly one gets through for each tag, whatever they write', async () => {
  await using two = await twoApis()
  const { api, other } = two
  await submit(api, 'train')
  await api.call('PUT /v1/projects/research', { weight: 1 })
  await api.call('PUT /v1/secrets/KEY', 'first', { 'content-type': 'application/octet-stream' })
  const bytes = { 'content-type': 'application/octet-stream' }
  const changes: [look: `/${string}`, write: (one: TestApi, i: number, tag: string) => Promise<Answer>][] = [
    [
      '/v1/workloads/train',
      (one, i, tag) => one.call('PUT /v1/workloads/train/priority', { priority: i }, ifMatch(tag)),
    ],
    ['/v1/projects/research', (one, i, tag) => one.call('PUT /v1/projects/research', { weight: i }, ifMatch(tag))],
    ['/v1/secrets/KEY', (one, i, tag) => one.call('PUT /v1/secrets/KEY', `${i}`, { ...bytes, ...ifMatch(tag) })],
  ]
  for (const [look, write] of changes)
    for (let round = 0; round < 4; round++) {
      const tag = tagOf(await other.call(`GET ${look}`))
      const answers = await Promise.all(
        Array.from({ length: 24 }, (_, i) => write(i % 2 ? api : other, 10 + round * 100 + i, tag)),
      )
      const through = answers.filter(({ status }) => status === 200)
      assert.ok(answers.every(({ status }) => status === 200 || status === 412))
      assert.equal(through.length, 1, look)
      assert.deepEqual(through.map(tagOf), [tagOf(await api.call(`GET ${look}`))])
    }
  assert.deepEqual([...api.faults, ...other.faults], [])
})

test('of a hold, a stop and a priority that rest on the same reading, one is done', async () => {
  await using two = await twoApis()
  const { api, other } = two
  for (let round = 0; round < 5; round++) {
    const path = `/v1/workloads/${await submit(api, 'train')}` as const
    const tag = tagOf(await api.call(`GET ${path}`))
    const answers = await Promise.all([
      api.call(`POST ${path}/hold`, undefined, ifMatch(tag)),
      other.call(`POST ${path}/stop`, undefined, ifMatch(tag)),
      other.call(`PUT ${path}/priority`, { priority: 9 }, ifMatch(tag)),
      api.call(`PUT ${path}/priority`, { priority: 7 }, ifMatch(tag)),
    ])
    const { json } = await api.call(`GET ${path}`)
    assert.equal(answers.filter(({ status }) => status === 200).length, 1)
    // What is to be stopped is not held any more, whoever read what.
    for (const { status } of answers) assert.ok([200, 412, json.wants === 'stop' ? 409 : 412].includes(status))
    assert.equal([json.wants !== 'run', json.priority !== 0].filter(Boolean).length, 1)
  }
})

test('two who change different fields of a project at the same time undo nothing of each other', async () => {
  await using two = await twoApis()
  const { api, other } = two
  for (let round = 1; round <= 8; round++) {
    const answers = await Promise.all([
      api.call('PUT /v1/projects/research', { weight: 1 + round }),
      other.call('PUT /v1/projects/research', { budgetMicros: round }),
      api.call('PUT /v1/projects/research', { quota: { nodes: round } }),
    ])
    assert.ok(answers.every(({ status }) => status === 200))
    const { json } = await api.call('GET /v1/projects/research')
    assert.deepEqual([json.weight, json.budget.micros, json.quota], [1 + round, `${round}`, { nodes: round }])
  }
})

test('If-Match keeps what is not there from being made, and what is not there from being forgotten', async () => {
  await using api = await anApi()
  const bytes = { 'content-type': 'application/octet-stream' }
  const made = [
    await api.call('PUT /v1/projects/research', { weight: 2 }, ifMatch('*')),
    await api.call('PUT /v1/secrets/KEY', 'hush', { ...bytes, ...ifMatch('*') }),
  ]
  for (const { status, json } of made) {
    assert.equal(status, 412)
    assert.match(json.detail, /^There is no (project "research"|secret KEY)/)
  }
  assert.equal((await api.call('GET /v1/projects/research')).status, 404)
  assert.equal((await api.call('GET /v1/secrets/KEY')).status, 404)
  assert.equal((await api.call('DELETE /v1/secrets/KEY', undefined, ifMatch('*'))).status, 404)

  const first = tagOf(await api.call('PUT /v1/secrets/KEY', 'hush', bytes))
  const second = tagOf(await api.call('PUT /v1/secrets/KEY', 'hush', { ...bytes, ...ifMatch(first) }))
  assert.notEqual(second, first)
  assert.equal((await api.call('DELETE /v1/secrets/KEY', undefined, ifMatch(first))).status, 412)
  const read = await api.call('GET /v1/secrets/KEY')
  assert.deepEqual([read.json.name, tagOf(read), read.text.includes('hush')], ['KEY', second, false])
  assert.equal((await api.call('DELETE /v1/secrets/KEY', undefined, ifMatch(second))).status, 200)
})

test('a request that could not be done anyway is told why, and not that it changed', async () => {
  await using api = await anApi()
  const id = await submit(api, 'train')
  await api.call('POST /v1/workloads/train/stop')
  assert.equal((await api.call('POST /v1/workloads/train/release', undefined, ifMatch('"a"'))).status, 409)
  await api.house.store.apply([{ change: 'workload', id, to: 'stopped', reason: 'for the test' }])
  assert.equal((await api.call(`PUT /v1/workloads/${id}/priority`, { priority: 1 }, ifMatch('"a"'))).status, 409)
  assert.equal((await api.call('GET /v1/projects/nobody')).status, 404)
  assert.match((await api.call('GET /v1/projects/defalt')).json.detail, /did you mean "default"/)
})
