import assert from 'node:assert/strict'
import { existsSync, mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'

import { aDataFolder, aStore, beginAsOthers } from '#rigs/postgres.ts'
import { submitted } from '#rigs/story.ts'
import { StoreUnavailable } from '#store/store-unavailable.ts'
import { aJob } from '#test/builders.ts'
import { startAt } from './embedded.ts'
import { type Place, placeAt } from './place.ts'
import { explain } from './store-problem.ts'

/** A place of its own, gone afterwards with whatever runs there. */
async function inPlace(use: (place: Place) => Promise<void>, inside = 'pg'): Promise<void> {
  const folder = aDataFolder('isobar-embedded-')
  try {
    await use(placeAt(join(folder, inside)))
  } finally {
    rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 })
  }
}

/** The same, where a database was made before. */
const inUsedPlace = (use: (place: Place) => Promise<void>): Promise<void> =>
  inPlace((place) => {
    beginAsOthers(place)
    return use(place)
  })

async function until(holds: () => boolean): Promise<void> {
  for (const deadline = Date.now() + 20_000; !holds(); await pause(10)) assert.ok(Date.now() < deadline, 'in time')
}

/**
 * A backend may outlive its postmaster for a moment, and die in a commit: then nobody knows whether it was written, and
 * whoever asked is told so and asks again.
 */
async function sooner<T>(ask: () => Promise<T>): Promise<T> {
  for (const deadline = Date.now() + 20_000; ;)
    try {
      return await ask()
    } catch (error) {
      if (!(error instanceof StoreUnavailable) || Date.now() > deadline) throw error
    }
}

test('two control planes that start at once share one server, which outlives them and can be stopped', () =>
  inPlace(async (place) => {
    const [one, two] = await Promise.all([startAt(place), startAt(place)])
    assert.ok(one.pid() > 0)
    one.leave()
    two.leave()
    const again = await startAt(place)
    assert.equal(again.pid(), one.pid())
    await again.stop()
    assert.equal(again.pid(), 0)
  }))

test('the store goes on when its server is killed with -9', () =>
  inUsedPlace(async (place) => {
    const embedded = await startAt(place)
    try {
      await using store = await aStore({ url: embedded.url })
      const [id = ''] = await submitted(store, [aJob()])
      const nudged = new Set<string>()
      store.onNudge((loop) => nudged.add(loop))
      for (let i = 0; i < 2; i++) {
        nudged.clear()
        const pid = embedded.pid()
        process.kill(pid, 'SIGKILL')
        await sooner(() => submitted(store, [aJob()]))
        await until(() => ![0, pid].includes(embedded.pid()))
        assert.equal((await store.workloads.get(id))?.id, id, 'what was committed is there')
        await until(() => nudged.has('retire')) // nobody sent that one: all are nudged after a reconnect
      }
    } finally {
      await embedded.stop()
    }
  }))

test('only its owner may come near a private server', () =>
  inPlace(async (place) => {
    const embedded = await startAt(place)
    try {
      for (const folder of [place.home, place.data, place.socket])
        assert.equal(statSync(folder).mode & 0o077, 0, folder)
      assert.equal(statSync(place.log).mode & 0o077, 0)
    } finally {
      await embedded.stop('immediate')
    }
  }))

test('a state directory with a long path still has a socket', () =>
  inPlace(
    async (place) => {
      assert.ok(Buffer.byteLength(place.socket) < 80)
      const embedded = await startAt(place)
      await embedded.stop()
      rmSync(place.socket, { recursive: true })
    },
    join('a'.repeat(90), 'pg'),
  ))

const problems: { name: string; harm: (place: Place) => void; says: RegExp }[] = [
  {
    name: 'a folder that holds something else',
    harm: ({ data }) => {
      rmSync(data, { recursive: true })
      mkdirSync(data)
    },
    says: /is taken[\s\S]*\nMove it away and try again: mv /,
  },
  {
    name: 'a database of another version',
    harm: ({ data }) => writeFileSync(join(data, 'PG_VERSION'), '9\n'),
    says: /PostgreSQL 9, which made this database, was not found[\s\S]*\nInstall it /,
  },
  {
    name: 'a damaged database',
    harm: ({ data }) => rmSync(join(data, 'global/pg_control')),
    says: /is damaged[\s\S]*isobar db restore <file>$/,
  },
]

test('what cannot be started says why and how to mend it', () =>
  inPlace(async (place) => {
    for (const { name, harm, says } of problems) {
      beginAsOthers(place)
      await (await startAt(place)).stop()
      harm(place)
      await assert.rejects(startAt(place), says, name)
      rmSync(place.data, { recursive: true })
    }
    const full = explain('FATAL:  could not write lock file "postmaster.pid": No space left on device', place.home)
    assert.match(full.message, /disk .* is full[\s\S]*\nFree some space/)
    const nearly = explain(
      'FATAL:  could not extend file "base/1/2691": wrote only 4096 of 8192 bytes at block 9',
      '/x',
    )
    assert.match(nearly.message, /disk .* is full[\s\S]*\nFree some space/)
    const nobody = explain('initdb: could not look up effective user ID 12345: user does not exist', '/x')
    assert.match(nobody.message, /without a name, and this is 12345\.\n.*\/etc\/passwd, or set DATABASE_URL/)
    assert.ok(!existsSync(place.data))
  }))

test('a folder of somebody else is refused', { skip: process.getuid?.() !== 0 && 'only root can make one' }, () =>
  inPlace(async (place) => {
    const taken = `${place.home}-taken`
    mkdirSync(taken) // root's, and the server runs as another
    assert.throws(() => placeAt(taken), /is taken: it is not a directory of \w+\.\nMove it away/)
  }),
)
