import type { RankSighting, Sighting } from '#providers/provider.ts'

/** What a scripted rank does: runs for `runMs` (Infinity: until it is told to end) and exits with `exitCode`. */
export type Part = { prints: string; runMs: number; exitCode: number; stubborn: boolean }

/**
 * A gang at a simulated site. It holds no timers: what it is at an instant follows from the times written here, all
 * of which are drawn or decided when they become known. Kept small, since there may be hundreds of thousands.
 */
export type Gang = {
  token: string
  workload: string
  attempt: number
  pool: number
  ranks: number
  /** Price of the whole gang for an hour, in micro-dollars. */
  priceMicros: number
  acceptedAt: number
  /** When get and list begin to show it. */
  shownFrom: number
  /** When its ranks begin to run. */
  startAt: number
  /** What its ranks do: one part each, or one part for all. */
  parts: readonly Part[]
  /** When the provider takes it away; Infinity if it never does. */
  takenAt: number
  /** Whether it stays listed then. */
  told: boolean
  /** When it was told to end, how long a heeding rank takes, and how long a stubborn one is left. */
  stop: { at: number; heedMs: number; graceMs: number; goneAt: number; ghostMs: number } | null
  /** Its end is on the bill and its nodes are free. */
  closed: boolean
}

const partOf = (gang: Gang, rank: number): Part => {
  const part = gang.parts[rank] ?? gang.parts[0]
  if (!part) throw new Error(`gang ${gang.token} has no part`)
  return part
}

/** When a rank ends, and how: by itself, by being told, or by being taken away. */
function endOf(gang: Gang, rank: number): { at: number; exitCode: number | null } {
  const part = partOf(gang, rank)
  const { stop } = gang
  let end: { at: number; exitCode: number | null } = { at: gang.startAt + part.runMs, exitCode: part.exitCode }
  if (stop) {
    const killed = part.stubborn || stop.heedMs > stop.graceMs
    const at = stop.at + (stop.at < gang.startAt ? 0 : killed ? stop.graceMs : stop.heedMs)
    // Told to end before it ran: there was no process, so there is no exit code either.
    if (at < end.at) end = { at, exitCode: at < gang.startAt ? null : killed ? 137 : 143 }
  }
  return gang.takenAt < end.at ? { at: gang.takenAt, exitCode: null } : end
}

/** When the last rank ends: what is paid and what holds nodes ends there. Infinity while nothing says when. */
export function endOfGang(gang: Gang): number {
  let end = 0
  for (let rank = 0; rank < Math.min(gang.ranks, gang.parts.length); rank++) end = Math.max(end, endOf(gang, rank).at)
  return end
}

/** Whether nothing of it is left: it was retired and torn down, or it was taken away without a word. */
export const isGone = (gang: Gang, now: number): boolean => now >= (gang.stop?.goneAt ?? vanishAt(gang))

/** When it leaves get and list: a while after it is gone, as far as the site's listings lag behind. */
export const leavesListAt = (gang: Gang): number =>
  Math.min(vanishAt(gang), gang.stop ? gang.stop.goneAt + gang.stop.ghostMs : Infinity)

/** A gang that ended before it was to be taken is not taken. */
const vanishAt = (gang: Gang): number => (!gang.told && gang.takenAt <= endOfGang(gang) ? gang.takenAt : Infinity)

/** What get and list show of it, or null. */
export function sightingOf(gang: Gang, now: number): Sighting | null {
  if (now < gang.shownFrom || now >= leavesListAt(gang)) return null
  const ranks = Array.from({ length: gang.ranks }, (_, rank) => rankSighting(gang, rank, now))
  return { token: gang.token, workload: gang.workload, attempt: gang.attempt, ranks }
}

function rankSighting(gang: Gang, rank: number, now: number): RankSighting {
  const end = endOf(gang, rank)
  const startedAt = Math.min(now, end.at) >= gang.startAt ? gang.startAt : null
  if (now < end.at)
    return { rank, state: startedAt === null ? 'expected' : 'running', exitCode: null, startedAt, endedAt: null }
  return { rank, state: end.exitCode === null ? 'lost' : 'exited', exitCode: end.exitCode, startedAt, endedAt: end.at }
}

/** What a rank has printed by now: all of it as soon as it runs. */
export function outputOf(gang: Gang, rank: number, now: number): { text: string; end: boolean } {
  const seen = rankSighting(gang, rank, now)
  return { text: seen.startedAt === null ? '' : partOf(gang, rank).prints, end: seen.endedAt !== null }
}
