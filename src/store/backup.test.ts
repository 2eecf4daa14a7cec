import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { gunzipSync, gzipSync } from 'node:zlib'

import { clockAt } from '#rigs/clock.ts'
import { aDatabase, aStore } from '#rigs/postgres.ts'
import { aPlacing, held, submitted } from '#rigs/story.ts'
import { anArray, aNow, anOffer } from '#test/builders.ts'
import { backup, moveTo, restore } from './backup.ts'
import { readAll, tables } from './copy-rows.ts'
import { openDatabase } from './database.ts'
import { storeStatus } from './status.ts'

async function inFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'isobar-backup-'))
  try {
    await use(folder)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** A store with something in every table. */
async function full() {
  const store = await aStore({ clock: clockAt(() => aNow) })
  await store.sites.put({ provider: 'local', name: 'west', jurisdictions: ['US'], patienceMs: 1 }, aNow)
  await store.sites.offered('local/west', [anOffer()], null, aNow)
  const [id = ''] = await submitted(store, [anArray({ name: 'a', run: 'printf "ä\\n\\t"' })])
  const placed = aPlacing(id)
  await held(store, [placed])
  await store.agents.tasks(placed.leaseId, { ended: [], held: [], wanted: 3 }, aNow)
  const amountMicros = 123_456_789_012_345_678_901_234_567_890n
  const entry = {
    lease: placed.leaseId,
    workload: id,
    project: 'default',
    provider: 'local',
    site: 'west',
    tier: 'spot',
  }
  await store.ledger.add([{ ...entry, from: aNow, to: aNow + 1, amountMicros }])
  await store.secrets.put('default', { name: 'KEY', sealed: new Uint8Array([0, 255, 10]), updatedAt: aNow })
  await store.idempotency.begin('k', 'h', aNow)
  return { store, id, [Symbol.asyncDispose]: () => store.close() }
}

async function rowsAt(url: string): Promise<string[]> {
  const rows: string[] = []
  for await (const part of readAll(url)) if ('rows' in part && part.table !== 'house') rows.push(...part.rows)
  return rows.toSorted()
}

test('what is restored equals what was backed up, and readers of events go on where they were', () =>
  inFolder(async (folder) => {
    await using filled = await full()
    const { store, id } = filled
    const file = join(folder, 'b.gz')
    const told = await store.events.since(null, { most: 100 })
    const counts = await backup({ url: store.url, file })
    assert.equal(statSync(file).mode & 0o777, 0o600)
    assert.deepEqual(
      Object.entries(counts).filter(([, count]) => count === 0),
      [],
    )

    const url = await aDatabase()
    assert.deepEqual(await restore({ url, file }), counts)
    assert.deepEqual(await rowsAt(url), await rowsAt(store.url))

    await using again = await aStore({ url })
    assert.deepEqual(await again.workloads.get(id), await store.workloads.get(id))
    assert.deepEqual(await again.secrets.get('default', ['KEY']), await store.secrets.get('default', ['KEY']))
    await again.workloads.prioritise(id, 3, { who: 'me', now: aNow })
    const last = told.at(-1)?.cursor ?? null
    assert.deepEqual(
      (await again.events.since(last, { most: 9 })).map(({ type }) => type),
      ['workload.prioritised'],
    )
    assert.equal((await again.events.since(null, { most: 100 })).length, told.length + 1)
  }))

test('a move carries everything to another database', async () => {
  await using filled = await full()
  const { store } = filled
  const to = await aDatabase()
  await moveTo({ from: store.url, to })
  assert.deepEqual(await rowsAt(to), await rowsAt(store.url))
  await assert.rejects(moveTo({ from: store.url, to }), /holds rows already \(workloads, .*\nGive it an empty one/)
})

test('a backup that was cut off or changed restores nothing', () =>
  inFolder(async (folder) => {
    await using filled = await full()
    const { store } = filled
    const file = join(folder, 'b.gz')
    await backup({ url: store.url, file })
    await assert.rejects(backup({ url: store.url, file }), /is there already/)
    const url = await aDatabase()
    const bytes = readFileSync(file)
    const cut = join(folder, 'cut.gz')
    const changed = gzipSync(gunzipSync(bytes).toString().replace('"tester"', '"taster"'))
    for (const harmed of [bytes.subarray(0, bytes.length / 2), changed, Buffer.from('hello'), Buffer.alloc(0)]) {
      writeFileSync(cut, harmed)
      await assert.rejects(restore({ url, file: cut }), /is not a whole backup[\s\S]*isobar db restore <file>$/)
    }
    await assert.rejects(restore({ url, file: join(folder, 'none') }), /cannot be used/)
    await restore({ url, file }) // still empty
    assert.deepEqual(readdirSync(folder).sort(), ['b.gz', 'cut.gz'])
  }))

test('the state of a store can be told', async () => {
  await using filled = await full()
  const { store } = filled
  const database = await openDatabase({ url: store.url, size: 1 })
  const status = await storeStatus(database)
  assert.match(status.version, /^\d+/)
  assert.ok(status.sizeBytes > 1_000_000 && status.connections >= 1)
  assert.deepEqual(
    [status.migrations.at(0)?.name, status.rows['workloads'], status.rows['tasks']],
    ['0001-first', 1, 3],
  )
  await database.close()
})

test('every table is copied but those of the moment', () => {
  const schema = readFileSync(join(import.meta.dirname, 'schema.sql'), 'utf8')
  const all = [...schema.matchAll(/^create table (\w+)/gm)].map(([, name]) => name)
  assert.deepEqual([...tables, 'claims', 'control_planes', 'migrations'].sort(), all.sort())
})
