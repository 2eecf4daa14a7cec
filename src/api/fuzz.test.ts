import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { test } from 'node:test'

import {
  anything,
  assert as check,
  asyncProperty,
  constantFrom,
  double,
  integer,
  json,
  oneof,
  record,
  string,
} from 'fast-check'

import { anApi, jobText, type TestApi } from '#rigs/api.ts'
import { anyCharacter } from '#test/drawn-text.ts'

const paths = [
  ['POST', '/v1/validate'],
  ['POST', '/v1/plans'],
  ['POST', '/v1/workloads'],
  ['POST', '/v1/plans/p-1/apply'],
  ['POST', '/v1/workloads/x/stop'],
  ['PUT', '/v1/workloads/hi/priority'],
  ['PUT', '/v1/projects/default'],
  ['PUT', '/v1/secrets/A'],
  ['POST', '/agent/v1/sync'],
] as const

test('no body whatsoever makes the server fail', async () => {
  await using api = await anApi()
  await api.call('POST /v1/workloads', { text: jobText('hi') })
  const text = string({ unit: anyCharacter, maxLength: 200 })
  const body = oneof(
    json(),
    text,
    anything({ withNullPrototype: false }).map((value) => JSON.stringify(value) ?? ''),
    text.map((spec) => JSON.stringify({ text: spec })),
    text.map((value) => JSON.stringify({ text: `kind: job\nname: hi\nrun: ${JSON.stringify(value)}\n` })),
    text.map((value) => JSON.stringify({ text: 'kind: job\nname: hi\nrun: a', filename: value })),
  )
  const property = asyncProperty(constantFrom(...paths), body, async ([method, path], sent) => {
    const headers: Record<string, string> = path.startsWith('/agent')
      ? { authorization: `Bearer ${api.credential('l-1')}` }
      : { 'content-type': 'application/json' }
    const answer = await api.call(`${method} ${path}`, sent, headers)
    assert.ok(answer.status < 500, `${method} ${path} ${sent} → ${answer.status}\n${api.faults.join('\n')}`)
  })
  await check(property, { numRuns: 300 })
})

test('no path or query whatsoever makes the server fail', async () => {
  await using api = await anApi()
  const part = oneof(
    string({ unit: anyCharacter, maxLength: 30 }).map((text) => encodeURIComponent(text.toWellFormed())),
    constantFrom('%', '%zz', '%00', '..', '%2e%2e', '%ff%fe', 'w-1', '-1', '1e999', 'NaN', '99999999999999999999'),
  )
  const shape = constantFrom(
    (p: string): `/${string}` => `/v1/workloads/${p}`,
    (p: string): `/${string}` => `/v1/workloads?pageToken=${p}`,
    (p: string): `/${string}` => `/v1/workloads?state=${p}`,
    (p: string): `/${string}` => `/v1/workloads?label=a%3D${p}`,
    (p: string): `/${string}` => `/v1/workloads?pageSize=${p}`,
    (p: string): `/${string}` => `/v1/workloads?orderBy=${p}`,
    (p: string): `/${string}` => `/v1/workloads?orderBy=name&pageToken=${p}`,
    (p: string): `/${string}` => `/v1/workloads/${p}/logs?from=${p}&rank=${p}`,
    (p: string): `/${string}` => `/v1/events?after=${p}`,
    (p: string): `/${string}` => `/v1/plans/${p}`,
    (p: string): `/${string}` => `/v1/offers?accelerator=${p}&site=${p}`,
    (p: string): `/${string}` => `/v1/cost?by=${p}&from=${p}`,
    (p: string): `/${string}` => `/v1/cost?workload=${p}`,
    (p: string): `/${string}` => `/v1/secrets?project=${p}`,
    (p: string): `/${string}` => `/v1/bundles/${p}`,
    (p: string): `/${string}` => `/blobs/${p}?expires=${p}&signature=${p}`,
    (p: string): `/${string}` => `/${p}`,
  )
  const property = asyncProperty(shape, part, async (make, text) => {
    const answer = await api.call(`GET ${make(text)}`)
    assert.ok(answer.status < 500, `${make(text)} → ${answer.status}\n${api.faults.join('\n')}`)
  })
  await check(property, { numRuns: 400 })
})

test('no token of a page whatsoever makes the server fail', async () => {
  await using api = await anApi()
  const text = oneof(string({ unit: anyCharacter, maxLength: 20 }), constantFrom('\0', 'a', 'a\0', '\ud800'))
  const token = anything({ withNullPrototype: false }).map((value) =>
    Buffer.from(JSON.stringify(['project,name', value]) ?? '').toString('base64url'),
  )
  const near = record({
    createdAt: oneof(integer(), double(), constantFrom(2 ** 60, -1)),
    name: text,
    priority: oneof(integer(), double()),
    project: text,
    id: text,
  }).map((place) => Buffer.from(JSON.stringify(['project,name', place])).toString('base64url'))
  const property = asyncProperty(oneof(token, near), async (pageToken) => {
    const answer = await api.call(`GET /v1/workloads?orderBy=project,name&pageToken=${pageToken}`)
    assert.ok(answer.status < 500, `${pageToken} → ${answer.status}\n${api.faults.join('\n')}`)
  })
  await check(property, { numRuns: 200 })
})

test('no If-Match, Idempotency-Key or dryRun whatsoever makes the server fail', async () => {
  await using api = await anApi()
  await api.call('POST /v1/workloads', { text: jobText('hi') })
  // What a client may put into a header at all: others refuse it before it is sent.
  const value = oneof(
    string({ unit: constantFrom('"', 'W', '/', ',', ' ', '*', 'a', '\t', 'é', '\u00ff', '!'), maxLength: 20 }),
    string({ unit: 'grapheme-ascii', maxLength: 40 }),
    constantFrom(`${'"a",'.repeat(1000)}"a"`, ','.repeat(5000), `"${' '.repeat(5000)}`, `${'W/'.repeat(2000)}"`),
  )
  const query = oneof(
    constantFrom('', 'dryRun=all', 'dryRun=%00', 'dryRun'),
    string({ maxLength: 20 }).map(encodeURIComponent),
  )
  const property = asyncProperty(constantFrom(...paths), value, query, async ([method, path], header, search) => {
    const headers = { 'content-type': 'application/json', 'if-match': header, 'idempotency-key': header }
    const answer = await api.call(`${method} ${path}?${search}`, '{"priority":1}', headers)
    assert.ok(answer.status < 500, `${method} ${path} ${header} → ${answer.status}\n${api.faults.join('\n')}`)
  })
  await check(property, { numRuns: 300 })
})

test('the deepest and the largest bodies are refused, not obeyed', async () => {
  await using api = await anApi()
  const deep = `{"text": ${'['.repeat(400_000)}${']'.repeat(400_000)}}`
  const asJson = { 'content-type': 'application/json' }
  assert.equal((await api.call('POST /v1/validate', deep, asJson)).status, 400)
  const large = JSON.stringify({ text: 'x'.repeat(33 * 1024 * 1024) })
  assert.equal((await api.call('POST /v1/validate', large, asJson)).status, 413)
  assert.equal((await api.call('PUT /v1/projects/a', 'x'.repeat(1024 * 1024 + 1), asJson)).status, 413)
})

test('what is no HTTP at all is answered with 400 and costs nothing', async () => {
  await using api = await anApi()
  for (const bytes of ['\0\0\0\0\r\n\r\n', 'GET / HTTP/9\r\n\r\n', `GET /${'a'.repeat(70_000)} HTTP/1.1\r\n\r\n`])
    assert.match(await raw(api, bytes), /^(HTTP\/1\.1 4\d\d|$)/)
  assert.equal((await api.call('GET /healthz')).status, 200)
})

function raw(api: TestApi, bytes: string): Promise<string> {
  return new Promise((resolve) => {
    let text = ''
    const socket = connect(Number(new URL(api.url).port), '127.0.0.1', () => socket.write(bytes))
    socket.on('data', (data) => (text += String(data)))
    socket.on('error', () => resolve(text))
    socket.on('close', () => resolve(text))
  })
}
