import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'

import { createRandom } from '#kit/random.ts'
import { openFaultProxy } from './fault-proxy.ts'

/** A server that answers each piece with `name` before it, and a proxy before that. */
async function aWay(t: TestContext, { seed = 'way', name = '' } = {}) {
  const heard: string[] = []
  let gone = 0
  const serverOf = async (prefix: string) => {
    const server = createServer((socket) => {
      socket.on('error', () => {})
      socket.once('close', () => gone++)
      socket.on('data', (piece) => {
        heard.push(piece.toString())
        socket.write(prefix + piece.toString())
      })
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    t.after(() => server.close())
    return { port: (server.address() as AddressInfo).port, host: '127.0.0.1' }
  }
  const proxy = await openFaultProxy({ target: await serverOf(name), draw: createRandom(seed).next })
  t.after(() => proxy.close())
  return { proxy, heard, gone: () => gone, serverOf, dial: () => dial(t, proxy.port) }
}

async function dial(t: TestContext, port: number) {
  const socket: Socket = connect({ port, host: '127.0.0.1' })
  let said = ''
  let ended: string | null = null
  socket.on('data', (piece) => (said += piece.toString()))
  socket.on('error', (error) => (ended = 'code' in error ? String(error.code) : error.message))
  socket.on('end', () => (ended ??= 'end'))
  t.after(() => socket.destroy())
  await once(socket, 'connect')
  return {
    say: (text: string) => socket.write(text),
    bye: () => socket.end(),
    said: () => said,
    ended: () => ended,
    async hears(text: string) {
      await until(`it hears ${text.slice(0, 40)}`, () => said.length >= text.length || ended !== null)
      assert.equal(said, text)
    },
  }
}

async function until(what: string, isSo: () => boolean): Promise<void> {
  for (const deadline = performance.now() + 5_000; !isSo(); await sleep(2))
    assert.ok(performance.now() < deadline, `waited 5 s in vain: ${what}`)
}

/** Long enough for what is not held back to have come through. */
const aMoment = () => sleep(30)

test('without trouble all bytes come through in both directions, and so does the end', async (t) => {
  const { dial: open } = await aWay(t)
  const one = await open()
  const long = 'x'.repeat(300_000)
  one.say(long)
  await one.hears(long)
  one.bye()
  await until('the end', () => one.ended() === 'end')
})

for (const [kind, gotThere] of [
  ['deaf', false],
  ['mute', true],
] as const)
  test(`${kind}: what is held back comes once all is well, and nobody is told before`, async (t) => {
    const { proxy, heard, dial: open } = await aWay(t)
    const one = await open()
    proxy.trouble([{ kind }])
    one.say('hello')
    await aMoment()
    assert.deepEqual([heard.length > 0, one.said(), one.ended()], [gotThere, '', null])
    proxy.calm()
    await one.hears('hello')
  })

test('a connection that is lost stays silent when all is well, and the next one is fine', async (t) => {
  const { proxy, heard, dial: open } = await aWay(t)
  const one = await open()
  proxy.trouble([{ kind: 'lost' }])
  one.say('hello')
  one.bye()
  proxy.calm()
  await aMoment()
  assert.deepEqual([heard, one.said(), one.ended()], [[], '', null])
  const two = await open()
  two.say('again')
  await two.hears('again')
})

test('a reply is cut in its middle: so many bytes come, and then the connection breaks', async (t) => {
  const { proxy, dial: open } = await aWay(t)
  const one = await open()
  proxy.trouble([{ kind: 'cut', of: 'reply', afterBytes: 7 }])
  one.say('one two three')
  await until('it breaks', () => one.ended() !== null)
  assert.deepEqual([one.said(), one.ended()], ['one two', 'ECONNRESET'])
})

test('a request is cut in its middle: so much of it gets there, and both sides hear that the connection broke', async (t) => {
  const { proxy, heard, dial: open } = await aWay(t)
  const one = await open()
  proxy.trouble([{ kind: 'cut', of: 'request', afterBytes: 7 }])
  one.say('one two three')
  await until('it breaks', () => one.ended() !== null)
  assert.deepEqual([heard.join(''), one.ended()], ['one two', 'ECONNRESET'])
})

test('a connection is half open: the target hears that it is over, who dialled hears nothing for ever', async (t) => {
  const { proxy, gone, dial: open } = await aWay(t)
  const one = await open()
  one.say('hello')
  await one.hears('hello')
  proxy.trouble([{ kind: 'half-open' }])
  await until('the target is told', () => gone() === 1)
  one.say('anybody?')
  proxy.calm()
  await aMoment()
  assert.deepEqual([one.said(), one.ended()], ['hello', null])
})

test('what is said while a piece is late comes in one piece with what was said before it came', async (t) => {
  const { proxy, heard, dial: open } = await aWay(t)
  const one = await open()
  proxy.trouble([{ kind: 'late', mostMs: 200 }])
  for (const word of ['one ', 'two ', 'three ', 'four']) {
    one.say(word)
    await sleep(2)
  }
  proxy.calm()
  await until('all is there', () => heard.join('') === 'one two three four')
  assert.ok(heard.length < 4, heard.join('|'))
})

test('refused connections break at once', async (t) => {
  const { proxy, dial: open } = await aWay(t)
  const one = await open()
  proxy.trouble([{ kind: 'refuse' }])
  await until('the old one breaks', () => one.ended() === 'ECONNRESET')
  const two = await open().catch(() => null)
  if (two) await until('the new one breaks', () => two.ended() === 'ECONNRESET')
})

test('a Unix socket can be led to, and breaks as well', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'isobar-proxy-'))
  const path = join(folder, 'socket')
  const server = createServer((socket) => socket.on('error', () => {}).on('data', (piece) => socket.write(piece)))
  server.listen(path)
  await once(server, 'listening')
  const proxy = await openFaultProxy({ target: { path }, draw: Math.random })
  t.after(async () => {
    await proxy.close()
    server.close()
    rmSync(folder, { recursive: true })
  })
  const one = await dial(t, proxy.port)
  one.say('hello')
  await one.hears('hello')
  proxy.trouble([{ kind: 'refuse' }])
  await until('it breaks', () => one.ended() === 'ECONNRESET')
})

test('bytes trickle, and the rest comes at once when all is well', async (t) => {
  const { proxy, dial: open } = await aWay(t)
  const one = await open()
  proxy.trouble([{ kind: 'trickle', bytes: 3, everyMs: 20 }])
  const text = 'x'.repeat(30_000)
  one.say(text)
  await until('some has come', () => one.said().length >= 6)
  assert.ok(one.said().length < 1000, 'not all of it')
  proxy.calm()
  await one.hears(text)
})

test('one connection is held up, and another one overtakes it', async (t) => {
  const { proxy, heard, dial: open } = await aWay(t)
  const [one, two] = [await open(), await open()]
  // Which of the two is late is drawn; a share of a half must hit just one within a few tries.
  let order = ''
  for (let tries = 0; tries < 50 && order !== 'two one'; tries++) {
    heard.length = 0
    proxy.trouble([{ kind: 'late', mostMs: 40 }], 0.5)
    one.say('one')
    await sleep(1)
    two.say('two')
    await until('both', () => heard.length === 2)
    order = heard.join(' ')
  }
  assert.equal(order, 'two one')
})

test('new connections can be led elsewhere', async (t) => {
  const { proxy, serverOf, dial: open } = await aWay(t, { name: 'a ' })
  const one = await open()
  proxy.lead(await serverOf('b '))
  const two = await open()
  one.say('x')
  two.say('x')
  await Promise.all([one.hears('a x'), two.hears('b x')])
})

test('which connection meets what depends on the seed alone', async (t) => {
  const fates = async (seed: string): Promise<string> => {
    const { proxy, dial: open } = await aWay(t, { seed })
    const all: Awaited<ReturnType<typeof open>>[] = []
    for (let i = 0; i < 12; i++) all.push(await open())
    proxy.trouble([{ kind: 'refuse' }, { kind: 'late', mostMs: 1 }], 0.7)
    for (const one of all) one.say('x')
    await until('all are told', () => all.every((one) => one.ended() !== null || one.said() !== ''))
    return all.map((one) => (one.said() ? 'fine' : 'refused')).join()
  }
  const first = await fates('seven')
  assert.equal(await fates('seven'), first)
  assert.notEqual(await fates('eight'), first)
})

test('over a far way each piece takes its time, and none waits for those before it', async (t) => {
  const { proxy, dial: dialled } = await aWay(t)
  const talk = await dialled()
  const ms = 500
  proxy.trouble([{ kind: 'far', ms }])
  const began = performance.now()
  const letters = [...'abcdefghijklmnopqrst']
  for (const letter of letters) {
    talk.say(letter)
    await sleep(10) // a piece of its own
  }
  await talk.hears(letters.join(''))
  const tookMs = performance.now() - began
  assert.ok(tookMs >= 2 * ms - 5, `there and back in ${tookMs} ms`)
  assert.ok(tookMs < letters.length * ms, `one after the other in ${tookMs} ms`)
})
