import { readdir } from 'node:fs/promises'
import { join } from 'node:path'

import { shellCode } from '#kit/exit-code.ts'
import { agentFiles, type RankEnd, type RankStart } from '#model/agent-folder.ts'
import { causeOfExit } from '#model/cause.ts'
import { type Outcome, succeed } from '#model/fault.ts'
import { gangFiles, type GangOrder, leaderDeadMs } from '#model/gang-folder.ts'
import type { RankSighting, Sighting } from '#providers/provider.ts'
import { isThere, readJson } from '#providers/kept-folder.ts'

import { carriedFor, type Carrier, carry, lookUp } from './carry.ts'
import { causeOfJob, causeOfRequeue, causeOfSilence } from './cause.ts'
import type { SlurmJob } from './controller.ts'
import type { SiteFolder } from './site-folder.ts'
import { causeOfLimit } from './time-limit.ts'

/**
 * Slurm remembers an ended job for longer than this (`MinJobAge`, 300 s as delivered): a job that it does not know
 * before then was not ended by anybody, it was forgotten. Whose note was written by another control plane is as young as
 * our watch of it: then one that has ended may be submitted again, and none is given up that was forgotten.
 */
const youngMs = 60_000

/** Ranks are read side by side, but not so many that they use up our open files. */
const atOnce = 32

/** What became of one order; `null` without its folder. */
export async function sightOrder(
  carrier: Carrier,
  token: string,
  signal: AbortSignal,
): Promise<Outcome<Sighting | null>> {
  if (!(await isThere(carrier.folder.order(token)))) return succeed(null)
  const seen = await sightOrders(carrier, [token], signal)
  return seen.ok ? succeed(seen.value[0] ?? null) : seen
}

/** Orders whose ranks have not all ended, as far as their folders tell. */
export async function openOrders(folder: SiteFolder): Promise<GangOrder[]> {
  const names = (await readdir(folder.order(''))).filter((name) => !name.startsWith('.'))
  const orders: GangOrder[] = []
  for (const token of names) {
    if (await isOver(folder.order(token))) continue
    const order = await readJson<GangOrder>(join(folder.order(token), gangFiles.order))
    if (order) orders.push(order)
  }
  return orders
}

export async function sightAll(carrier: Carrier, signal: AbortSignal): Promise<Outcome<Sighting[]>> {
  const names = await readdir(carrier.folder.order(''))
  return sightOrders(
    carrier,
    names.filter((name) => !name.startsWith('.')),
    signal,
  )
}

type Read = { order: GangOrder; ranks: RankSighting[] }

async function sightOrders(carrier: Carrier, tokens: string[], signal: AbortSignal): Promise<Outcome<Sighting[]>> {
  const { folder } = carrier
  const read = new Map<string, Read>()
  for (const token of tokens) {
    const one = await readOrder(folder, token)
    if (one) read.set(token, one)
  }
  // Of orders whose ranks have all ended there is nothing to ask; but the site must still answer.
  const open = [...read]
    .filter(([, { ranks }]) => ranks.some(({ state }) => state !== 'exited'))
    .map(([token]) => token)
  const looked = await lookUp(carrier, open, signal)
  if (!looked.ok) return looked
  const sightings: Sighting[] = []
  for (const token of tokens) {
    const known = read.get(token)
    // A folder that the disk lost half of carries our tag, so it is shown, though it says nothing more.
    if (!known && (await isThere(folder.order(token)))) sightings.push({ token, workload: '', attempt: 0, ranks: [] })
    if (!known) continue
    const { order } = known
    const job = looked.value.get(token)
    const shown = job === undefined ? succeed(known.ranks) : await judged(carrier, { ...known, job }, signal)
    if (!shown.ok) return shown
    const { workload, attempt } = order
    sightings.push({ token, workload, attempt, ranks: shown.value, heldSince: heldSince(job, shown.value) })
  }
  return succeed(sightings)
}

/**
 * Since when its job has nodes: as Slurm says, for as long as it has; later its ranks know, if it ever had any. One that was
 * taken out of the line has begun when it ended, in the words of Slurm.
 */
function heldSince(job: SlurmJob | null | undefined, ranks: readonly RankSighting[]): number | null {
  const began = ranks.flatMap(({ startedAt }) => startedAt ?? [])
  const first = began.length === 0 ? null : Math.min(...began)
  if (job?.phase === 'pending') return null
  return job && job.phase !== 'ended' ? (job.startsAt ?? first) : first
}

/** Ranks without an end, by what became of their job: as they are, or lost. */
async function judged(
  carrier: Carrier,
  { order, job, ranks }: Read & { job: SlurmJob | null },
  signal: AbortSignal,
): Promise<Outcome<RankSighting[]>> {
  const carriedMs = await carriedFor(carrier, order.token)
  const waitedMs = carriedMs ?? 0
  const silentMs = await carrier.watch(join(carrier.folder.order(order.token), gangFiles.claim))
  const isUnheard = carrier.folder.afar && silentMs === undefined
  const cause = job === null ? undefined : (causeOfJob(job, waitedMs) ?? (isUnheard ? causeOfSilence(job) : undefined))
  const because = (rank: RankSighting): RankSighting => (cause === undefined ? rank : { ...rank, cause })
  const path = carrier.folder.order(order.token)
  // They may have ended between our two looks.
  const latest = async () => (await readOrder(carrier.folder, order.token))?.ranks ?? ranks
  const isDead = silentMs === undefined || silentMs >= leaderDeadMs || (await isOver(path))
  // It waits once more, unless Slurm forgot that it had started it: then who leads it lives.
  if (job?.phase === 'pending' && silentMs !== undefined)
    return succeed((await latest()).map((rank) => afterRequeue(rank, job, isDead)))
  if (job !== null && job.phase !== 'ended')
    return succeed(
      await Promise.all(
        ranks.map((rank) => (rank.state === 'expected' ? because(rank) : untilTold(carrier, { rank, order }))),
      ),
    )
  if (job === null && silentMs === undefined) {
    // Not even submitted: the launch that wrote the order is under way, or will be repeated.
    if (carriedMs === undefined) return succeed(ranks)
    if (carriedMs < youngMs) {
      const carried = await carry(carrier, order, signal)
      return carried.ok ? succeed(ranks) : carried
    }
  }
  // Slurm does not know it any more, but who leads it does not know that: it may still run, until its node is told.
  if (job === null && !isDead) return succeed(ranks)
  return succeed(
    (await latest()).map((rank) => {
      if (rank.state === 'exited') return rank
      const limit = job === null ? undefined : causeOfLimit(job, order, rank)
      return limit ? { ...rank, state: 'lost', cause: limit } : because({ ...rank, state: 'lost' })
    }),
  )
}

/** A rank of a job that stands in the queue again: what it began there is over, and nothing of it begins a second time. */
function afterRequeue(rank: RankSighting, job: SlurmJob, isDead: boolean): RankSighting {
  const hasBegun = rank.state === 'lost' || (isDead && (rank.state === 'running' || rank.state === 'arrived'))
  return hasBegun ? { ...rank, state: 'lost', cause: causeOfRequeue(job) } : rank
}

/** A gang that is taken away has its grace, and is gone with its job a moment later. */
const mostUntoldMs = 10_000

/** A rank that was taken away, while Slurm does not say why yet: it does once the job has ended, and the others have saved. */
async function untilTold(
  { folder, watch }: Carrier,
  { rank, order }: { rank: RankSighting; order: GangOrder },
): Promise<RankSighting> {
  if (rank.state !== 'lost') return rank
  const takenMs = await watch(join(folder.order(order.token), String(rank.rank), agentFiles.taken))
  const isTold = takenMs === undefined || takenMs > order.graceMs + mostUntoldMs
  return isTold ? rank : { ...rank, state: 'running', endedAt: null }
}

const isOver = (path: string): Promise<boolean> => isThere(join(path, gangFiles.over))

async function readOrder(folder: SiteFolder, token: string): Promise<Read | undefined> {
  const path = folder.order(token)
  const order = await readJson<GangOrder>(join(path, gangFiles.order))
  if (!order) return undefined
  const ranks: RankSighting[] = []
  for (let at = 0; at < order.ranks.length; at += atOnce)
    ranks.push(
      ...(await Promise.all(
        order.ranks.slice(at, at + atOnce).map(({ rank }) => readRank(join(path, String(rank)), rank)),
      )),
    )
  return { order, ranks }
}

/** One rank, from what its agent wrote. The end of one whose machine was taken away is none of its own. */
export async function readRank(path: string, rank: number): Promise<RankSighting> {
  const end = await readJson<RankEnd>(join(path, agentFiles.end))
  const taken = await isThere(join(path, agentFiles.taken))
  if (end && !taken) {
    const { exit, startedAt, endedAt } = end
    const cause = causeOfExit(exit)
    return { rank, state: 'exited', exitCode: shellCode(exit), startedAt, endedAt, ...(cause && { cause }) }
  }
  const start = await readJson<RankStart>(join(path, agentFiles.start))
  const shown = { rank, exitCode: null, startedAt: start?.startedAt ?? null, endedAt: null }
  if (end) return { ...shown, state: 'lost', endedAt: end.endedAt }
  if (start) return { ...shown, state: 'running' }
  return { ...shown, state: (await isThere(join(path, agentFiles.agent))) ? 'arrived' : 'expected' }
}
