import { silenceMs } from '#engine/lifecycle/patience.ts'
import type { Lease } from '#model/lease.ts'
import type { Rank } from '#model/rank.ts'
import type { RankSighting, Sighting } from '#providers/provider.ts'
import type { SeenRank } from '#store/store.ts'
import { heardAtLeast } from './memory.ts'

/** What only a listing says so far: since when a lease is absent from it, and since when it shows ranks to have ended. */
export type Doubts = { absent: Map<string, number>; ended: Map<string, Ended> }
type Ended = { shown: string; from: number }

export const noDoubts = (): Doubts => ({ absent: new Map(), ended: new Map() })

type Compared = {
  leases: (Lease & { ranksSeen: Rank[] })[]
  sightings: Sighting[]
  /** Since when agents are listened to. */
  since: number
  now: number
}

/**
 * Nobody is given up for one answer: two listings at least so far apart must agree that a lease is absent, for listings
 * may lag behind what was launched, or that a rank has ended, where no agent says so.
 */
const apartMs = 1_500
/** … and what was never seen yet may be so much later. */
const youngMs = 15_000

/**
 * What a listing tells of the leases that should be there. Agents know better than their provider how a rank ended, and
 * tell it with all that belongs to it; so while they report, no exit is taken from anyone else, nor is absence a loss. A
 * rank with an agent that the provider shows as lost is written down at once; whether that is true is for the decider to
 * say. Where none ever reported, the provider's word is all there is, and must be the same in two listings.
 */
export function compare({ leases, sightings, since, now }: Compared, doubts: Doubts): SeenRank[] {
  const listed = new Map(sightings.map((sighting) => [sighting.token, sighting]))
  const ours = new Set(leases.map(({ id }) => id))
  for (const id of doubts.absent.keys()) if (listed.has(id) || !ours.has(id)) doubts.absent.delete(id)
  const ended = doubts.ended
  doubts.ended = new Map()
  const isSure = (shown: SeenRank): boolean => {
    const key = `${shown.lease} ${shown.rank}`
    const text = `${shown.state} ${shown.exitCode}`
    const before = ended.get(key)
    const from = before?.shown === text ? before.from : now
    doubts.ended.set(key, { shown: text, from })
    return now >= from + apartMs
  }
  return leases.flatMap((lease) => {
    const sighting = listed.get(lease.id)
    if (sighting)
      return sighting.ranks
        .flatMap((rank) => news(lease, rank, { listed: true, since, now }))
        .filter((shown) => !isEnd(shown) || hasAgent(lease, shown) || isSure(shown))
    const shown = absent(lease, doubts.absent, now) ? lease.ranksSeen.map(lostRank) : []
    return shown.flatMap((rank) => news(lease, rank, { listed: false, since, now }))
  })
}

const isEnd = ({ state }: SeenRank): boolean => state === 'exited' || state === 'lost'

const hasAgent = ({ ranksSeen }: Compared['leases'][number], { rank }: SeenRank): boolean =>
  ranksSeen.some((known) => known.rank === rank && known.heardAt !== null)

function absent(lease: Compared['leases'][number], absences: Doubts['absent'], now: number): boolean {
  if (lease.state !== 'starting' && lease.state !== 'held') return false // what is being retired may be gone
  const seen = lease.ranksSeen.some(({ state }) => state !== 'expected')
  if (!seen && now < (lease.startedAt ?? now) + youngMs) return false
  const from = absences.get(lease.id) ?? now
  absences.set(lease.id, from)
  return now >= from + apartMs
}

const lostRank = ({ rank, startedAt }: Rank): RankSighting => ({
  rank,
  state: 'lost',
  exitCode: null,
  startedAt,
  endedAt: null,
})

function news(
  lease: Lease & { ranksSeen: Rank[] },
  shown: RankSighting,
  { listed, since, now }: { listed: boolean; since: number; now: number },
): SeenRank[] {
  const known = lease.ranksSeen.find(({ rank }) => rank === shown.rank)
  if (!known || known.state === shown.state || known.state === 'exited' || shown.state === 'expected') return []
  const hearsay = shown.state === 'exited' || !listed
  const heardAt = heardAtLeast(known.heardAt, since)
  if (hearsay && heardAt !== null && now < heardAt + silenceMs) return []
  return [{ lease: lease.id, ...shown }]
}
