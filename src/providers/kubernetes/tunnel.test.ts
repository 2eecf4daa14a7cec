import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createSecureServer } from 'node:http2'
import { createServer, type Server } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { test, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'

import { WebSocketServer } from 'ws'

import { ofCluster, ofProxy } from '#rigs/certificates.ts'
import { type Asked, openConnectProxy } from '#rigs/connect-proxy.ts'
import { createClient } from './client.ts'
import type { Connection } from './kubeconfig.ts'
import { readProxy } from './proxy.ts'

const signal = AbortSignal.timeout(25_000)

type Handle = (request: IncomingMessage, response: ServerResponse) => void
const greets: Handle = (_, response) => response.end('{"kind":"Status"}')

async function listening<T extends Server>(t: TestContext, server: T): Promise<number> {
  const open = new Set<Socket>()
  server.on('connection', (socket: Socket) => open.add(socket))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    for (const socket of open) socket.destroy()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

type Behind = Omit<Asked, 'leads'> & { server?: Server; change?: (url: string) => string; more?: Partial<Connection> }

/** A server by a name that only its proxy knows, so that there is no other way to it. */
async function aClient(t: TestContext, { server, change = (url) => url, more, ...of }: Behind = {}) {
  const port = await listening(t, server ?? createServer(ofCluster, greets))
  const proxy = await openConnectProxy({ leads: { 'cluster.test:6443': port }, ...of })
  t.after(() => proxy.kill())
  const connection: Connection = {
    server: 'https://cluster.test:6443',
    ca: ofCluster.cert,
    serverName: undefined,
    insecure: false,
    namespace: 'team',
    proxy: readProxy(change(proxy.url), 'the proxy'),
    credential: async () => ({ token: 't', cert: null, key: null, until: null }),
    ...more,
  }
  const client = createClient(async () => connection)
  t.after(() => client.close())
  return { client, proxy, connection }
}

test('a cluster that only a proxy reaches answers through it, on tunnels that are kept', async (t) => {
  const { client, proxy } = await aClient(t)
  for (let i = 0; i < 20; i++) assert.deepEqual(await client.ask({ path: '/x', signal }), okay)
  assert.deepEqual(proxy.asked()[0], { target: 'cluster.test:6443', authorization: undefined })
  assert.ok(proxy.tunnels().opened < 5, `${proxy.tunnels().opened} tunnels`)
})

const okay = { ok: true, body: { kind: 'Status' } }

test('over HTTP/2 one tunnel carries all', async (t) => {
  const server = createSecureServer({ ...ofCluster, allowHTTP1: true }, (_, response) =>
    response.end('{"kind":"Status"}'),
  )
  const { client, proxy } = await aClient(t, { server: server as unknown as Server })
  await client.ask({ path: '/x', signal })
  const all = await Promise.all(Array.from({ length: 20 }, () => client.ask({ path: '/x', signal })))
  assert.ok(all.every(({ ok }) => ok))
  assert.equal(proxy.tunnels().opened, 1)
})

test('a proxy with TLS is proven by an authority of the cluster or of this machine, and hears no certificate of ours', async (t) => {
  const both = { ca: `${ofCluster.cert}${ofProxy.cert}` }
  const { client, proxy } = await aClient(t, { tls: ofProxy, wants: 'me:s%20ecret', more: both })
  assert.deepEqual(await client.ask({ path: '/x', signal }), okay)
  assert.equal(proxy.asked()[0]?.authorization, `Basic ${btoa('me:s ecret')}`)
  const strange = await aClient(t, { tls: ofProxy })
  const answer = await strange.client.ask({ path: '/x', signal })
  assert.ok(!answer.ok)
  assert.match(
    answer.fault.detail,
    /the proxy https:\/\/127\S+ does not answer: nobody whom we trust .* NODE_EXTRA_CA_C/,
  )
  assert.equal(answer.fault.kind, 'unreachable')
  assert.equal(strange.proxy.asked().length, 0)
  const lax = await aClient(t, { tls: ofProxy, more: { insecure: true } })
  assert.equal((await lax.client.ask({ path: '/x', signal })).ok, false, 'it is the cluster that need not be proven')
})

test('the certificate of a cluster is looked at as it is without a proxy', async (t) => {
  const { client } = await aClient(t, { more: { ca: ofProxy.cert } })
  const answer = await client.ask({ path: '/x', signal })
  assert.ok(!answer.ok)
  assert.match(answer.fault.detail, /^https:\/\/cluster.test:6443 does not answer: nobody whom we trust/)
  const insecure = await aClient(t, { more: { ca: undefined, insecure: true } })
  assert.deepEqual(await insecure.client.ask({ path: '/x', signal }), okay)
})

const refusals: [string, Behind, [string, string], RegExp][] = [
  [
    'wants another name and password',
    { wants: 'me:secret', change: (url) => url.replace('secret', 'seekrit') },
    ['denied', 'elsewhere'],
    /^https:\/\/cluster.test:6443 is not reached: the proxy http:\/\/127\S+ wants a name and a password \(407 .*\): write/,
  ],
  [
    'forbids it',
    { refuses: 403 },
    ['denied', 'elsewhere'],
    /not let us through \(403 So it is\): let it allow CONNECT to c/,
  ],
  ['reaches nobody', { refuses: 503 }, ['unreachable', 'later'], /does not reach cluster.test:6443 \(503 So it is\)$/],
]
for (const [what, of, [kind, retry], said] of refusals)
  test(`a proxy that ${what} is told as such, without its password`, async (t) => {
    const { client } = await aClient(t, of)
    const answer = await client.ask({ path: '/x', signal })
    assert.ok(!answer.ok)
    assert.deepEqual([answer.fault.kind, answer.fault.retry, answer.refusal], [kind, retry, null])
    assert.match(answer.fault.detail, said)
    assert.doesNotMatch(answer.fault.detail, /secret|seekrit/)
    const forwarded = await client.forward({ path: '/forward', signal })
    assert.ok(!forwarded.ok)
    assert.equal(forwarded.fault.detail, answer.fault.detail)
  })

test('a proxy that is away is unreachable, and once it is back so is the cluster; nobody waits for one that says nothing', async (t) => {
  const { client, proxy } = await aClient(t)
  assert.ok((await client.ask({ path: '/x', signal })).ok)
  await proxy.kill()
  await until(async () => {
    const answer = await client.ask({ path: '/x', signal })
    return !answer.ok && /is not reached: the proxy http:\S+ does not answer: ECONNREFUSED$/.test(answer.fault.detail)
  })
  await proxy.start()
  assert.deepEqual(await client.ask({ path: '/x', signal }), okay)
  const mute = await aClient(t, { silent: true })
  const waits = mute.client.ask({ path: '/x', signal })
  await until(async () => mute.proxy.asked().length === 1)
  const forwards = mute.client.forward({ path: '/x', signal: AbortSignal.timeout(20) })
  assert.equal((await forwards).ok, false)
  await mute.client.close()
  assert.equal((await waits).ok, false)
  await until(async () => mute.proxy.tunnels().open === 0)
})

test('a watch hears that its proxy went, and goes on when it is asked again', async (t) => {
  const server = createServer(ofCluster, (_, response) => {
    response.write('{"a":1}\n')
  })
  const { client, proxy } = await aClient(t, { server })
  const lines: string[] = []
  const watch = () =>
    client.stream({ path: '/x', signal, silenceMs: 30_000, opened: () => {}, line: (line) => lines.push(line) })
  const first = watch()
  await until(async () => lines.length === 1)
  await proxy.kill()
  assert.equal((await first).ok, false)
  await proxy.start()
  void watch()
  await until(async () => lines.length === 2)
})

test('bytes to and from a pod go through the proxy, with the certificate of ours that only the cluster sees', async (t) => {
  const server = createServer({ ...ofCluster, requestCert: true, ca: ofProxy.cert })
  const seen: unknown[] = []
  new WebSocketServer({ server }).on('connection', (socket, request) => {
    seen.push((request.socket as unknown as { authorized: boolean }).authorized, request.headers.authorization)
    for (const channel of [0, 1]) socket.send(Buffer.from([channel, 0x90, 0x1f]))
    socket.send(Buffer.from('\0all of it'))
    socket.on('message', () => socket.close())
  })
  const { client, proxy } = await aClient(t, { server, wants: 'me:secret', more: { credential: certified } })
  const reached = await client.forward({ path: '/forward', signal })
  assert.ok(reached.ok, JSON.stringify(reached))
  reached.stream.write('thanks')
  assert.equal(await text(reached.stream), 'all of it')
  assert.deepEqual([seen, proxy.tunnels().opened], [[true, 'Bearer t'], 1])
})

const certified: Connection['credential'] = async () => ({ token: 't', ...ofProxy, until: null })

async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) {
    signal.throwIfAborted()
    await sleep(10)
  }
}
