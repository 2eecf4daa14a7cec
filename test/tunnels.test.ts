import assert from 'node:assert/strict'
import { createServer, type RequestListener } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { test, type TestContext } from 'node:test'
import { text } from 'node:stream/consumers'

import { openGateway } from '#gateway/gateway.ts'
import { fail, type Outcome, succeed } from '#model/fault.ts'
import { forwardedEndpoint } from '#model/forwarded.ts'
import type { Provider, Serves } from '#providers/provider.ts'
import { anApi } from '#rigs/api.ts'

const [site, token] = ['far', 'l-1']
const endpointOf = (rank: number) => forwardedEndpoint({ provider: 'kubernetes', site, token, rank }, 8080)

/** Replicas that only a provider reaches, a control plane that forwards to them, and a gateway before both. */
async function rig(t: TestContext, replicas: RequestListener[]) {
  const servers = replicas.map((replica) => createServer(replica))
  for (const server of servers) await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const dialled: [string, Serves][] = []
  const gone = new Set<number>()
  const dial: Provider['abilities']['dial'] = async (name, at) => {
    dialled.push([name, at])
    const server = servers[at.rank]
    if (!server || gone.has(at.rank)) return fail('conflict', 'later', 'it serves no more') satisfies Outcome<never>
    const stream = connect((server.address() as AddressInfo).port, '127.0.0.1')
    return succeed(stream)
  }
  // Only its ability is asked for.
  const api = await anApi({ providers: new Map([['kubernetes', { abilities: { dial } } as unknown as Provider]]) })
  const endpoints = replicas.map((_, rank) => endpointOf(rank))
  Object.assign(api.house.store.workloads, {
    endpoints: async () => [{ project: 'default', name: 'chat', endpoints }],
  })
  const plane = { server: api.url, token: api.house.keys.token }
  const gateway = await openGateway({ ...plane, host: '127.0.0.1', port: 0, everyMs: 10 })
  t.after(async () => {
    await gateway.close()
    await api[Symbol.asyncDispose]()
    for (const server of servers) server.close().closeAllConnections()
  })
  return { api, url: `${gateway.url}/default/chat`, dialled, gone }
}

const echo: RequestListener = (request, response) => void request.pipe(response)

test('a request goes through the control plane to a replica that only its provider reaches, and its answer back', async (t) => {
  const { url, dialled } = await rig(t, [echo])
  const body = 'x'.repeat(3_000_000)
  for (let i = 0; i < 3; i++) {
    const reply = await fetch(`${url}/say`, {
      method: 'POST',
      body,
      headers: { authorization: 'Bearer for-the-replica' },
    })
    assert.equal(await reply.text(), body)
  }
  assert.deepEqual(dialled, [['far', { provider: 'kubernetes', site, token, rank: 0, port: 8080 }]], 'it is kept open')
})

test('what a replica receives is what was sent, its own credential too', async (t) => {
  const { url } = await rig(t, [(request, response) => void response.end(request.headers.authorization)])
  const reply = await fetch(url, { headers: { authorization: 'Bearer for-the-replica' } })
  assert.equal(await reply.text(), 'Bearer for-the-replica')
})

test('an answer streams through a tunnel as it comes, and nobody is kept who has left', async (t) => {
  const { promise: over, resolve } = Promise.withResolvers<void>()
  const { url } = await rig(t, [
    (_, response) => {
      response.write('first')
      response.once('close', resolve)
    },
  ])
  const reply = await fetch(url)
  const reader = reply.body?.getReader()
  assert.equal(Buffer.from((await reader?.read())?.value ?? []).toString(), 'first')
  await reader?.cancel()
  await over
})

test('a replica that its provider does not reach costs no request, not even one with a body', async (t) => {
  const { url, gone } = await rig(t, [echo, echo])
  gone.add(0)
  for (let i = 0; i < 4; i++) {
    const reply = await fetch(url, { method: 'POST', body: 'once' })
    assert.equal(await reply.text(), 'once')
  }
  gone.add(1)
})

test('who has no token, or asks for what nobody forwards, has no tunnel and is told why', async (t) => {
  const { api } = await rig(t, [echo])
  const ask = async (path: string, bearer: string): Promise<string> => {
    const socket = connect(Number(new URL(api.url).port), '127.0.0.1')
    socket.write(
      `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer ${bearer}\r\n` +
        'Connection: upgrade\r\nUpgrade: isobar-tunnel\r\n\r\n',
    )
    return text(socket)
  }
  const { token: ours } = api.house.keys
  assert.match(await ask(`/v1/tunnels/${endpointOf(0)}`, 'none'), /^HTTP\/1.1 401 .*The token is not the one/s)
  for (const endpoint of ['10.0.0.1:22', `0.l-1.far.slurm.isobar.internal:80`, 'isobar.internal:80', '%00'])
    assert.match(await ask(`/v1/tunnels/${endpoint}`, ours), /^HTTP\/1.1 40[04] .*isobar/s, endpoint)
  assert.match(await ask('/v1/nothing', ours), /^HTTP\/1.1 404 /)
  for (const odd of ['//', '//[', 'http://[', 'http://x:99999/', '/\\', '/%zz', `/${'a'.repeat(9_000)}`])
    assert.match(await ask(odd, ours), /^(HTTP\/1.1 4\d\d |$)/, odd)
  assert.match(await ask(`/v1/tunnels/${endpointOf(9)}`, ours), /^HTTP\/1.1 503 .*it serves no more/s)
  assert.equal((await api.call(`GET /v1/tunnels/${endpointOf(0)}`)).status, 400, 'without an upgrade')
})

test('a request that asks for another upgrade is answered as if it did not, with its body', async (t) => {
  const { api } = await rig(t, [])
  const socket = connect(Number(new URL(api.url).port), '127.0.0.1')
  const body = JSON.stringify({ text: 'kind: job\nname: hi\nrun: echo hi\n' })
  const head = [
    'POST /v1/validate HTTP/1.1',
    'Host: 127.0.0.1',
    `Authorization: Bearer ${api.house.keys.token}`,
    'Content-Type: application/json',
    `Content-Length: ${body.length}`,
    'Connection: upgrade, close',
    'Upgrade: h2c',
  ]
  socket.write(`${head.join('\r\n')}\r\n\r\n${body}`)
  assert.match(await text(socket), /^HTTP\/1.1 200 .*"name":"hi"/s)
})

test('tunnels end with the control plane', async (t) => {
  const { api, url } = await rig(t, [(_, response) => void response.write('on and on')])
  const reply = await fetch(url)
  const reader = reply.body?.getReader()
  await reader?.read()
  await api[Symbol.asyncDispose]()
  await assert.rejects(async () => await reader?.read())
})
