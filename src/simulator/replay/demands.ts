import { milliOn } from '#simulator/rules/mig.ts'
import type { Fleet } from '#simulator/scenario/fleet.ts'
import type { Job, Part } from '#simulator/traces/job.ts'

import type { Demand } from './floor.ts'

/** Gives equal demands as one object; among those of one amount there are few. Without a fleet all parts are whole ones. */
export function createDemands(fleet: Fleet | null): (job: Job) => Demand {
  const demands = new Map<number, Demand[]>()
  return ({ unit, amount, ranks, within, part: asked }) => {
    const part = fleet ? asked : null
    const same = demands.get(amount) ?? []
    const known = same.find(
      (one) => one.unit === unit && one.ranks === ranks && one.within === within && isSame(one.part, part),
    )
    if (known) return known
    const milli = part && fleet ? milliOn(fleet, part) : 1000
    const demand = { unit, amount, ranks, within, part, milli }
    demands.set(amount, [...same, demand])
    return demand
  }
}

const isSame = (a: Part | null, b: Part | null): boolean => a?.shareMilli === b?.shareMilli && a?.profile === b?.profile
