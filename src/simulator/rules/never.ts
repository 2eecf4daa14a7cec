import type { Refusal } from '#model/plan.ts'
import type { Project } from '#model/project.ts'
import type { Demand, Floor } from '#simulator/replay/floor.ts'

import { HouseRules } from './house-rules.ts'

/** Why what a project asks for can never start, whatever ends and comes back; null where it can. */
export type Never = (demand: Demand, project: Project) => Refusal | null

/** Asks no group again for what it knows: of one kind there are many, and the answer is for good. */
export function createNever(floor: Floor, terms: readonly Project[]): Never {
  const rules = new HouseRules(floor.fleet, terms)
  const known = new Map<Demand, Map<string, Refusal | null>>()
  const mayStand = (demand: Demand, project: Project): boolean =>
    floor
      .groupsFor(demand.unit)
      .some((group) => floor.couldEverFit(group, demand) && !rules.bars(rules.wayOf(demand, group, project)))
  return (demand, project) => {
    const same = known.get(demand) ?? new Map<string, Refusal | null>()
    known.set(demand, same)
    const before = same.get(project.name)
    if (before !== undefined) return before
    const refusal = mayStand(demand, project) ? null : rules.refuse(demand, project)
    same.set(project.name, refusal)
    return refusal
  }
}
