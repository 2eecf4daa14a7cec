import type { Ask } from '#engine/cell/ask.ts'
import type { Amounts } from '#engine/queue/quota.ts'
import type { Offer } from '#model/offer.ts'

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
  /** Each role on its own offer, where not all stand on the candidate's (`mixing.ts`). */
  mix?: readonly Seated[]
  /** Its roles have an offer each at the site, whose orders are for nodes of one shape. */
  lacksMixing?: true
}

/** One role of a need, as a need of its own, and how it sees the offer that it stands on. */
export type Seated = { need: Need; look: Look }

/** What a gang takes of one offer. */
export type Holding = { candidate: Candidate; ranks: number; priceMicros: number }

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

/** What it takes of each offer that it stands on, of the candidate's own first. */
export function holdingsOf({ ranks }: Need, { candidate, priceMicros, mix }: Look): Holding[] {
  if (!mix) return [{ candidate, ranks, priceMicros }]
  const holdings = new Map<Candidate, Holding>([[candidate, { candidate, ranks: 0, priceMicros: 0 }]])
  for (const { need, look } of mix) {
    const before = holdings.get(look.candidate) ?? { ranks: 0, priceMicros: 0 }
    holdings.set(look.candidate, {
      candidate: look.candidate,
      ranks: before.ranks + need.ranks,
      priceMicros: before.priceMicros + look.priceMicros,
    })
  }
  return [...holdings.values()]
}

/** The offers that it stands on, in the order of roles. */
export const offersOf = ({ candidate, mix }: Look): Offer[] =>
  mix ? [...new Set(mix.map(({ look }) => look.candidate.offer))] : [candidate.offer]

/** Their shapes, as people read them: `16cpu + 8xh200`. */
export const shapesIn = (look: Look): string =>
  offersOf(look)
    .map(({ shape }) => shape.name)
    .join(' + ')

/** By rank the shapes of nodes that are not of the candidate's offer. */
export const otherShapes = ({ candidate, mix = [] }: Look): (string | undefined)[] =>
  mix.flatMap(({ need, look: { candidate: own } }) =>
    Array.from({ length: need.ranks }, () => (own === candidate ? undefined : own.offer.shape.name)),
  )

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
