import { holdersOf } from '#engine/explain/holders.ts'
import { refuse } from '#engine/explain/refusal.ts'
import { byCloseness, type Refused } from '#engine/explain/rejections.ts'
import { domainResource } from '#engine/placement/domains.ts'
import { lookAt, type Look } from '#engine/placement/look.ts'
import type { Candidate } from '#engine/placement/market.ts'
import type { Need } from '#engine/placement/need.ts'
import { amountsAt } from '#engine/placement/quotas.ts'
import { isWithinShare, openRound, useOf, type Round } from '#engine/placement/round.ts'
import { fixedObjection, objectionBy, objectionTo, type Objection } from '#engine/placement/rules.ts'
import type { Amounts } from '#engine/queue/quota.ts'
import type { Refusal, Rule } from '#model/plan.ts'
import type { Project } from '#model/project.ts'
import type { Demand } from '#simulator/replay/floor.ts'
import type { Fleet, NodeGroup } from '#simulator/scenario/fleet.ts'

import { candidateOf } from './candidate.ts'
import { needOf } from './need.ts'

/** What nodes must have, and the hard rules that people make for projects. How many they can hold, a floor counts faster. */
const made: readonly Rule[] = [
  'provider-not-allowed',
  'site-not-allowed',
  'jurisdiction',
  'accelerator',
  'price',
  'quota',
  'provider-share',
]

const ofDomains: ReadonlySet<string> = new Set([domainResource('nvlink'), domainResource('block')])

/** A way in which a project may have what it asks for: in a group, for its price. */
export type Way = { group: NodeGroup; need: Need; look: Look }

type Priced = { group: NodeGroup; priceMicros: number }

/**
 * The hard rules of the engine over a fleet on which nobody stands, and what they say. Of who stands it counts only what
 * shares of providers need.
 */
export class HouseRules {
  readonly #round: Round
  readonly #groups: readonly NodeGroup[]
  readonly #candidates = new Map<NodeGroup, Candidate>()

  constructor({ groups }: Fleet, terms: readonly Project[]) {
    this.#groups = groups
    this.#round = openRound({ waiting: [], leases: [], projects: [...terms], spent: new Map(), sites: [] }, 0)
  }

  /** What a project would have in a group, where one node costs so much for an hour. */
  wayOf(demand: Demand, project: Project, { group, priceMicros }: Priced): Way {
    const need = needOf(demand, group, project)
    const known = this.#candidates.get(group) ?? candidateOf(group)
    const isAtPrice = known.offer.priceMicros === priceMicros
    const candidate = isAtPrice ? known : { ...known, offer: { ...known.offer, priceMicros } }
    this.#candidates.set(group, candidate)
    return { group, need, look: lookAt(need, candidate) }
  }

  /** What a rule that somebody made has against it for good, or null. */
  bars({ need, look }: Way): Objection | null {
    const found = objectionBy(made, need, look, this.#round)
    return found?.passing === false ? found : null
  }

  /** What it counts against quotas of domains; nothing where nobody has one. */
  domainsOf({ need, look }: Way): Amounts {
    if (!this.#round.domains) return {}
    const amounts = Object.entries(amountsAt(need, look, this.#round))
    return Object.fromEntries(amounts.filter(([resource]) => ofDomains.has(resource)))
  }

  /** Whether its provider may have more of the project's nodes, of those that are held. */
  isWithinShare({ need, look }: Way): boolean {
    return isWithinShare(need, look, this.#round)
  }

  /** The nodes of a way are held from now on (1), or not any more (-1). */
  hold({ need, look }: Way, sign: 1 | -1): void {
    const use = useOf(this.#round, need.project.name)
    const { provider } = look.candidate.offer
    use.nodes += sign * need.ranks
    use.nodesAt.set(provider, (use.nodesAt.get(provider) ?? 0) + sign * need.ranks)
  }

  /** Why none of the groups will ever do at the prices that they can have, as the engine tells it. */
  refuse(demand: Demand, project: Project, priceOf: (group: NodeGroup) => number): Refusal {
    const ways = this.#groups.map((group) => this.wayOf(demand, project, { group, priceMicros: priceOf(group) }))
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
