import { readdir, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'

import { shellCode } from '#kit/exit-code.ts'
import { lives, type ProcessIdentity, signal } from '#kit/processes.ts'
import { removeTree } from '#kit/remove-tree.ts'
import { agentFiles, type RankEnd, type RankStart } from '#model/agent-folder.ts'
import { causeOfExit } from '#model/cause.ts'
import type { RankSighting, Sighting } from '#providers/provider.ts'
import { isThere, readJson } from '#providers/kept-folder.ts'

import { releaseLeft } from './claims.ts'
import { type KeptOrder, orderFile } from './launch.ts'
import type { SiteFolder } from './site-folder.ts'

/** An agent that has not come up after this long, on however busy a machine, never will. */
const mostStartMs = 120_000

/** What became of an order, from its folder; `null` without one. */
export async function sightOrder(folder: SiteFolder, token: string): Promise<Sighting | null> {
  const path = folder.order(token)
  const kept = await readJson<KeptOrder>(join(path, orderFile))
  if (kept) {
    const ranks = await Promise.all(kept.ranks.map((rank) => sightRank(join(path, String(rank)), rank)))
    return { token, workload: kept.workload, attempt: kept.attempt, ranks }
  }
  // A folder that the machine lost power over: it carries our tag, so it is shown, though it says nothing more.
  return (await isThere(path)) ? { token, workload: '', attempt: 0, ranks: [] } : null
}

/** What became of all orders. Whoever looks at all puts in order what was left halfway. */
export async function sightAll(folder: SiteFolder): Promise<Sighting[]> {
  const names = await readdir(folder.order(''))
  const all: Sighting[] = []
  // Side by side, but not so many that they use up our open files.
  for (let at = 0; at < names.length; at += 32) {
    const some = await Promise.all(names.slice(at, at + 32).map((name) => sightNamed(folder, name)))
    all.push(...some.filter((one) => one !== null))
  }
  await releaseLeft(folder, names)
  return all
}

async function sightNamed(folder: SiteFolder, name: string): Promise<Sighting | null> {
  if (!name.startsWith('.')) return sightOrder(folder, name)
  await removeLeftover(folder.order(name))
  return null
}

/** How one rank is, from what its agent wrote and whether that agent lives. */
export async function sightRank(path: string, rank: number): Promise<RankSighting> {
  const end = await readJson<RankEnd>(join(path, agentFiles.end))
  if (end) return ended(rank, end)
  const start = await readJson<RankStart>(join(path, agentFiles.start))
  const agent = await readJson<ProcessIdentity>(join(path, agentFiles.agent))
  const shown = { rank, exitCode: null, startedAt: start?.startedAt ?? null, endedAt: null }
  if (!agent) return { ...shown, state: (await neverCame(path)) ? 'lost' : 'expected' }
  if (lives(agent)) return { ...shown, state: start ? 'running' : 'arrived' }
  // It may have written its end between our two looks.
  const late = await readJson<RankEnd>(join(path, agentFiles.end))
  return late ? ended(rank, late) : { ...shown, state: 'lost' }
}

/** Whether no agent will come up any more: the one that was started has died before it said who it is. */
async function neverCame(path: string): Promise<boolean> {
  const begun = await readJson<ProcessIdentity>(join(path, agentFiles.begun))
  if (begun && !lives(begun)) return !(await isThere(join(path, agentFiles.agent))) // it may have come meanwhile
  return (await ageMs(path)) > mostStartMs
}

function ended(rank: number, { exit, startedAt, endedAt }: RankEnd): RankSighting {
  const cause = causeOfExit(exit)
  return { rank, state: 'exited', exitCode: shellCode(exit), startedAt, endedAt, ...(cause && { cause }) }
}

/** Half-made and half-removed folders of callers that died: no call takes so long, and their names tell whose they are. */
async function removeLeftover(path: string): Promise<void> {
  const [, , owner = ''] = basename(path).split('.')
  const mostMs = /^\d+$/.test(owner) && !signal(Number(owner), 0) ? 10_000 : 10 * 60_000
  // What belongs to somebody else stays: it is in nobody's way.
  if ((await ageMs(path)) > mostMs) await removeTree(path).catch(() => undefined)
}

const ageMs = (path: string): Promise<number> =>
  stat(path).then(
    ({ mtimeMs }) => Date.now() - mtimeMs,
    () => 0,
  )
