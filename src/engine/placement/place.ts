import { refuse, refuseBefore } from '#engine/explain/refusal.ts'
import { byCloseness, rejectionsOf, type Refused } from '#engine/explain/rejections.ts'
import type { LeasedRank } from '#model/lease.ts'
import type { Decision, Placement, Refusal, Rule } from '#model/plan.ts'
import type { Policy } from '#model/policy.ts'

import { barTo } from './bars.ts'
import type { Asked, Snapshot } from './facts.ts'
import { pack, type Packed } from './fleet.ts'
import { needOf, type Need } from './need.ts'
import { byPreference, type Fit } from './preference.ts'
import { inQueueOrder, standInLine } from './queue.ts'
import { looksOf, openRound, take, type Look, type Round } from './round.ts'
import { loosestLevel, objectionTo } from './rules.ts'

export type PlaceInput = {
  snapshot: Snapshot
  /** Milliseconds since the epoch. */
  now: number
  /** Rules of the house, where a project has none of its own. */
  defaults?: Policy
}

/**
 * Decides where waiting replicas go: the whole engine in one page.
 *
 * They are taken in the order of the queue: priority, then age. For each, every offer is asked the hard rules in turn
 * (`rules.ts`); of the offers that would do, the one that is preferred most (`preference.ts`: spread, order of
 * accelerators, closeness, then price) takes the whole gang or nothing. What one is given nobody after it can have.
 *
 * Who finds no room waits in line where it would have been placed: a later workload of the same project and priority
 * that wants the same kind of thing cannot take it, all others may go past (`queue.ts`).
 *
 * Pure, and the same bit for bit whatever the order of the arrays in the snapshot. The answer is in queue order and has
 * a decision for each replica that may be placed now; every refusal explains itself.
 */
export function place({ snapshot, now, defaults = {} }: PlaceInput): Decision[] {
  const round = openRound(snapshot, now)
  const projects = new Map(snapshot.projects.map((project) => [project.name, project]))
  return inQueueOrder(snapshot.waiting, now).map((asked) => {
    const project = projects.get(asked.workload.project)
    if (!project) return nowhere(asked, refuseBefore(asked, { cause: 'no-project' }))
    const need = needOf(asked, project, defaults)
    const bar = barTo(need, snapshot, now)
    return bar ? nowhere(asked, refuseBefore(asked, bar)) : decide(need, round)
  })
}

function decide(need: Need, round: Round): Decision {
  const refused: Refused[] = []
  const fits: Fit[] = []
  for (const look of looksOf(round, need)) {
    const objection = objectionTo(need, look, round)
    if (objection) refused.push({ look, objection })
    else fits.push({ look, packed: packFor(need, look) })
  }
  const rejections = rejectionsOf(byCloseness(refused))
  const [best, ...others] = fits.sort(byPreference(need, round))
  if (!best) {
    for (const { look, objection } of refused)
      if (objection.passing && isFull.has(objection.rule)) standInLine(round.line, need, look.candidate.key)
    return { ...nowhere(need, refuse(need, refused, round)), rejections }
  }
  return {
    workload: need.workload.id,
    replica: need.replica.replica,
    placement: placementOf(best.look, take(round, need, best)),
    alternatives: others.slice(0, mostAlternatives).map(({ look }) => alternativeOf(look)),
    rejections,
    refusal: null,
  }
}

/** The nodes for a gang, where it is the engine that chooses them. */
function packFor(need: Need, { candidate: { fleet }, size }: Look): Packed | null {
  return fleet && pack(fleet, size, { ranks: need.ranks, loosest: loosestLevel(need, fleet) })
}

const mostAlternatives = 3

/** Rules that others in front of us may keep us from: who is refused by one of these waits in line. */
const isFull = new Set<Rule>(['quota', 'capacity'])

function nowhere({ workload, replica }: Asked, refusal: Refusal): Decision {
  return {
    workload: workload.id,
    replica: replica.replica,
    placement: null,
    alternatives: [],
    rejections: [],
    refusal,
  }
}

function placementOf({ candidate, priceMicros }: Look, ranks: LeasedRank[]): Placement {
  const { site, offer } = candidate
  return {
    provider: site.info.provider,
    site: site.info.name,
    tier: offer.tier,
    shape: offer.shape.name,
    ranks,
    priceMicros,
  }
}

const alternativeOf = ({ candidate, priceMicros }: Look): Decision['alternatives'][number] => ({
  site: candidate.siteKey,
  tier: candidate.offer.tier,
  shape: candidate.offer.shape.name,
  priceMicros,
})
