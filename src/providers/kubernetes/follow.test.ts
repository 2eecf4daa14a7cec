import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import { test, type TestContext } from 'node:test'

import { createClient } from './client.ts'
import { follow } from './follow.ts'
import { createRoom } from './room.ts'
import { PodUse } from './wire.ts'

const pod = (uid: string, cpu: string, version = '1') => ({
  metadata: { uid, labels: {}, resourceVersion: version },
  spec: { nodeName: 'n1', containers: [{ resources: { requests: { cpu } } }] },
  status: { phase: 'Running' },
})
const parsed = (changes: object) => PodUse.parse({ ...pod('a', '1'), ...changes })
const bookmark = (version: string) => ({ type: 'BOOKMARK', object: { metadata: { resourceVersion: version } } })

type Watch = { from: string; say(...lines: object[]): void; end(): void; cut(): void }

/** What follows the pods of a server, which lists them and is told here what it says to each watch. */
async function aFollower(t: TestContext, { refuse }: { refuse?: number } = {}) {
  const listed = [pod('a', '100m'), pod('b', '200m')]
  const lists: string[] = []
  const watches: Watch[] = []
  let [changes, wake] = [0, () => {}]
  const server = createServer((request, response) => {
    const query = new URL(request.url ?? '', 'http://host').searchParams
    if (query.get('watch') !== 'true') return list(query, response)
    if (refuse !== undefined) return void response.writeHead(refuse).end('{"kind":"Status","message":"no"}')
    response.writeHead(200).flushHeaders()
    watches.push({
      from: query.get('resourceVersion') ?? '',
      say: (...lines) => void response.write(lines.map((line) => `${JSON.stringify(line)}\n`).join('')),
      end: () => void response.end(),
      cut: () => void response.destroy(),
    })
    wake()
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const url = `http://127.0.0.1:${typeof address === 'object' && address ? address.port : 0}`
  function list(query: URLSearchParams, response: ServerResponse): void {
    lists.push(query.get('continue') ?? '')
    response.end(JSON.stringify({ metadata: { resourceVersion: '10' }, items: listed }))
  }
  const client = createClient(async () => ({
    server: url,
    ca: undefined,
    serverName: undefined,
    insecure: false,
    namespace: 'team',
    credential: async () => ({ token: 't', cert: null, key: null, until: null }),
  }))
  const room = createRoom()
  const changed = (): void => {
    changes++
    wake()
  }
  const follower = follow({ client, path: '/pods?', item: PodUse, ...room.part(), changed })
  t.after(async () => {
    follower.stop()
    await client.close()
    server.closeAllConnections()
    server.close()
  })
  /** Waits for what changes or a watch that begins to make it so. */
  async function until<T>(look: () => T | undefined | false): Promise<T> {
    for (;;) {
      const { promise, resolve } = Promise.withResolvers<void>()
      wake = resolve
      const found = look()
      if (found !== undefined && found !== false) return found
      await promise
    }
  }
  const taken = () => room.takenOf('n1', 'nvidia.com/gpu').cpuMilli
  return { follower, listed, lists, watches, until, taken, changes: () => changes }
}

test('what is told after a list is kept, and a watch that ends goes on where it was', async (t) => {
  const { follower, lists, watches, until, taken } = await aFollower(t)
  const first = await until(() => watches[0])
  await until(() => follower.isLive())
  assert.deepEqual([first.from, taken()], ['10', 300])
  first.say({ type: 'ADDED', object: pod('c', '1', '11') }, { type: 'DELETED', object: pod('a', '100m', '12') })
  await until(() => taken() === 1_200)
  first.say({ type: 'MODIFIED', object: pod('b', '400m', '13') }, bookmark('20'))
  await until(() => taken() === 1_400)
  first.end()
  const second = await until(() => watches[1])
  assert.deepEqual([second.from, lists.length, follower.isLive()], ['20', 1, true])
  second.cut()
  const third = await until(() => watches[2])
  assert.deepEqual([third.from, lists.length], ['20', 1])
})

test('a watch that is too far behind lists anew, and is not believed meanwhile', async (t) => {
  const { follower, listed, lists, watches, until, taken } = await aFollower(t)
  const first = await until(() => watches[0])
  await until(() => follower.isLive())
  listed.pop()
  first.say({ type: 'ERROR', object: { kind: 'Status', code: 410, reason: 'Expired' } })
  await until(() => watches[1])
  await until(() => follower.isLive() && lists.length === 2)
  assert.equal(taken(), 100)
})

test('who may not watch is told so, for minutes', async (t) => {
  const { follower } = await aFollower(t, { refuse: 403 })
  const fault = await new Promise<ReturnType<typeof follower.trouble>>((resolve) => {
    const look = (): void => void (follower.trouble() ? resolve(follower.trouble()) : setImmediate(look))
    look()
  })
  assert.deepEqual([fault?.kind, fault?.retryAfterMs, follower.isLive()], ['denied', 300_000, false])
})

test('a watch that says what is not understood is a trouble that is told', async (t) => {
  const { follower, watches, until } = await aFollower(t)
  const first = await until(() => watches[0])
  await until(() => follower.isLive())
  first.say({ type: 'ADDED', object: { metadata: {} } })
  const fault = await until(() => follower.trouble() ?? undefined)
  assert.deepEqual([fault.kind, follower.isLive()], ['invalid', false])
})

test('pods of no node and that have ended take nothing', () => {
  const room = createRoom()
  const { put } = room.part()
  put(parsed({ metadata: { uid: 'b' }, spec: { nodeName: '' } }))
  put(parsed({ metadata: { uid: 'c' }, status: { phase: 'Succeeded' } }))
  assert.equal(room.takenOf('n1', 'nvidia.com/gpu').cpuMilli, 0)
})

test('pods of several lists take together, and one that is listed anew leaves those of the others', () => {
  const room = createRoom()
  const [one, other] = [room.part(), room.part()]
  one.put(parsed({}))
  other.put(parsed({ metadata: { uid: 'b' } }))
  assert.equal(room.takenOf('n1', 'nvidia.com/gpu').cpuMilli, 2000)
  one.clear()
  assert.equal(room.takenOf('n1', 'nvidia.com/gpu').cpuMilli, 1000)
  one.put(parsed({}))
  assert.equal(room.takenOf('n1', 'nvidia.com/gpu').cpuMilli, 2000)
})
