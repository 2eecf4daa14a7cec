import { causeOf } from '#model/cause.ts'
import type { Seat } from './machines.ts'
import type { RankSighting, Sighting } from '#providers/provider.ts'

/** What a scripted rank does: runs for `runMs` (Infinity: until it is told to end) and exits with `exitCode`. */
export type Part = { prints: string; runMs: number; exitCode: number; stubborn: boolean }

/** Nodes that never come (`missing`) or never boot, that hang from `at` on, or that are taken away then, `told` or not. */
export type Odd = {
  how: 'missing' | 'unbooted' | 'hung' | 'dropped'
  ranks: readonly number[]
  at: number
  told: boolean
}

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
  /** The pool of each rank, where they are of several; then the one above is that of rank 0. */
  pools: readonly number[] | null
  /** What each rank holds of which node, where nodes have names. */
  seats: readonly Seat[] | null
  /** Its ranks are not each on the node that it was ordered for. */
  isShuffled: boolean
  /** Price of the whole gang for an hour, in micro-dollars. */
  priceMicros: number
  acceptedAt: number
  /** When its turn comes in a line, and its nodes are held; null where nobody stands in line. */
  turnAt: number | null
  /** When get and list begin to show it. */
  shownFrom: number
  /** When its ranks begin to run. */
  startAt: number
  /** What its ranks do: one part each, or one part for all. */
  parts: readonly Part[]
  /** Ranks that go another way than the others, if any do, and from when on. */
  odd: Odd | null
  /** When the provider takes it away, and when it says so; Infinity if it never does. */
  takenAt: number
  noticedAt: number
  /** Whether it stays listed then. */
  told: boolean
  /** How long its nodes take to go once its ranks have ended, and how long it is listed after that. */
  teardownMs: number
  /** Its nodes are held, and paid, until they are gone. */
  lingers: boolean
  ghostMs: number
  /** When it was told to end, how long a heeding rank takes, and how long a stubborn one is left. */
  stop: { at: number; heedMs: number; graceMs: number; goneAt: number } | null
  /** Its site was lost then, and knows nothing of it any more. */
  erasedAt: number
  /** Its end is on the bill and its nodes are free. */
  closed: boolean
}

const partOf = (gang: Gang, rank: number): Part => {
  const part = gang.parts[rank] ?? gang.parts[0]
  if (!part) throw new Error(`gang ${gang.token} has no part`)
  return part
}

const oddOf = ({ odd }: Gang, rank: number): Odd | null => (odd?.ranks.includes(rank) ? odd : null)

/** When a rank begins to run; Infinity for one that never does. */
const startOf = (gang: Gang, odd: Odd | null): number =>
  odd?.how === 'missing' || odd?.how === 'unbooted' ? Infinity : gang.startAt

type End = { at: number; exitCode: number | null }

/** When a rank ends, and how: by itself, by being told, or by being taken away. */
function endOf(gang: Gang, rank: number): End {
  const odd = oddOf(gang, rank)
  const end = toldToEnd(gang, rank, odd)
  const takenAt = Math.min(gang.takenAt, odd?.how === 'dropped' ? odd.at : Infinity)
  return takenAt < end.at ? { at: takenAt, exitCode: null } : end
}

function toldToEnd(gang: Gang, rank: number, odd: Odd | null): End {
  const part = partOf(gang, rank)
  const { stop } = gang
  const startAt = startOf(gang, odd)
  const byItself: End = { at: startAt + part.runMs, exitCode: part.exitCode }
  const hangs = odd?.how === 'hung' && odd.at < byItself.at
  const end = hangs ? { at: Infinity, exitCode: 137 } : byItself
  if (!stop) return end
  const heeds = !part.stubborn && stop.heedMs <= stop.graceMs && !(hangs && odd.at <= stop.at)
  const at = stop.at + (stop.at < startAt ? 0 : heeds ? stop.heedMs : stop.graceMs)
  // Told to end before it ran: there was no process, so there is no exit code either.
  return at < end.at ? { at, exitCode: at < startAt ? null : heeds ? 143 : 137 } : end
}

/** When the last rank ends: what is paid and what holds nodes ends there. Infinity while nothing says when. */
export function endOfGang(gang: Gang): number {
  let end = 0
  const different = gang.odd ? gang.ranks : Math.min(gang.ranks, gang.parts.length)
  for (let rank = 0; rank < different; rank++) end = Math.max(end, endOf(gang, rank).at)
  return end
}

/** When its nodes are held, and paid, from; Infinity for one that leaves the line before its turn. */
export function heldFrom({ turnAt, acceptedAt, stop, takenAt, erasedAt }: Gang): number {
  if (turnAt === null) return acceptedAt
  return turnAt < Math.min(stop?.at ?? Infinity, takenAt, erasedAt) ? turnAt : Infinity
}

/** When its nodes are free and its bill ends: with its last rank, or with its nodes where these are machines. */
export function endOfBill(gang: Gang): number {
  const end = endOfGang(gang)
  return gang.lingers ? Math.min(Math.max(end, gang.stop?.goneAt ?? Infinity), gang.takenAt, gang.erasedAt) : end
}

/** Whether nothing of it is left: it was retired and torn down, or it was taken away without a word. */
export const isGone = (gang: Gang, now: number): boolean =>
  now >= Math.min(gang.stop ? tornDownAt(gang) : vanishAt(gang), gang.erasedAt)

/** When it leaves get and list: a while after it is gone, as far as the site's listings lag behind. */
export const leavesListAt = (gang: Gang): number =>
  Math.min(vanishAt(gang), gang.erasedAt, tornDownAt(gang) + gang.ghostMs)

/** When what was told to end is torn down. What is taken away meanwhile is gone with that. */
const tornDownAt = ({ stop, takenAt }: Gang): number =>
  stop ? Math.min(stop.goneAt, takenAt > stop.at ? takenAt : Infinity) : Infinity

/** A gang that ended before it was to be taken is not taken. */
const vanishAt = (gang: Gang): number => (!gang.told && gang.takenAt <= endOfGang(gang) ? gang.takenAt : Infinity)

/** What get and list show of it, or null. */
export function sightingOf(gang: Gang, now: number): Sighting | null {
  if (now < gang.shownFrom || now >= leavesListAt(gang)) return null
  const { token, workload, attempt } = gang
  const ranks: RankSighting[] = []
  for (let rank = 0; rank < gang.ranks; rank++) if (isShown(gang, rank, now)) ranks.push(rankSighting(gang, rank, now))
  const heldSince = heldFrom(gang) <= now ? heldFrom(gang) : null
  return { token, workload, attempt, ranks, ...(gang.turnAt !== null && { heldSince }) }
}

/** When what get and list show of it changes next; Infinity if it never does by itself. */
export function nextChangeOf(gang: Gang, now: number): number {
  const { shownFrom, startAt, noticedAt, takenAt, odd } = gang
  const different = odd ? gang.ranks : Math.min(gang.ranks, gang.parts.length)
  let next = Infinity
  const at = (instant: number): void => void (instant > now && instant < next && (next = instant))
  for (const instant of [
    shownFrom,
    heldFrom(gang),
    startAt,
    noticedAt,
    takenAt,
    odd?.at ?? Infinity,
    leavesListAt(gang),
  ])
    at(instant)
  for (let rank = 0; rank < different; rank++) at(endOf(gang, rank).at)
  return next
}

function isShown(gang: Gang, rank: number, now: number): boolean {
  const odd = oddOf(gang, rank)
  return odd?.how !== 'missing' && !(odd?.how === 'dropped' && !odd.told && now >= odd.at)
}

function rankSighting(gang: Gang, rank: number, now: number): RankSighting {
  const end = endOf(gang, rank)
  const startAt = startOf(gang, oddOf(gang, rank))
  const startedAt = Math.min(now, end.at) >= startAt ? startAt : null
  if (now < end.at) {
    const state = startedAt === null ? 'expected' : 'running'
    const news = noticeOf(gang, now) ?? hindranceOf(gang, rank) ?? {}
    return { rank, state, exitCode: null, startedAt, endedAt: null, ...placeOf(gang, rank), ...news }
  }
  const state = end.exitCode === null ? 'lost' : 'exited'
  return { rank, state, exitCode: end.exitCode, startedAt, endedAt: end.at, ...causeOfEnd(gang, rank, end) }
}

/** Which node it is on, where ranks have changed places. */
const placeOf = ({ seats, isShuffled }: Gang, rank: number): Pick<RankSighting, 'node'> => {
  const node = isShuffled ? seats?.[rank]?.node : undefined
  return node === undefined ? {} : { node }
}

/** That it is going to be taken away, from when its provider says so on. */
const noticeOf = ({ told, noticedAt, takenAt }: Gang, now: number): Pick<RankSighting, 'cause' | 'leavesAt'> | null =>
  told && noticedAt <= now ? { cause: causeOf('preempted'), leavesAt: takenAt } : null

/** Why it never starts, where that is told. */
function hindranceOf(gang: Gang, rank: number): Pick<RankSighting, 'cause'> | null {
  const odd = oddOf(gang, rank)
  return odd?.how === 'unbooted' && odd.told ? { cause: causeOf('image') } : null
}

/** Why it was taken away, if it was. */
function causeOfEnd(gang: Gang, rank: number, { at, exitCode }: End): Pick<RankSighting, 'cause'> {
  if (exitCode !== null) return {}
  if (gang.takenAt === at) return { cause: causeOf('preempted') }
  const odd = oddOf(gang, rank)
  return odd?.how === 'dropped' && odd.at === at ? { cause: causeOf('node-lost') } : {}
}

/** What a rank has printed by now: all of it as soon as it runs. */
export function outputOf(gang: Gang, rank: number, now: number): { text: string; end: boolean } {
  const seen = rankSighting(gang, rank, now)
  return { text: seen.startedAt === null ? '' : partOf(gang, rank).prints, end: seen.endedAt !== null }
}
