import { silenceMs } from '#engine/lifecycle/patience.ts'
import type { Lease } from '#model/lease.ts'
import type { Rank } from '#model/rank.ts'
import type { RankSighting, Sighting } from '#providers/provider.ts'
import type { SeenRank } from '#store/store.ts'
import { heardAtLeast } from './memory.ts'

/** Since when a lease is absent from the listings of its site. */
export type Absences = Map<string, number>

type Compared = {
  leases: (Lease & { ranksSeen: Rank[] })[]
  sightings: Sighting[]
  /** Since when agents are listened to. */
  since: number
  now: number
}

/** A lease must be absent from two listings at least so far apart: listings may lag behind what was launched. */
const absentMs = 1_500
/** … and what was never seen yet may be so much later. */
const youngMs = 15_000

/**
 * What a listing tells of the leases that should be there. Agents know better than their provider how a rank ended, and
 * tell it with all that belongs to it; so while they report, no exit is taken from anyone else, nor is absence a loss. A
 * rank that the provider shows as lost is written down at once; whether that is true is for the decider to say.
 */
export function compare({ leases, sightings, since, now }: Compared, absences: Absences): SeenRank[] {
  const listed = new Map(sightings.map((sighting) => [sighting.token, sighting]))
  const ours = new Set(leases.map(({ id }) => id))
  for (const id of absences.keys()) if (listed.has(id) || !ours.has(id)) absences.delete(id)
  return leases.flatMap((lease) => {
    const sighting = listed.get(lease.id)
    const shown = sighting?.ranks ?? (absent(lease, absences, now) ? lease.ranksSeen.map(lostRank) : [])
    return shown.flatMap((rank) => news(lease, rank, { listed: sighting !== undefined, since, now }))
  })
}

function absent(lease: Compared['leases'][number], absences: Absences, now: number): boolean {
  if (lease.state !== 'starting' && lease.state !== 'held') return false // what is being retired may be gone
  const seen = lease.ranksSeen.some(({ state }) => state !== 'expected')
  if (!seen && now < (lease.startedAt ?? now) + youngMs) return false
  const from = absences.get(lease.id) ?? now
  absences.set(lease.id, from)
  return now >= from + absentMs
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
