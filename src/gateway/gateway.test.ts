import assert from 'node:assert/strict'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test, type TestContext } from 'node:test'

import { openGateway } from './gateway.ts'

async function listening(handler: RequestListener): Promise<{ server: Server; endpoint: string }> {
  const server = createServer(handler)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { server, endpoint: `127.0.0.1:${(server.address() as AddressInfo).port}` }
}

/** A control plane that lists one service, replicas that say who they are, and a gateway before them. */
async function rig(t: TestContext, replicas: RequestListener[]) {
  const started = await Promise.all(replicas.map(listening))
  const endpoints = started.map(({ endpoint }) => endpoint)
  const control = await listening((request, response) => {
    if (request.headers.authorization !== 'Bearer secret') return void response.writeHead(401).end()
    response.end(JSON.stringify({ items: [{ project: 'default', name: 'chat', endpoints }], nextPageToken: null }))
  })
  const gateway = await openGateway({
    server: `http://${control.endpoint}`,
    token: 'secret',
    host: '127.0.0.1',
    port: 0,
    everyMs: 10,
  })
  t.after(async () => {
    await gateway.close()
    for (const { server } of [...started, control]) server.close().closeAllConnections()
  })
  return { gateway, started }
}

const saying =
  (name: string): RequestListener =>
  (request, response) =>
    void response.setHeader('x-path', request.url ?? '').end(name)

test('requests take turns over the ready replicas and keep path and query', async (t) => {
  const { gateway } = await rig(t, [saying('a'), saying('b'), saying('c')])
  const answers = []
  for (let i = 0; i < 6; i++) {
    const reply = await fetch(`${gateway.url}/default/chat/v1/models?x=1`)
    assert.equal(reply.headers.get('x-path'), '/v1/models?x=1')
    answers.push(await reply.text())
  }
  assert.deepEqual(answers.sort(), ['a', 'a', 'b', 'b', 'c', 'c'])
})

test('a replica that went away costs no request, with or without a body', async (t) => {
  const { gateway, started } = await rig(t, [saying('a'), saying('b')])
  started[0]?.server.close().closeAllConnections()
  for (let i = 0; i < 4; i++) {
    const reply = await fetch(`${gateway.url}/default/chat/`, i % 2 ? { method: 'POST', body: 'x'.repeat(100) } : {})
    assert.equal(await reply.text(), 'b')
  }
})

test('a request that a replica had begun is not repeated when it may have done something', async (t) => {
  let seen = 0
  const dying: RequestListener = (request) => {
    seen++
    request.on('data', () => request.socket.destroy())
  }
  const { gateway } = await rig(t, [dying, dying])
  const reply = await fetch(`${gateway.url}/default/chat/`, { method: 'POST', body: 'pay' })
  assert.equal(reply.status, 502)
  assert.equal(seen, 1)
})

test('an answer streams through as it comes', async (t) => {
  const { promise: release, resolve } = Promise.withResolvers<void>()
  const { gateway } = await rig(t, [
    (_, response) => {
      response.write('first')
      void release.then(() => response.end('last'))
    },
  ])
  const reply = await fetch(`${gateway.url}/default/chat/`)
  const reader = reply.body?.getReader()
  assert.equal(Buffer.from((await reader?.read())?.value ?? []).toString(), 'first')
  resolve()
  assert.equal(Buffer.from((await reader?.read())?.value ?? []).toString(), 'last')
})

test('an unknown service is a 404 that says what to do, and one without replicas a 503', async (t) => {
  const { gateway } = await rig(t, [])
  const unknown = await fetch(`${gateway.url}/default/nothing/`)
  assert.equal(unknown.status, 404)
  assert.match(await unknown.text(), /isobar ps --kind service/)
  assert.equal((await fetch(`${gateway.url}/default/chat/`)).status, 503)
})
