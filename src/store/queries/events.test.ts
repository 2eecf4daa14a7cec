import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'

import { Client } from 'pg'

import type { Nudge } from '#store/store.ts'
import { aStore } from '#rigs/postgres.ts'
import { aNow } from '#test/builders.ts'

const anEvent = (message: string, workload: string | null = null) => ({
  type: 'test.told',
  workload,
  project: null,
  message,
  data: {},
})

test('a reader skips no event, though writers overtake each other', async () => {
  await using store = await aStore()
  await using other = await aStore({ url: store.url })
  // Holds the earliest position open while later ones commit.
  const slow = new Client({ connectionString: store.url })
  await slow.connect()
  await using _slow = { [Symbol.asyncDispose]: () => slow.end() }
  await slow.query('begin')
  await slow.query(`insert into events (generation, at, type, message) values (1, 0, 'test.told', 'slow')`)
  const seen: string[] = []
  let cursor: string | null = null
  const readOn = async () => {
    for (const event of await store.events.since(cursor, { most: 7 })) {
      seen.push(event.message)
      cursor = event.cursor
    }
  }
  const told: string[] = []
  const write = async (writer: typeof store, name: string) => {
    for (let i = 0; i < 20; i++) {
      told.push(`${name}${i}`)
      await writer.events.add([anEvent(`${name}${i}`)], aNow)
      await readOn()
    }
  }
  await Promise.all([write(store, 'a'), write(other, 'b')])
  assert.equal(seen.length, 0, 'nothing behind the open transaction is shown')
  await slow.query('commit')
  for (const deadline = Date.now() + 5000; seen.length < 41 && Date.now() < deadline;) await readOn()
  assert.equal(seen[0], 'slow')
  assert.deepEqual(seen.toSorted(), ['slow', ...told].toSorted())
  assert.deepEqual(
    seen.filter((message) => message.startsWith('a')),
    Array.from({ length: 20 }, (_, i) => `a${i}`),
  )
})

test('events are read from the start, after any of them, of one workload, or the newest', async () => {
  await using store = await aStore()
  await store.events.add([anEvent('1', 'w-1'), anEvent('2', 'w-2'), anEvent('3', 'w-1')], aNow)
  const all = await store.events.since(null, { most: 10 })
  const said = (events: typeof all) => events.map(({ message }) => message).join('')
  assert.equal(said(all), '123')
  assert.equal(said(await store.events.since(all[0]?.cursor ?? null, { most: 1 })), '2')
  assert.equal(said(await store.events.since(null, { most: 10, workload: 'w-1' })), '13')
  assert.equal(said(await store.events.latest({ most: 2 })), '23')
  assert.equal(said(await store.events.since('not a cursor', { most: 10 })), '123')
  assert.deepEqual([all[0]?.at, all[0]?.type, all[0]?.data], [aNow, 'test.told', {}])
})

test('a nudge reaches every control plane once its transaction is committed', async () => {
  await using store = await aStore()
  await using other = await aStore({ url: store.url })
  const heard = new EventTarget()
  const loops: Nudge[] = []
  const stop = other.onNudge((loop) => {
    loops.push(loop)
    heard.dispatchEvent(new Event(loop))
  })
  const told = once(heard, 'events')
  await store.events.add([anEvent('now')], aNow)
  await told
  stop()
  assert.deepEqual(loops, ['events'])
})
