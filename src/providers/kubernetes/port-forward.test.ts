import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { type AddressInfo, createServer as createPlainServer, type Server } from 'node:net'
import { Writable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import { test, type TestContext } from 'node:test'

import { array, assert as check, asyncProperty, uint8Array } from 'fast-check'
import { type WebSocket, WebSocketServer } from 'ws'

import { NotForwarded, openPortForward } from './port-forward.ts'

async function listening(t: TestContext, server: Server): Promise<(signal?: AbortSignal) => ReturnType<typeof open>> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => void server.close())
  const open = (signal: AbortSignal = AbortSignal.timeout(20_000)) => {
    const { port } = server.address() as AddressInfo
    return openPortForward({ server: `http://127.0.0.1:${port}`, path: '/x', headers: {}, tls: {}, signal })
  }
  return open
}

/** A kubelet that says which port a channel is for, and then what `talk` has it say. */
async function aKubelet(t: TestContext, talk: (socket: WebSocket) => void) {
  const http = createServer()
  const sockets = new WebSocketServer({ server: http })
  sockets.on('connection', (socket) => {
    for (const channel of [0, 1]) socket.send(Buffer.from([channel, 0x90, 0x1f]))
    talk(socket)
  })
  t.after(() => sockets.clients.forEach((client) => client.terminate()))
  return listening(t, http)
}

test('bytes come out as they went in, however they were cut', async (t) => {
  const open = await aKubelet(t, (socket) => {
    socket.on('message', (message: Buffer) => {
      assert.equal(message[0], 0)
      socket.send(message)
      if (message.at(-1) === 0xff) socket.close()
    })
  })
  const parts = array(uint8Array({ minLength: 1, maxLength: 100_000 }), { maxLength: 20 })
  await check(
    asyncProperty(parts, async (some) => {
      const all = [...some.map((part) => Buffer.from(part.map((byte) => byte & 0x7f))), Buffer.of(0xff)]
      const stream = await open()
      for (const part of all) stream.write(part)
      assert.deepEqual(await buffer(stream), Buffer.concat(all))
    }),
    { seed: 7, numRuns: 20 },
  )
})

test('whoever has read all when the kubelet closes has come to the end, and was not cut off', async (t) => {
  const open = await aKubelet(t, (socket) => {
    socket.send(Buffer.from('\0all of it'))
    socket.on('message', () => socket.close())
  })
  const stream = await open()
  const read: Buffer[] = []
  const keep = new Writable({
    write(part: Buffer, _, done) {
      read.push(part)
      stream.write('thanks')
      done()
    },
  })
  await pipeline(stream, keep)
  assert.equal(Buffer.concat(read).toString(), 'all of it')
})

test('what the kubelet says went wrong ends the stream', async (t) => {
  const open = await aKubelet(t, (socket) => socket.send(Buffer.from('\x01connection refused\n')))
  const stream = await open()
  await assert.rejects(buffer(stream), /^Error: connection refused$/)
})

test('a server that refuses and breaks off is heard, and brings nobody down', async (t) => {
  const refusing = createPlainServer((socket) => {
    socket.on('error', () => undefined)
    socket.once('data', () => {
      socket.write('HTTP/1.1 403 Forbidden\r\nContent-Length: 3\r\n\r\nno!')
      setImmediate(() => socket.resetAndDestroy())
    })
  })
  const open = await listening(t, refusing)
  for (let i = 0; i < 10; i++)
    await assert.rejects(open(), (error) => error instanceof NotForwarded && error.status === 403)
})

test('who waits for a server that says nothing may give up', async (t) => {
  const open = await listening(
    t,
    createPlainServer(() => undefined),
  )
  await assert.rejects(open(AbortSignal.timeout(20)))
})
