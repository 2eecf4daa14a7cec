import assert from 'node:assert/strict'
import { createServer, type RequestListener } from 'node:http'
import { Writable } from 'node:stream'
import { after, test } from 'node:test'

import type { EventView, WorkloadView } from '#api/views.ts'
import { callMain } from './captured.ts'
import { createApi } from './client.ts'
import { eventsOf, parseEvents } from './event-source.ts'
import { follow } from './follow.ts'
import { processIo } from './io.ts'
import { asWritten, followLog, prefixing } from './log-follower.ts'
import { createSession, type Session } from './session.ts'

// Streams that break off at the worst moment: a server that does so on purpose stands in for a dying one.

const servers: ReturnType<typeof createServer>[] = []
after(() => {
  for (const server of servers) server.close()
})

async function answering(answer: RequestListener): Promise<string> {
  const server = createServer(answer)
  servers.push(server)
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  const address = server.address()
  return typeof address === 'object' && address ? `http://127.0.0.1:${address.port}` : ''
}

const sessionAt = (url: string): Session =>
  createSession({ ...processIo(), env: { ISOBAR_SERVER: url } }, createApi({ url, token: 't' }))

const record = ([rank, attempt, next]: [number, number, number], text: string): string =>
  `${JSON.stringify({ rank, attempt, next, bytes: Buffer.from(text).toString('base64') })}\n`

async function followed(url: string): Promise<string> {
  let seen = ''
  await followLog(sessionAt(url), {
    workload: 'w-1',
    query: { rank: 'all' },
    lines: asWritten({ rank: 'all' }, async (bytes) => void (seen += Buffer.from(bytes).toString())),
    signal: AbortSignal.timeout(10_000),
  })
  return seen
}

test('a log that breaks off in a later attempt goes on there, byte for byte, rank by rank', async () => {
  const asked: (string | null)[] = []
  const url = await answering((request, response) => {
    const { pathname, searchParams: query } = new URL(request.url ?? '', 'http://x')
    if (!pathname.endsWith('/logs')) return response.end(JSON.stringify({ state: 'succeeded' }))
    asked.push(query.get('from'))
    if (asked.length > 1)
      return response.end(`${record([0, 2, 7], '')}${record([1, 1, 0], '')}${record([0, 2, 9], 'e\n')}`)
    // Rank 0 is led through attempt 1, where output was dropped, into attempt 2; it dies within a record.
    const first = `${record([0, 1, 0], '')}${record([1, 1, 0], '')}${record([0, 1, 90], '[86 bytes]\none\n')}`
    response.write(`${first}${record([0, 2, 7], 'two\nthre')}${record([0, 2, 9], 'e\n').slice(0, -9)}`, () =>
      response.socket?.resetAndDestroy(),
    )
  })
  const seen = await followed(url)
  assert.equal(seen, '[0] [86 bytes]\n[0] one\n[0] two\n[0] three\n')
  assert.deepEqual(asked, [null, '2.7,1.0'])
})

test('a log whose stream the network forgot is read over another one once its workload has ended', async () => {
  let opened = 0
  const url = await answering((request, response) => {
    if (!request.url?.includes('/logs')) return response.end(JSON.stringify({ state: 'succeeded' }))
    opened += 1
    // The first is never answered, the second not to its end.
    if (request.url.includes('from=1.4')) response.end(record([0, 1, 8], 'two\n'))
    else if (opened > 1) response.write(record([0, 1, 0], '') + record([0, 1, 4], 'one\n'))
  })
  let seen = ''
  await followLog(sessionAt(url), {
    workload: 'w-1',
    query: { rank: '0' },
    lines: asWritten({ rank: '0' }, async (bytes) => void (seen += Buffer.from(bytes).toString())),
    signal: AbortSignal.timeout(10_000),
    ended: AbortSignal.abort(),
    quietMs: 200,
  })
  assert.equal(seen, 'one\ntwo\n')
  assert.ok(opened >= 3)
})

test('a request that was cut off waits for the first one, if the server still has that in work', async () => {
  let times = 0
  const keys = new Set<string | string[] | undefined>()
  const url = await answering((request, response) => {
    keys.add(request.headers['idempotency-key'])
    times += 1
    if (times === 1) return request.socket.resetAndDestroy()
    const conflict = { code: 'conflict', retryable: true, detail: 'still in work', next: [] }
    response.writeHead(times === 2 ? 409 : 200, { 'content-type': 'application/json' })
    response.end(JSON.stringify(times === 2 ? conflict : { done: true }))
  })
  assert.deepEqual(await createApi({ url, token: 't' }).send('POST', '/v1/workloads', {}), { done: true })
  assert.deepEqual([times, keys.size], [3, 1])
})

test('what an attempt wrote last, without an end of line, is no part of the first line of the next', async () => {
  const url = await answering((request, response) => {
    if (!request.url?.includes('/logs')) return response.end(JSON.stringify({ state: 'succeeded' }))
    response.end(record([0, 1, 6], 'step 4') + record([0, 2, 0], '') + record([0, 2, 8], 'resumed\n'))
  })
  const seen = await followed(url)
  assert.equal(seen, '[0] step 4\n[0] resumed\n')
})

test('who waits without a reason is told what is wrong with the server, once', async () => {
  let looks = 0
  const interrupt = new AbortController()
  const url = await answering((request, response) => {
    const { pathname } = new URL(request.url ?? '', 'http://x')
    const answer = (status: number, body: object) => {
      response.writeHead(status, { 'content-type': 'application/json' })
      response.end(JSON.stringify(body))
    }
    const problem = { title: 'x', code: 'unavailable', requestId: 'r', retryable: true, next: ['isobar doctor'] }
    if (pathname === '/readyz')
      return answer(503, { ...problem, status: 503, detail: 'Not ready: the loop launch fails again and again.' })
    if (pathname.endsWith('/wait'))
      return answer(504, { ...problem, code: 'still-running', status: 504, detail: 'not yet' })
    if (pathname.endsWith('/logs') || pathname.endsWith('/events')) return response.end()
    if ((looks += 1) > 8) interrupt.abort()
    answer(200, { state: 'starting', reason: '' })
  })
  let said = ''
  const stderr = new Writable({
    write(chunk: Buffer, _encoding, done) {
      said += chunk.toString()
      done()
    },
  })
  const io = { ...processIo(), env: { ISOBAR_SERVER: url }, stderr }
  const workload = { id: 'w-1', kind: 'job' } as WorkloadView // no more of it is looked at
  const asked = { workload, rank: 'all', prefix: '', sink: async () => {}, signal: interrupt.signal }
  assert.equal(await follow(io, createApi({ url, token: 't' }), asked), undefined)
  assert.equal(said.match(/starting: .*the loop launch fails again and again.* isobar doctor/g)?.length, 1)
})

const event = (cursor: number): EventView => ({
  cursor: String(cursor),
  at: '2026-01-01T00:00:00Z',
  type: 'workload.submitted',
  workload: null,
  project: null,
  message: `event ${cursor} — ü`,
  data: {},
})
const frame = (cursor: number): string =>
  `: heartbeat\nid: ${cursor}\nevent: x\ndata: ${JSON.stringify(event(cursor))}\n\n`

test('events go on behind the last one seen when the stream breaks, without a gap or a double', async () => {
  const asked: (string | string[] | undefined)[] = []
  const url = await answering((request, response) => {
    asked.push(request.headers['last-event-id'])
    response.setHeader('content-type', 'text/event-stream')
    const from = Number(request.headers['last-event-id'] ?? 0)
    response.write(`${frame(from + 1)}${frame(from + 2)}id: 99\ndata: {"cut`, () => response.socket?.resetAndDestroy())
  })
  const stop = new AbortController()
  const seen: string[] = []
  for await (const { cursor } of eventsOf(sessionAt(url), { query: {}, signal: stop.signal })) {
    seen.push(cursor)
    if (seen.length === 6) stop.abort()
  }
  assert.deepEqual(seen, ['1', '2', '3', '4', '5', '6'])
  assert.deepEqual(asked.slice(0, 3), [undefined, '2', '4'])
})

test('events are read the same however the bytes are cut', async () => {
  const bytes = Buffer.from(`retry: 1000\n\n${frame(1)}${frame(2).replaceAll('\n', '\r\n')}`)
  for (const size of [1, 2, 3, 7, bytes.length]) {
    const cut = async function* (): AsyncGenerator<Uint8Array> {
      for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
    }
    const read: EventView[] = []
    for await (const one of parseEvents(cut())) read.push(one)
    assert.deepEqual(read, [event(1), event(2)], `in pieces of ${size}`)
  }
})

test('logs side by side mix only whole lines, and keep a last one without its end', async () => {
  let seen = ''
  const one = prefixing('[a] ', async (bytes) => void (seen += Buffer.from(bytes).toString()))
  await one.sink(Buffer.from('fir'))
  assert.equal(seen, '')
  await one.sink(Buffer.from('st\nsecond\nla'))
  await one.sink(Buffer.from('st'))
  await one.end()
  assert.equal(seen, '[a] first\n[a] second\n[a] last\n')
})

test('a line without an end is shown in pieces, so that nobody waits for it or has to hold it', async () => {
  let seen = ''
  const one = prefixing('[a] ', async (bytes) => void (seen += Buffer.from(bytes).toString()))
  for (let part = 0; part < 3; part++) await one.sink(Buffer.alloc(50_000, '\r'))
  assert.equal(seen, `[a] ${'\r'.repeat(100_000)}\n`)
})

test('an answer that is no JSON, or a problem of no known shape, is an error that names a fix', async () => {
  const cases: [number, string, string, number, RegExp][] = [
    [200, 'text/html', '<html>', 1, /not JSON/],
    [502, 'text/html', '<html>bad gateway', 1, /answered with 502/],
    [404, 'application/json', '{}', 3, /answered with 404/],
    [
      409,
      'application/problem+json',
      '{"code":"plan-changed","detail":"dearer","difference":["$1 → $2"]}',
      5,
      /dearer\n\$1 → \$2/,
    ],
    [500, 'application/problem+json', '{"code":"internal","detail":"oops","requestId":"r-1"}', 1, /oops\nRequest r-1/],
  ]
  for (const [status, type, body, code, text] of cases) {
    const url = await answering((_request, response) => response.writeHead(status, { 'content-type': type }).end(body))
    const { stderr, stdout, ...ended } = await callMain(['ps'], { env: { ISOBAR_SERVER: url } })
    assert.equal(ended.code, code, stderr)
    assert.equal(stdout, '')
    assert.match(stderr, text)
  }
})
