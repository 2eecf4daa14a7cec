import assert from 'node:assert/strict'
import { existsSync, mkdirSync, utimesSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { test } from 'node:test'

import { contentName } from '#providers/blobs/blobs.ts'
import { createDirectoryBlobs } from '#providers/blobs/directory.ts'
import { clockAt } from '#rigs/clock.ts'
import { aStore } from '#rigs/postgres.ts'
import { aHome } from '#rigs/server.ts'
import { submitted } from '#rigs/story.ts'
import { aJob, aNow } from '#test/builders.ts'
import { tidy } from './housekeeping.ts'

const dayMs = 86_400_000
const { signal } = new AbortController()

test('files of what ended long ago go, those of what may start again or was just asked for stay', async (t) => {
  const shared = aHome(t)
  let now = aNow
  const clock = clockAt(() => now)
  await using store = await aStore({ clock })
  const blobs = createDirectoryBlobs(join(shared, 'blobs'))
  const bundle = async (text: string) => (await blobs.put(Readable.from([Buffer.from(text)]))).hash
  const [used, asked, left] = [await bundle('used'), await bundle('asked for'), await bundle('left')]
  await blobs.write('logs/0.l-old/0-3', Buffer.from('old'))
  await blobs.write('logs/0.l-new/0-3', Buffer.from('new'))
  const weeksAgo = (weeks: number, ...path: string[]) => {
    const at = new Date(Date.now() - weeks * 7 * dayMs)
    utimesSync(join(shared, 'blobs', ...path), at, at)
  }
  for (const hash of [used, asked, left]) weeksAgo(2, 'content', hash.slice(-2), hash)
  weeksAgo(3, 'logs', 'ld', '0.l-old', '0-3')
  await blobs.touch(contentName(asked))
  const [ended = '', waits = ''] = await submitted(store, [aJob(), aJob({}, { bundle: used })])
  await store.apply([{ change: 'workload', id: ended, to: 'stopped', reason: '' }])
  const folder = (id: string) => join(shared, 'checkpoints', id)
  for (const id of [ended, waits, 'of-mine']) mkdirSync(join(folder(id), '1'), { recursive: true })

  const holder = 'c-1'
  now += 14 * dayMs
  await tidy({ store, blobs, clock, holder, shared, keepDays: 14 }, signal)
  assert.ok(existsSync(folder(ended)), 'not before its time')
  now += 1
  await tidy({ store, blobs, clock, holder, shared, keepDays: 14 }, signal)
  assert.deepEqual(
    [ended, waits, 'of-mine'].map((id) => existsSync(folder(id))),
    [false, true, true],
  )
  assert.equal(await store.workloads.get(ended), null)
  const sizes = await Promise.all([used, asked, left].map((hash) => blobs.size(contentName(hash))))
  assert.deepEqual(sizes, [4, 9, null])
  assert.deepEqual(await blobs.names('logs/0.l-old'), [])
  assert.equal((await blobs.names('logs/0.l-new')).length, 1)
})

const isRoot = process.geteuid?.() === 0

test(
  'checkpoints that cannot be removed keep their workload, and hold up nothing else',
  { skip: !isRoot },
  async (t) => {
    let now = aNow
    const clock = clockAt(() => now)
    await using store = await aStore({ clock })
    const [stuck = '', other = ''] = await submitted(store, [aJob(), aJob()])
    for (const id of [stuck, other]) await store.apply([{ change: 'workload', id, to: 'stopped', reason: '' }])
    // Somebody else's folder is the only one that cannot be removed for sure.
    const nobody = 65_534
    process.seteuid?.(nobody)
    t.after(() => process.seteuid?.(0))
    const shared = aHome(t)
    const blobs = createDirectoryBlobs(join(shared, 'blobs'))
    const { hash } = await blobs.put(Readable.from([Buffer.from('left')]))
    utimesSync(join(shared, 'blobs', 'content', hash.slice(-2), hash), 0, 0)
    const folder = (id: string) => join(shared, 'checkpoints', id)
    mkdirSync(join(folder(other), '1'), { recursive: true })
    process.seteuid?.(0)
    mkdirSync(join(folder(stuck), '1'), { recursive: true })
    process.seteuid?.(nobody)
    now += 2 * dayMs
    await assert.rejects(tidy({ store, blobs, clock, holder: 'c-1', shared, keepDays: 1 }, signal), /EPERM|EACCES/)
    assert.equal(await store.workloads.get(other), null)
    assert.ok(await store.workloads.get(stuck))
    assert.equal(await blobs.size(contentName(hash)), null)
  },
)
