import { randomUUID } from 'node:crypto'
import { rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import { lives, type ProcessIdentity, signal, taggedProcesses } from '#kit/processes.ts'
import { removeTree } from '#kit/remove-tree.ts'
import { agentFiles, leaseTag, type RankStart, type StopOrder } from '#model/agent-folder.ts'
import { forgetOld, isThere, readJson, rememberRetired } from '#providers/kept-folder.ts'

import { releaseAll } from './claims.ts'
import { type KeptOrder, orderFile } from './launch.ts'
import type { SiteFolder } from './site-folder.ts'

/** An agent records how its rank ended after the grace is over; then it is killed as well. */
const mostRecordMs = 3000
/** How long one call waits for what ends quickly, so that it need not be asked again. */
const mostWaitMs = 250

/** Ends an order: its agents are told, then killed; then what they left; then the folder goes. */
export async function retireOrder(folder: SiteFolder, token: string, graceMs: number): Promise<'retiring' | 'gone'> {
  await unlessFull(() => rememberRetired(folder, token))
  const path = folder.order(token)
  const kept = await readJson<KeptOrder>(join(path, orderFile))
  const ranks = kept?.ranks.map((rank) => join(path, String(rank))) ?? []
  for (const rank of ranks) await tell(rank, graceMs)
  if (!(await soon(async () => (await agents(ranks)).length === 0))) return 'retiring'
  for (const rank of ranks) await killGroup(rank)
  if (!(await soon(() => killTagged(token)))) return 'retiring'
  // Those that its folder does not name are left by a launch that died: the next look finds them.
  await releaseAll(folder, token, kept?.claims)
  if (await isThere(path)) await remove(folder, path)
  await forgetOld(folder)
  return 'gone'
}

const agents = async (ranks: string[]): Promise<ProcessIdentity[]> => {
  const known = await Promise.all(ranks.map((rank) => readJson<ProcessIdentity>(join(rank, agentFiles.agent))))
  return known.filter((agent) => agent !== undefined).filter(lives)
}

/** SIGTERM once for each shorter grace, with the grace beside it; SIGKILL when it should long have ended. */
async function tell(rank: string, graceMs: number): Promise<void> {
  const [agent] = await agents([rank])
  if (!agent) return
  const stopFile = join(rank, agentFiles.stop)
  const before = await readJson<StopOrder>(stopFile)
  const now = Date.now()
  if (!before || now + graceMs < before.askedAt + before.graceMs) {
    const order: StopOrder = { graceMs, askedAt: now }
    const partial = `${stopFile}.${randomUUID()}`
    await unlessFull(async () => {
      await writeFile(partial, JSON.stringify(order), { mode: 0o600 })
      await rename(partial, stopFile)
    })
    signal(agent.pid, 'SIGTERM')
  } else if (now > before.askedAt + before.graceMs + mostRecordMs) signal(agent.pid, 'SIGKILL')
}

/** What an agent that died left running; where there is no /proc this is all that can be found. */
async function killGroup(rank: string): Promise<void> {
  const start = await readJson<RankStart>(join(rank, agentFiles.start))
  if (start?.group && lives(start.group)) signal(-start.group.pid, 'SIGKILL')
}

/** Kills everything that was started with the tag; true when there was nothing. */
async function killTagged(token: string): Promise<boolean> {
  const left = await taggedProcesses(leaseTag, token)
  for (const { pid } of left) signal(pid, 'SIGKILL')
  return left.length === 0
}

/** Renamed first, so that nobody ever sees half an order. */
async function remove(folder: SiteFolder, path: string): Promise<void> {
  const going = folder.order(`.${randomUUID()}.${process.pid}.going`)
  try {
    await rename(path, going)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return // another caller is at it
    throw error
  }
  await removeTree(going)
}

/** A full disk must not keep us from retiring, which is what makes room. */
async function unlessFull(write: () => Promise<void>): Promise<void> {
  try {
    await write()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC' && (error as NodeJS.ErrnoException).code !== 'EDQUOT')
      throw error
  }
}
async function soon(condition: () => Promise<boolean>): Promise<boolean> {
  for (const until = Date.now() + mostWaitMs; ;) {
    if (await condition()) return true
    if (Date.now() >= until) return false
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
