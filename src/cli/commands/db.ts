import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'

import type { Call } from '#cli/call.ts'
import { CliFault, exitCodes } from '#cli/fault.ts'
import { homeOf, isAlive, readServerFile } from '#cli/home.ts'
import { note, progress } from '#cli/io.ts'
import { showOne } from '#cli/output/show.ts'
import { renderFacts } from '#cli/output/table.ts'
import { count } from '#cli/output/words.ts'
import { faultOfServer } from '#cli/server-fault.ts'

// These commands work on the database itself, so that they work where no server can start.

/** `isobar db status` */
export async function status(call: Call): Promise<void> {
  const { openDatabase } = await import('#store/database.ts')
  const { storeStatus } = await import('#store/status.ts')
  const found = await withDatabase(call, async (url) => {
    const database = await openDatabase({ url, size: 1 })
    try {
      return await storeStatus(database)
    } finally {
      await database.close()
    }
  })
  const facts: [string, string][] = [
    ['PostgreSQL', found.version],
    ['Size', `${(Number(found.sizeBytes) / 1024 ** 2).toFixed(1)} MB`],
    ['Connections', String(found.connections)],
    ['Migrations', found.migrations.map(({ name }) => name).join(', ')],
    ...rowFacts(found.rows),
  ]
  await showOne(call, { data: found, name: () => found.version, people: () => renderFacts(facts, false) })
}

/** `isobar db backup` */
export async function backup(call: Call): Promise<void> {
  const { backup: write } = await import('#store/backup.ts')
  const file = fileOf(call)
  const rows = await withDatabase(call, (url) => write({ url, file }))
  await tell(call, rows, `${file} is written. Keep it with the file "key" of ${homeOf(call.io)}.`)
}

/** `isobar db restore` */
export async function restore(call: Call): Promise<void> {
  const { restore: read } = await import('#store/backup.ts')
  const file = fileOf(call)
  const rows = await withoutServer(call, () => withDatabase(call, (url) => read({ url, file })))
  const key = call.io.env.ISOBAR_KEY_FILE || join(homeOf(call.io), 'key')
  const first = existsSync(key) ? '' : `put the key that was kept with it at ${key}, then `
  await tell(call, rows, `${file} is restored. next: ${first}isobar server start`)
}

/** `isobar db move` */
export async function move(call: Call): Promise<void> {
  const to = call.text('to') ?? call.io.env.TO_DATABASE_URL
  if (!to || !/^postgres(ql)?:\/\//.test(to))
    throw new CliFault(to ? 'the address must begin with postgres://' : 'the address to move to is missing', {
      code: exitCodes.usage,
      next: ['isobar db move --to postgres://isobar@db.example/isobar'],
    })
  const { moveTo } = await import('#store/backup.ts')
  const rows = await withoutServer(call, () => withDatabase(call, (from) => moveTo({ from, to })))
  await tell(call, rows, 'Everything is copied. next: set DATABASE_URL to the new address, then isobar server start')
}

const fileOf = (call: Call): string => resolve(call.io.cwd, call.args[0] ?? '')

/** Runs what needs the database: the one of DATABASE_URL, or the private one, started for the while if it has to be. */
async function withDatabase<T>(call: Call, work: (url: string) => Promise<T>): Promise<T> {
  const done = progress(call.io, () => 'working on the database …')
  try {
    const { DATABASE_URL } = call.io.env
    if (DATABASE_URL) return await work(DATABASE_URL)
    const { makeHome } = await import('#server/state-file.ts')
    const { startEmbedded } = await import('#store/embedded/embedded.ts')
    const home = homeOf(call.io)
    makeHome(home)
    const server = readServerFile(home)
    const inUse = server !== undefined && isAlive(server.pid)
    const embedded = await startEmbedded(home)
    try {
      return await work(embedded.url)
    } finally {
      if (inUse) embedded.leave()
      else await embedded.stop()
    }
  } catch (error) {
    throw faultOfServer(error)
  } finally {
    done()
  }
}

/** Runs what no server may meet halfway: the state directory is ours meanwhile. */
async function withoutServer<T>(call: Call, work: () => Promise<T>): Promise<T> {
  const unlock = await lock(homeOf(call.io))
  try {
    return await work()
  } finally {
    unlock()
  }
}

async function lock(home: string): Promise<() => void> {
  const { makeHome } = await import('#server/state-file.ts')
  const { lockHome } = await import('#server/lock.ts')
  try {
    makeHome(home)
    return lockHome(home)
  } catch (error) {
    throw faultOfServer(error)
  }
}

const rowFacts = (rows: Record<string, number>): [string, string][] =>
  Object.entries(rows).map(([table, many]) => [table, count(Number(many), 'row')])

async function tell(call: Call, rows: Record<string, number>, then: string): Promise<void> {
  const all = Object.values(rows).reduce((sum, one) => sum + Number(one), 0)
  await showOne(call, { data: { rows }, name: () => String(all), people: () => renderFacts(rowFacts(rows), false) })
  note(call.io, then)
}
