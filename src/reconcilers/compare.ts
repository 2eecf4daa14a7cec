import { silenceMs } from '#engine/lifecycle/patience.ts'
import type { Lease } from '#model/lease.ts'
import type { Rank } from '#model/rank.ts'
import type { RankSighting, Sighting } from '#providers/provider.ts'
import type { SeenRank } from '#store/store.ts'
import { heardAtLeast } from './memory.ts'

/** What only listings say so far, by lease and rank: that it has ended, or is not there any more, and since when. */
export type Doubts = Map<string, { what: string; since: number }>

export const noDoubts = (): Doubts => new Map()

type Compared = {
  leases: (Lease & { ranksSeen: Rank[] })[]
  sightings: Sighting[]
  /** Since when agents are listened to. */
  since: number
  now: number
}

/**
 * Nobody is given up for one answer: two listings at least so far apart must agree that a rank is not there any more, for
 * they may lag behind what was launched or leave out a page, or that it has ended, where no agent says so.
 */
const apartMs = 1_500
/** … that has ended without a code so much longer: it may be known a moment later. */
const codelessMs = 10_000
/** … and what was never seen yet is not missed for so long: what was just made may be shown to nobody for a while. */
const youngMs = 60_000

/**
 * What a listing tells of the leases that should be there. Agents know better than their provider how a rank ended, and
 * tell it with all that belongs to it; so while they report, no exit is taken from anyone else, nor is absence a loss. A
 * rank with an agent that the provider shows as lost is written down at once; whether that is true is for the decider to
 * say. Where none ever reported, the provider's word is all there is, and must be the same in two listings.
 */
export function compare({ leases, sightings, since, now }: Compared, doubts: Doubts): SeenRank[] {
  const listed = new Map(sightings.map((sighting) => [sighting.token, sighting]))
  const doubted: Doubts = new Map()
  const seen = leases.flatMap((lease) =>
    lease.ranksSeen.flatMap((known) => {
      const shown = shownOf(known, lease, { sighting: listed.get(lease.id), now })
      if (!shown) return []
      if (!isNews(known, shown, { since, now })) return toldMore(known, shown)
      const { isListed, node, ...rank } = shown
      const news = [{ lease: lease.id, ...rank, ...timesOf(rank, lease, now), ...elsewhere(rank.rank, node, lease) }]
      if (!isOver(rank.state) || (isListed && known.heardAt !== null)) return news
      const what = isListed ? `${rank.state} ${rank.exitCode}` : 'absent'
      const key = `${lease.id} ${rank.rank}`
      const before = doubts.get(key)
      const doubt = before?.what === what ? before : { what, since: now }
      doubted.set(key, doubt)
      const isCodeless = rank.state === 'exited' && rank.exitCode === null
      return now < doubt.since + (isCodeless ? codelessMs : apartMs) ? [] : news
    }),
  )
  doubts.clear()
  for (const [key, doubt] of doubted) doubts.set(key, doubt)
  return seen
}

const isOver = (state: RankSighting['state']): boolean => state === 'exited' || state === 'lost'

type Shown = RankSighting & { isListed: boolean }

/** A rank as the listing has it: one that is left out, and so are all of its lease or it was there before, is lost. */
function shownOf(
  { rank, state, startedAt }: Rank,
  lease: Compared['leases'][number],
  { sighting, now }: { sighting: Sighting | undefined; now: number },
): Shown | null {
  const shown = sighting?.ranks.find((one) => one.rank === rank)
  if (shown) return { ...shown, isListed: true }
  if (lease.state !== 'starting' && lease.state !== 'held') return null // what is being retired may be gone
  const isOneOfSome = sighting !== undefined && sighting.ranks.length > 0
  if (isOneOfSome ? state === 'expected' : isYoung(lease, now)) return null
  return { rank, state: 'lost', exitCode: null, startedAt, endedAt: null, isListed: false }
}

const isYoung = ({ ranksSeen, startedAt, createdAt }: Compared['leases'][number], now: number): boolean =>
  ranksSeen.every(({ state }) => state === 'expected') && now < (startedAt ?? createdAt) + youngMs

function isNews(known: Rank, shown: Shown, { since, now }: { since: number; now: number }): boolean {
  if (known.state === shown.state || known.state === 'exited' || shown.state === 'expected') return false
  const hearsay = shown.state === 'exited' || !shown.isListed
  const heardAt = heardAtLeast(known.heardAt, since)
  return !(hearsay && heardAt !== null && now < heardAt + silenceMs)
}

/** What is told of a rank that stays as it is: that its node goes, or goes sooner, why it does not start, how it serves. */
function toldMore(known: Rank, { state, cause, leavesAt, serving }: Shown): SeenRank[] {
  const { lease, rank, startedAt, endedAt } = known
  const isSooner = leavesAt !== undefined && leavesAt < (known.leavesAt ?? Infinity)
  const isWhy = known.state === 'expected' && state === 'expected' && cause && cause.kind !== known.cause?.kind
  const serves =
    known.state === state && serving && (serving.ready !== known.ready || serving.address !== known.address)
  if (known.state === 'exited' || known.state === 'lost' || !(isSooner || isWhy || serves)) return []
  const told = { ...(cause && { cause }), ...(leavesAt !== undefined && { leavesAt }), ...(serving && { serving }) }
  return [{ lease, rank, state: known.state, exitCode: null, startedAt, endedAt, ...told }]
}

/** Its node, where that is not the one it was meant to be on. */
const elsewhere = (rank: number, node: string | undefined, { ranks }: Lease) =>
  node !== undefined && ranks.some((one) => one.rank === rank && one.node !== node) ? { node } : {}

/** A provider's clock may be wrong: what it shows began after it was ordered, and not later than now. */
function timesOf({ startedAt, endedAt }: RankSighting, { createdAt }: Lease, now: number) {
  const ours = (at: number | null) => (at === null ? null : Math.max(createdAt, Math.min(at, now)))
  return { startedAt: ours(startedAt), endedAt: ours(endedAt) }
}
