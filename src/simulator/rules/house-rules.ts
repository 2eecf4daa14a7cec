import { holdersOf } from '#engine/explain/holders.ts'
import { refuse } from '#engine/explain/refusal.ts'
import { byCloseness, type Refused } from '#engine/explain/rejections.ts'
import { lookAt, type Look } from '#engine/placement/look.ts'
import type { Candidate } from '#engine/placement/market.ts'
import type { Need } from '#engine/placement/need.ts'
import { openRound, type Round } from '#engine/placement/round.ts'
import { fixedObjection, objectionBy, objectionTo, type Objection } from '#engine/placement/rules.ts'
import type { Refusal, Rule } from '#model/plan.ts'
import type { Project } from '#model/project.ts'
import type { Demand } from '#simulator/replay/floor.ts'
import type { Fleet, NodeGroup } from '#simulator/scenario/fleet.ts'

import { candidateOf } from './candidate.ts'
import { needOf } from './need.ts'

/** The hard rules that people make for projects. What nodes can hold, a floor counts faster than they do. */
const made: readonly Rule[] = ['provider-not-allowed', 'site-not-allowed', 'jurisdiction', 'quota']

/** A way in which a project may have what it asks for: in a group, for its price. */
export type Way = { group: NodeGroup; need: Need; look: Look }

/** The hard rules of the engine over a fleet on which nobody stands, and what they say. */
export class HouseRules {
  readonly #round: Round
  readonly #groups: readonly NodeGroup[]
  readonly #candidates = new Map<NodeGroup, Candidate>()

  constructor({ groups }: Fleet, terms: readonly Project[]) {
    this.#groups = groups
    this.#round = openRound({ waiting: [], leases: [], projects: [...terms], spent: new Map(), sites: [] }, 0)
  }

  wayOf(demand: Demand, group: NodeGroup, project: Project): Way {
    const need = needOf(demand, group, project)
    const candidate = this.#candidates.get(group) ?? candidateOf(group)
    this.#candidates.set(group, candidate)
    return { group, need, look: lookAt(need, candidate) }
  }

  /** What a rule that somebody made has against it for good, or null. */
  bars({ need, look }: Way): Objection | null {
    const found = objectionBy(made, need, look, this.#round)
    return found?.passing === false ? found : null
  }

  /** Why none of the groups will ever do, as the engine tells it. */
  refuse(demand: Demand, project: Project): Refusal {
    const ways = this.#groups.map((group) => this.wayOf(demand, group, project))
    const refused = byCloseness(ways.map((way): Refused => ({ look: way.look, objection: this.#objectionTo(way) })))
    const closest = ways.find(({ look }) => look === refused[0]?.look)
    if (!closest) throw new RangeError('a fleet without nodes')
    return refuse(closest.need, refused, { holders: holdersOf([]), unheard: [], now: 0 })
  }

  #objectionTo({ need, look }: Way): Objection {
    const round = this.#round
    const found = objectionTo(fixedObjection(need, look, round), need, look, round)
    if (found?.passing === false) return found
    // Counted each for itself its parts would fit.
    return { rule: 'capacity', detail: 'no way was found to fit all its nodes together', passing: false }
  }
}
