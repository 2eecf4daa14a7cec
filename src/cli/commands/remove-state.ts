import { existsSync, readdirSync, rmdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'

import type { Call } from '#cli/call.ts'
import { CliFault, exitCodes } from '#cli/fault.ts'
import { homeOf } from '#cli/home.ts'
import { ask, canAsk, note } from '#cli/io.ts'
import { count } from '#cli/output/words.ts'
import { faultOfServer } from '#cli/server-fault.ts'

/** What Isobar keeps in a state directory. What else is there, such as sites.yaml, somebody wrote; it stays. */
const kept = [
  'pg',
  'blobs',
  'cache',
  'local',
  'checkpoints',
  'gangs',
  'logs',
  'server.json',
  'gateway.json',
  'port.json',
  'clock.json',
  'token',
  'key',
]

/** `isobar server stop --remove`: ends the server and deletes all that the state directory holds, its database too. */
export async function removeState(call: Call, stop: (call: Call) => Promise<unknown>): Promise<void> {
  const home = homeOf(call.io)
  if (call.io.env.ISOBAR_SERVER)
    throw new CliFault('ISOBAR_SERVER names a server, and only the state directory of this machine can be removed', {
      code: exitCodes.usage,
      next: ['unset ISOBAR_SERVER'],
    })
  if (!kept.some((name) => existsSync(join(home, name)))) return note(call.io, `there is no state in ${home}`)
  await refuseLive(call, home)
  await confirm(call, home)
  await stop(call)
  const { lockHome } = await import('#server/lock.ts')
  const { startEmbedded } = await import('#store/embedded/embedded.ts')
  try {
    const unlock = lockHome(home)
    await refuseLive(call, home).catch((error: unknown) => {
      unlock() // somebody submitted something in the last moment
      throw error
    })
    if (existsSync(join(home, 'pg'))) await (await startEmbedded(home)).remove()
    for (const name of kept) rmSync(join(home, name), { recursive: true, force: true, maxRetries: 20, retryDelay: 50 })
    unlock()
  } catch (error) {
    throw faultOfServer(error)
  }
  const left = readdirSync(home)
  if (left.length === 0) rmdirSync(home)
  note(call.io, left.length === 0 ? `${home} is removed` : `${home} holds no state any more; ${left.join(', ')} stays`)
}

/** What runs would go on where nobody knows of it any more. */
async function refuseLive(call: Call, home: string): Promise<void> {
  const { workloads, leases } = await countOf(call, home)
  if (workloads + leases === 0) return
  throw new CliFault(
    `${count(workloads, 'workload')} and ${count(leases, 'lease')} are not over, so nothing was removed`,
    {
      code: exitCodes.conflict,
      why: 'What runs would go on, and nobody would know of it.',
      next: ['isobar ps', 'isobar stop <workload>'],
    },
  )
}

/** Asks the database itself, because a server may be unable to start. */
async function countOf(call: Call, home: string): Promise<{ workloads: number; leases: number }> {
  const { openDatabase } = await import('#store/database.ts')
  const { countLive } = await import('#store/status.ts')
  const { startEmbedded } = await import('#store/embedded/embedded.ts')
  try {
    const { DATABASE_URL } = call.io.env
    if (!DATABASE_URL && !existsSync(join(home, 'pg'))) return { workloads: 0, leases: 0 }
    const embedded = DATABASE_URL ? null : await startEmbedded(home)
    const database = await openDatabase({ url: DATABASE_URL || (embedded?.url ?? ''), size: 1 })
    try {
      return await countLive(database)
    } finally {
      await database.close()
      embedded?.leave()
    }
  } catch (error) {
    throw faultOfServer(error)
  }
}

async function confirm(call: Call, home: string): Promise<void> {
  if (call.flag('yes')) return
  if (!canAsk(call.io))
    throw new CliFault('what is removed cannot be brought back, and there is nobody to ask', {
      code: exitCodes.usage,
      next: ['isobar server stop --remove --yes', 'isobar db backup <file>'],
    })
  note(call.io, `This deletes the database, logs, checkpoints, bundles and keys of ${home}.`)
  const answer = await ask(call.io, 'Type remove to go on: ')
  if (answer?.trim() !== 'remove') throw new CliFault('nothing was removed', { code: exitCodes.interrupted })
}
