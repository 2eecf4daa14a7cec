import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync, statSync, utimesSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { test } from 'node:test'

import { createDirectoryBlobs } from '#providers/blobs/directory.ts'
import { anApi, jobText, type TestApi } from '#rigs/api.ts'

const submit = (api: TestApi, name: string, headers: Record<string, string> = {}) =>
  api.call('POST /v1/workloads', { text: jobText(name) }, headers)

test('nothing is told to who has no token, a wrong one, or a part of it', async () => {
  await using api = await anApi()
  const tokens = ['', 'Bearer ', 'Bearer wrong', `Bearer ${api.house.keys.token.slice(0, -1)}`, api.house.keys.token]
  for (const authorization of tokens) {
    const answer = await api.call('GET /v1/workloads', undefined, { authorization })
    assert.equal(answer.status, 401, authorization)
    assert.equal(answer.json.code, 'unauthenticated')
    assert.ok(answer.json.next.length > 0)
    assert.ok(!answer.text.includes(api.house.keys.token))
  }
})

async function toldStranger(tokenFile: string | null) {
  await using api = await anApi()
  api.house.self.tokenFile = tokenFile
  return (await api.call('GET /v1/workloads', undefined, { authorization: 'Bearer wrong' })).json
}

test('who shows a wrong token is told where the right one is', async () => {
  const spaced = await toldStranger("/tmp/ann's own/token")
  assert.equal(spaced.detail, "The token is not the one of this server. It is in /tmp/ann's own/token.")
  assert.equal(spaced.next[0], String.raw`export ISOBAR_TOKEN="$(cat '/tmp/ann'\''s own/token')"`)
  const given = await toldStranger(null)
  assert.equal(given.detail, 'The token is not the one of this server. It is the one that the server was started with.')
  assert.equal(given.next[0], 'export ISOBAR_TOKEN=<token>')
})

test('who asks under a foreign host name is refused, so that no web page can reach the server by its own name', async () => {
  await using api = await anApi()
  const status = await new Promise((resolve, reject) => {
    const headers = { host: 'evil.example', authorization: `Bearer ${api.house.keys.token}` }
    request(`${api.url}/v1/server`, { headers }, (response) => resolve(response.resume().statusCode))
      .on('error', reject)
      .end()
  })
  assert.equal(status, 403)
})

test('a submitted job is listed, found by name and by id, and told of in an event', async () => {
  await using api = await anApi()
  const made = await submit(api, 'train')
  assert.equal(made.status, 201)
  const [workload] = made.json.workloads
  assert.equal(workload.state, 'queued')
  assert.equal(workload.summary, 'waiting for a place')
  for (const name of ['train', workload.id]) {
    const found = await api.call(`GET /v1/workloads/${name}`)
    assert.equal(found.json.id, workload.id)
    assert.equal(found.json.conditions.length, 5)
  }
  const events = await api.call('GET /v1/events?workload=train')
  assert.deepEqual(
    events.json.items.map(({ type }: { type: string }) => type),
    ['workload.submitted'],
  )
})

test('a spec that is wrong is answered with the place, the caret and the fix', async () => {
  await using api = await anApi()
  const answer = await api.call('POST /v1/workloads', { text: 'kind: job\nnam: x\nrun: y\n', filename: 'my.yaml' })
  assert.equal(answer.status, 422)
  assert.equal(answer.json.code, 'invalid-spec')
  const misspelt = answer.json.problems.find(({ path }: { path: string }) => path === 'nam')
  assert.deepEqual([misspelt.line, misspelt.column], [2, 1])
  assert.match(answer.json.detail, /my\.yaml:2:1/)
  assert.match(misspelt.fix, /name/)
})

test('what is missing is named with the nearest thing there is', async () => {
  await using api = await anApi()
  await submit(api, 'train-7b')
  const answer = await api.call('GET /v1/workloads/trian-7b')
  assert.equal(answer.status, 404)
  assert.match(answer.json.detail, /did you mean "train-7b"/)
  await api.call('PUT /v1/projects/research', {})
  await api.call('POST /v1/workloads', { text: `${jobText('wide')}project: research\n` })
  const elsewhere = await api.call('GET /v1/workloads/wide')
  assert.equal(
    elsewhere.json.detail,
    'There is no workload "wide" in project "default"; there is one in project "research".',
  )
  assert.deepEqual(elsewhere.json.next, ['isobar describe wide --project research'])
  assert.equal(answer.headers.get('x-request-id'), answer.json.requestId)
})

test('a spec that names a project, secret or bundle that does not exist is refused with the command that helps', async () => {
  await using api = await anApi()
  const texts: [string, RegExp][] = [
    [jobText('a', 'project: nobody\n'), /api put v1\/projects\/nobody/],
    [jobText('a', 'secrets: [HF_TOKEN]\n'), /isobar secret set HF_TOKEN/],
  ]
  for (const [text, next] of texts) {
    const answer = await api.call('POST /v1/workloads', { text })
    assert.equal(answer.status, 404)
    assert.match(answer.json.next[0], next)
  }
})

test('the same request with the same idempotency key is done once', async () => {
  await using api = await anApi()
  const key = { 'idempotency-key': 'k1' }
  const first = await submit(api, 'once', key)
  const second = await submit(api, 'once', key)
  assert.deepEqual([first.status, second.status], [201, 201])
  assert.equal(second.json.workloads[0].id, first.json.workloads[0].id)
  assert.equal((await api.call('GET /v1/workloads')).json.items.length, 1)
  const other = await submit(api, 'another', key)
  assert.equal(other.status, 409)
})

test('a request that was cut off by a crash after its commit is not done again by its repetition', async () => {
  await using api = await anApi()
  const key = { 'idempotency-key': 'crashed' }
  const { store } = api.house
  const keep = store.idempotency.save
  store.idempotency.save = () => Promise.reject(new Error('the process died here'))
  assert.equal((await submit(api, 'once', key)).status, 500)
  store.idempotency.save = keep
  const again = await submit(api, 'once', key)
  assert.equal(again.status, 201)
  assert.equal((await api.call('GET /v1/workloads')).json.items.length, 1)
})

test('a request that two control planes get at once with one key is done once, and both answer it', async () => {
  await using api = await anApi()
  await using other = await anApi({ store: api.house.store })
  const key = { 'idempotency-key': 'both' }
  const answers = await Promise.all([api, other, api, other].map((one) => submit(one, 'once', key)))
  assert.ok(answers.every(({ status }) => status === 201 || status === 409))
  const ids = answers.filter(({ status }) => status === 201).map(({ json }) => json.workloads[0].id)
  assert.ok(ids.length >= 2 && new Set(ids).size === 1, answers.map(({ text }) => text).join('\n'))
  assert.equal((await api.call('GET /v1/workloads')).json.items.length, 1)
})

test('a failed request is not remembered for its key', async () => {
  await using api = await anApi()
  const key = { 'idempotency-key': 'k2' }
  const body = { text: jobText('x', 'secrets: [TOKEN]\n') }
  assert.equal((await api.call('POST /v1/workloads', body, key)).status, 404)
  await api.call('PUT /v1/secrets/TOKEN', 'hush', { 'content-type': 'application/octet-stream' })
  assert.equal((await api.call('POST /v1/workloads', body, key)).status, 201)
})

test('pages lead through all workloads, each once, while others come', async () => {
  await using api = await anApi()
  for (let i = 0; i < 7; i++) await submit(api, `job-${i}`)
  const seen: string[] = []
  let token = ''
  for (;;) {
    const page = await api.call(`GET /v1/workloads?pageSize=3${token}`)
    seen.push(...page.json.items.map(({ name }: { name: string }) => name))
    await submit(api, `late-${seen.length}`)
    if (page.json.nextPageToken === null) break
    token = `&pageToken=${page.json.nextPageToken}`
  }
  assert.deepEqual(seen, ['job-6', 'job-5', 'job-4', 'job-3', 'job-2', 'job-1', 'job-0'])
  assert.equal((await api.call('GET /v1/workloads?pageToken=nonsense')).status, 400)
})

test('submits that arrive together are committed together', async () => {
  await using api = await anApi()
  const { store } = api.house
  let commits = 0
  const inner = store.workloads.submit
  store.workloads.submit = (rows, now) => {
    commits++
    return inner(rows, now)
  }
  const answers = await Promise.all(Array.from({ length: 60 }, (_, i) => submit(api, `job-${i}`)))
  assert.ok(answers.every(({ status }) => status === 201))
  assert.ok(commits < 30, `${commits} commits for 60 submits`)
})

test('the mistake of one in a batch does not fail the others', async () => {
  await using api = await anApi()
  const { store } = api.house
  const inner = store.workloads.submit
  store.workloads.submit = (rows, now) =>
    rows.some(({ name }) => name === 'bad') ? Promise.reject(new Error('refused')) : inner(rows, now)
  const answers = await Promise.all(['a', 'bad', 'b'].map((name) => submit(api, name)))
  assert.deepEqual(
    answers.map(({ status }) => status),
    [201, 500, 201],
  )
})

test('stopping is asked for once and holds; what has ended or is stopped is not released', async () => {
  await using api = await anApi()
  await submit(api, 'job')
  assert.equal((await api.call('POST /v1/workloads/job/hold')).json.wants, 'hold')
  assert.equal((await api.call('POST /v1/workloads/job/release')).json.wants, 'run')
  assert.equal((await api.call('POST /v1/workloads/job/stop')).json.wants, 'stop')
  assert.equal((await api.call('POST /v1/workloads/job/release')).status, 409)
  assert.equal((await api.call('PUT /v1/workloads/job/priority', { priority: 7 })).json.priority, 7)
})

test('a secret is kept sealed and never told again', async () => {
  await using api = await anApi()
  const put = (value: string | Uint8Array<ArrayBuffer>) =>
    api.fetch('/v1/secrets/HF_TOKEN', { method: 'PUT', body: value })
  assert.equal((await put('hush-hush')).status, 200)
  const listed = await api.call('GET /v1/secrets')
  assert.equal(listed.json.items[0].name, 'HF_TOKEN')
  assert.ok(!listed.text.includes('hush'))
  const sealed = (await api.house.store.secrets.get('default', ['HF_TOKEN'])).get('HF_TOKEN')
  assert.ok(sealed && !Buffer.from(sealed).includes('hush'))
  assert.equal((await put(new Uint8Array([1, 0, 2]))).status, 400)
  assert.equal((await put('x'.repeat(64 * 1024 + 1))).status, 413)
  assert.equal((await api.call('DELETE /v1/secrets/HF_TOKEN')).status, 200)
  assert.equal((await api.call('DELETE /v1/secrets/HF_TOKEN')).status, 404)
})

test('a bundle is taken only under its own hash, and fetched over a signed address', async () => {
  await using api = await anApi()
  const content = Buffer.from('a packed folder')
  const hash = createHash('sha256').update(content).digest('hex')
  const put = (name: string) => api.fetch(`/v1/bundles/${name}`, { method: 'PUT', body: content })
  assert.equal((await api.fetch(`/v1/bundles/${hash}`, { method: 'HEAD' })).status, 404)
  assert.equal((await put('0'.repeat(64))).status, 400)
  assert.equal((await put(hash)).status, 201)
  assert.equal((await api.fetch(`/v1/bundles/${hash}`, { method: 'HEAD' })).status, 200)
  const unsigned = await api.fetch(`/blobs/${hash}?expires=${Date.now() + 60_000}&signature=${'0'.repeat(64)}`)
  assert.equal(unsigned.status, 403)
})

test('a plan is kept, applied once, and refused with the difference when it does not hold any more', async () => {
  await using api = await anApi()
  const plan = await api.call('POST /v1/plans', { text: jobText('planned') })
  assert.equal(plan.status, 201)
  assert.equal(plan.json.documents[0].refusal.cause, 'no-offers')
  assert.equal((await api.call(`GET /v1/plans/${plan.json.id}`)).json.id, plan.json.id)
  const applied = await api.call(`POST /v1/plans/${plan.json.id}/apply`)
  assert.equal(applied.status, 201)
  const again = await api.call(`POST /v1/plans/${plan.json.id}/apply`)
  assert.equal(again.json.workloads[0].id, applied.json.workloads[0].id)
  assert.equal((await api.call('GET /v1/workloads')).json.items.length, 1)
})

test('waiting ends with a timeout that says what it is still doing, or when it is so', async () => {
  await using api = await anApi()
  await submit(api, 'slow')
  const early = await api.call('GET /v1/workloads/slow/wait?for=ended&timeoutSeconds=0.05')
  assert.equal(early.status, 408)
  assert.equal(early.json.code, 'still-running')
  const waiting = api.call('GET /v1/workloads/slow/wait?for=ended&timeoutSeconds=10')
  const { id } = (await api.call('GET /v1/workloads/slow')).json
  await api.house.store.apply([{ change: 'workload', id, to: 'stopped', reason: 'for the test' }])
  assert.equal((await waiting).json.state, 'stopped')
})

test('the docs and the description are open, describe every view, and ask nobody else', async () => {
  await using api = await anApi()
  const description = await api.call('GET /openapi.json', undefined, { authorization: '' })
  assert.equal(description.json.openapi, '3.1.0')
  for (const name of ['Workload', 'Plan', 'Problem', 'Event', 'Money'])
    assert.ok(description.json.components.schemas[name])
  const page = await api.call('GET /docs', undefined, { authorization: '' })
  assert.equal(page.status, 200)
  assert.ok(!/https?:\/\//.test(page.text))
})

test('a bundle that somebody asks for, plans or submits with is not the next to be pruned', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'isobar-bundles-'))
  const blobs = createDirectoryBlobs(folder)
  await using api = await anApi({ blobs })
  const { hash } = await blobs.put(Readable.from([Buffer.from('packed')]))
  const path = join(folder, 'content', hash.slice(-2), hash)
  const body = { text: `${jobText()}workdir: .\n`, bundles: { 0: hash } }
  const uses = [
    () => api.fetch(`/v1/bundles/${hash}`, { method: 'HEAD' }),
    () => api.call('POST /v1/plans', body),
    () => api.call('POST /v1/workloads', body),
  ]
  for (const use of uses) {
    utimesSync(path, 0, 0)
    assert.ok((await use()).status < 300)
    assert.ok(statSync(path).mtimeMs > Date.now() - 60_000)
  }
  rmSync(folder, { recursive: true })
})
