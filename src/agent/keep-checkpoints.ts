import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

import { type KeeperOrder, keeperFiles } from '#model/keeper-folder.ts'

import { Keeper } from './checkpoints/keeper.ts'

// Runs in a container beside one rank, whose image need not know of us: brings the latest checkpoint, keeps what the rank
// writes, and ends when the pod does. Its arguments are the file of its order and its rank.

const lookMs = 500
const [orderFile = '', rank = '0'] = process.argv.slice(2)
const { root, nodes, ...order } = JSON.parse(readFileSync(orderFile, 'utf8')) as KeeperOrder // written by whoever made the pod
const told = Promise.withResolvers<true>()
process.on('SIGTERM', () => told.resolve(true))
const isThere = (name: string): boolean => existsSync(join(root, name))

mkdirSync(root, { recursive: true })
// The rank may run as anybody.
chmodSync(root, 0o1777)
const keeper = new Keeper({ place: { ...order, rank: Number(rank) }, nodes, root, say: (line) => console.log(line) })
if (await brought()) {
  keeper.start()
  while (!isThere(keeperFiles.ended)) if (await Promise.race([pause(lookMs, false), told.promise])) break
  const problem = await keeper.finish()
  if (problem === null) note(keeperFiles.saved)
  else note(keeperFiles.unsaved, problem)
}
await Promise.race([told.promise, pause(2 ** 31 - 1)])
process.exit(0)

/** Once for each pod: a container that is started again goes on. */
async function brought(): Promise<boolean> {
  if (isThere(keeperFiles.ready)) return true
  try {
    if ((await Promise.race([keeper.bring(), told.promise])) === true) return false
    note(keeperFiles.ready)
    return true
  } catch (error) {
    note(keeperFiles.failed, error instanceof Error ? error.message : String(error))
    return false
  }
}

/** It appears with what it holds. */
function note(name: string, text = ''): void {
  if (text !== '') console.error(text)
  writeFileSync(join(root, `${name}.part`), `${text}\n`)
  renameSync(join(root, `${name}.part`), join(root, name))
}
