import type { Refusal } from '#model/plan.ts'
import type { Project } from '#model/project.ts'
import type { Demand, Floor } from '#simulator/replay/floor.ts'
import type { NodeGroup } from '#simulator/scenario/fleet.ts'
import type { Scenario } from '#simulator/scenario/scenario.ts'

import type { HouseRules } from './house-rules.ts'

export type Never = {
  /** Why what a project asks for can never start from `now` on, whatever ends and comes back; null where it can. */
  why(demand: Demand, project: Project, now: number): Refusal | null
  /** Whether an answer may be another once prices change. */
  isPriced: boolean
}

type Given = { floor: Floor; rules: HouseRules; terms: readonly Project[]; prices: Scenario['prices'] }

/** Asks no group again for what it knows: of one kind there are many, and the answer holds until prices change. */
export function createNever({ floor, rules, terms, prices }: Given): Never {
  const isPriced = terms.some(({ policy }) => policy.maxPriceMicros !== undefined)
  const known = new Map<Demand, Map<string, Refusal | null>>()
  let [repriced, least] = [-1, new Map<NodeGroup, number>()]
  const priceOf = (group: NodeGroup): number => least.get(group) ?? floor.priceMicros(group.number)
  const mayStand = (demand: Demand, project: Project): boolean =>
    floor
      .groupsFor(demand.unit)
      .some(
        (group) =>
          floor.couldEverFit(group, demand) &&
          !rules.bars(rules.wayOf(demand, project, { group, priceMicros: priceOf(group) })),
      )
  const why: Never['why'] = (demand, project, now) => {
    if (isPriced && repriced !== floor.repriced) {
      repriced = floor.repriced
      known.clear()
      least = leastFrom(now, floor, prices)
    }
    const same = known.get(demand) ?? new Map<string, Refusal | null>()
    known.set(demand, same)
    const before = same.get(project.name)
    if (before !== undefined) return before
    const refusal = mayStand(demand, project) ? null : rules.refuse(demand, project, priceOf)
    same.set(project.name, refusal)
    return refusal
  }
  return { why, isPriced }
}

/** The least that a node of each group costs at any time from `now` on, where prices are known to change. */
function leastFrom(now: number, floor: Floor, prices: Given['prices']): Map<NodeGroup, number> {
  const least = new Map<NodeGroup, number>()
  for (const { groups, atMs, priceMicros } of prices)
    if (atMs > now)
      for (const group of groups)
        least.set(group, Math.min(priceMicros, least.get(group) ?? floor.priceMicros(group.number)))
  return least
}
