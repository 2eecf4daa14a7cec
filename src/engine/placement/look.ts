import type { Ask } from '#engine/cell/ask.ts'
import type { Amounts } from '#engine/queue/quota.ts'

import type { Candidate } from './market.ts'
import type { Need } from './need.ts'
import { acceleratorMilliOf, choiceOf, resourceNames, sliceOf, slicePrice, type Slice } from './slice.ts'

/** A candidate as seen by one need: what its ranks would get there, and for how much. */
export type Look = {
  candidate: Candidate
  /** Which of the accelerators asked for it has; -1 for none of them. */
  choice: number
  /** What a rank of each role gets. */
  slices: Slice[]
  /** Of the dearest of its nodes, and of the whole gang, for an hour. */
  nodePriceMicros: number
  priceMicros: number
  /** Made when it is asked for the first time (`room.ts`). */
  ask?: Ask
}

export function lookAt(need: Need, candidate: Candidate): Look {
  const { offer } = candidate
  const choices = need.roles.map(({ resources }) =>
    choiceOf(resources, { offer, isNamed: candidate.ground.names !== null }),
  )
  const slices = need.roles.map(({ resources }, role) =>
    sliceOf(resources, offer, resources.accelerators[choices[role] ?? -1]),
  )
  const prices = slices.map((slice) => slicePrice(offer, slice))
  return {
    candidate,
    choice: choices.includes(-1) ? -1 : Math.max(0, ...choices),
    slices,
    nodePriceMicros: Math.max(...prices),
    priceMicros: prices.reduce((sum, price, role) => sum + price * (need.roles[role]?.ranks ?? 0), 0),
  }
}

/** The slice of each rank. */
export const sliceOfRanks = ({ roles }: Need, { slices }: Look): Slice[] =>
  roles.flatMap(({ ranks }, role) => {
    const slice = slices[role]
    return slice ? Array.from({ length: ranks }, () => slice) : []
  })

/** What the ranks hold together, against quotas and shares; accelerators in thousandths. In the order in which quotas are told. */
export function amountsOf({ roles, ranks }: Need, { slices }: Look): Amounts {
  const sum = (of: (slice: Slice) => number) =>
    roles.reduce((total, role, i) => total + role.ranks * (slices[i] ? of(slices[i]) : 0), 0)
  return {
    accelerators: sum(acceleratorMilliOf),
    nodes: ranks,
    cpuMilli: sum((slice) => slice.cpuMilli),
    memoryMiB: sum((slice) => slice.memoryMiB),
  }
}

/** Whether it would be given anything: of a node that has nothing nobody can be given a part. */
export const isSomething = ({ slices }: Look): boolean =>
  slices.every((slice) => slice.part || resourceNames.some((name) => slice[name] > 0))
