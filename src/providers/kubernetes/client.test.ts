import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { test } from 'node:test'

import type { Connection } from './kubeconfig.ts'
import { type Client, createClient } from './client.ts'
import { IdentityProblem } from './exec-credential.ts'

type Handle = (request: IncomingMessage, response: ServerResponse) => void

const signal = new AbortController().signal

/** A client of a server that answers as told; each session has the next of the tokens. */
async function withClient(
  { handle, tokens = ['t'] }: { handle: Handle; tokens?: string[] },
  body: (client: Client, server: string) => Promise<void>,
): Promise<void> {
  const server = createServer(handle).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const url = `http://127.0.0.1:${typeof address === 'object' && address ? address.port : 0}`
  const given = [...tokens]
  const client = createClient(async () => connection(url, async () => given.shift() ?? 'none'))
  try {
    await body(client, url)
  } finally {
    await client.close()
    server.closeAllConnections()
    server.close()
  }
}

const connection = (server: string, token: () => Promise<string>): Connection => ({
  server,
  ca: undefined,
  serverName: undefined,
  insecure: false,
  namespace: 'team',
  credential: async () => ({ token: await token(), cert: null, key: null, until: null }),
})

const status =
  (code: number, message: string, more: object = {}): Handle =>
  (_, response) => {
    response.writeHead(code, { 'content-type': 'application/json' })
    response.end(JSON.stringify({ kind: 'Status', message, ...more }))
  }

const refusals: [string, number, string, [string, string]][] = [
  ['an unknown credential', 401, 'Unauthorized', ['denied', 'elsewhere']],
  ['a missing right', 403, 'jobs.batch is forbidden: User "x" cannot create', ['denied', 'elsewhere']],
  ['a quota that is used up', 403, 'pods "x" is forbidden: exceeded quota: gpus', ['quota', 'elsewhere']],
  ['a name that is taken', 409, 'already exists', ['conflict', 'later']],
  ['too many requests', 429, 'Too many requests', ['throttled', 'later']],
  ['an object that is wrong', 422, 'Job.batch "x" is invalid', ['invalid', 'elsewhere']],
  ['a namespace that is missing', 404, 'namespaces "x" not found', ['invalid', 'elsewhere']],
  ['a webhook that does not answer', 500, 'Internal error: failed calling webhook "x"', ['throttled', 'later']],
  ['a database that does not answer', 500, 'etcdserver: request timed out', ['unreachable', 'later']],
  ['a server that is starting', 503, 'apiserver not ready', ['unreachable', 'later']],
]
for (const [what, code, message, [kind, retry]] of refusals)
  test(`${what} (${code}) is ${kind}, and helps ${retry}`, () =>
    withClient({ handle: status(code, message) }, async (client) => {
      const answer = await client.ask({ path: '/x', signal })
      assert.ok(!answer.ok)
      assert.deepEqual([answer.fault.kind, answer.fault.retry], [kind, retry])
      assert.match(answer.fault.detail, new RegExp(message.slice(0, 10)))
    }))

test('a server that asks to be left alone says for how long', () =>
  withClient(
    {
      handle: (_, response) => {
        response.writeHead(429, { 'retry-after': '3' })
        response.end()
      },
    },
    async (client) => {
      const answer = await client.ask({ path: '/x', signal })
      assert.ok(!answer.ok)
      assert.deepEqual([answer.fault.kind, answer.fault.retryAfterMs], ['throttled', 3000])
    },
  ))

test('a credential that the server does not know any more is asked for anew, once', () => {
  const seen: (string | undefined)[] = []
  const handle: Handle = (request, response) => {
    seen.push(request.headers.authorization)
    if (seen.length === 1) status(401, 'Unauthorized')(request, response)
    else response.end('{"kind":"Job"}')
  }
  return withClient({ handle, tokens: ['old', 'new'] }, async (client) => {
    assert.deepEqual(await client.ask({ path: '/x', signal }), { ok: true, body: { kind: 'Job' } })
    assert.deepEqual(seen, ['Bearer old', 'Bearer new'])
  })
})

test('all who ask at once share one look for a credential', async () => {
  let asked = 0
  await withClient({ handle: (_, response) => response.end('{}') }, async (_, server) => {
    const client = createClient(async () => connection(server, async () => `t${asked++}`))
    await Promise.all([1, 2, 3].map(() => client.ask({ path: '/x', signal })))
    await client.close()
  })
  assert.equal(asked, 1)
})

test('a server that is not there does not answer, and is named', async () => {
  const client = createClient(async () => connection('http://127.0.0.1:1', async () => 't'))
  const answer = await client.ask({ path: '/x', signal })
  assert.ok(!answer.ok)
  assert.deepEqual([answer.fault.kind, answer.refusal], ['unreachable', null])
  assert.match(answer.fault.detail, /127\.0\.0\.1:1 .*ECONNREFUSED/)
  await client.close()
})

test('whoever hangs up is not answered, also while it is not known who he is', async () => {
  const never = new Promise<never>(() => {})
  const client = createClient(() => never)
  const hung = new AbortController()
  const answer = client.ask({ path: '/x', signal: hung.signal })
  hung.abort()
  assert.equal((await answer).ok, false)
})

test('who cannot say who he is was not silent but is denied', async () => {
  const client = createClient(() => Promise.reject(new IdentityProblem('no context "x"; did you mean y?')))
  const answer = await client.ask({ path: '/x', signal })
  assert.ok(!answer.ok)
  assert.deepEqual([answer.fault.kind, answer.fault.detail], ['denied', 'no context "x"; did you mean y?'])
})

test('what does not speak JSON is no API server', () =>
  withClient({ handle: (_, response) => response.end('<html>log in</html>') }, async (client) => {
    const answer = await client.ask({ path: '/x', signal })
    assert.ok(!answer.ok)
    assert.equal(answer.fault.kind, 'unreachable')
  }))

test('an answer that breaks off is none', () =>
  withClient(
    {
      handle: (_, response) => {
        response.writeHead(200, { 'content-length': '100' })
        response.write('{"a":')
        setImmediate(() => response.destroy())
      },
    },
    async (client) => {
      const answer = await client.ask({ path: '/x', signal })
      assert.ok(!answer.ok)
      assert.equal(answer.fault.kind, 'unreachable')
    },
  ))
