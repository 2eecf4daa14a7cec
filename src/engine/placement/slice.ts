import type { LeasedRank } from '#model/lease.ts'
import type { Offer } from '#model/offer.ts'
import { isPart, type AcceleratorRequest, type Resources, type Shape } from '#model/resources.ts'

import { oneCpu } from './need.ts'
import { partOf, type Part } from './part.ts'

/** What one rank holds of its node. */
export type Slice = Amounts & { part?: Part }
type Amounts = Pick<LeasedRank, 'cpuMilli' | 'memoryMiB' | 'diskMiB' | 'accelerators'>

export const resourceNames = ['cpuMilli', 'memoryMiB', 'diskMiB', 'accelerators'] as const satisfies (keyof Amounts)[]

/** Accelerators in thousandths, whole ones and the part of one. */
export const acceleratorMilliOf = ({ accelerators, part }: Amounts & { part?: Part }): number =>
  1000 * accelerators + (part?.shareMilli ?? 0)

/**
 * The slice of a node of this offer that a rank gets: the whole node where it cannot be divided, else what was asked.
 * CPUs and memory that were left open, or asked for with "at least", come in proportion to the largest share that was
 * asked: who takes a quarter of the accelerators gets a quarter of the memory with them, and pays for a quarter either
 * way. Disk comes only as asked: what is free of it changes under our hands, and few care.
 */
export function sliceOf(resources: Resources, offer: Offer, request: AcceleratorRequest | undefined): Slice {
  const { shape } = offer
  if (!offer.divisible) return wholeNode(shape)
  const part = request ? partOf(request, shape) : null
  const accelerators = part ? 0 : (request?.count ?? 0)
  const asked = {
    cpuMilli: resources.cpuMilli.count,
    memoryMiB: resources.memoryMiB.count,
    diskMiB: resources.diskMiB.count,
    accelerators,
  }
  if (!part && resourceNames.every((name) => asked[name] === 0)) asked.cpuMilli = Math.min(oneCpu, shape.cpuMilli)
  const [taken, has] = [
    { ...asked, accelerators: acceleratorMilliOf({ ...asked, ...(part && { part }) }) },
    { ...shape, accelerators: 1000 * shape.accelerators },
  ]
  const largest = resourceNames.reduce((a, b) => (taken[b] * has[a] > taken[a] * has[b] ? b : a))
  const given = (name: 'cpuMilli' | 'memoryMiB') =>
    resources[name].atLeast && has[largest] > 0
      ? Math.max(asked[name], Math.floor((has[name] * taken[largest]) / has[largest]))
      : asked[name]
  return { ...asked, cpuMilli: given('cpuMilli'), memoryMiB: given('memoryMiB'), ...(part && { part }) }
}

const wholeNode = ({ cpuMilli, memoryMiB, diskMiB, accelerators }: Shape): Amounts => ({
  cpuMilli,
  memoryMiB,
  diskMiB,
  accelerators,
})

/**
 * Price of a slice for an hour, in micro-dollars: its dominant share of the node's price (the largest of its shares of
 * any resource), rounded up. So slices that fill a node pay at least the node, and none pays more than the node.
 */
export function slicePrice({ shape, priceMicros, divisible }: Offer, slice: Slice): number {
  if (!divisible) return priceMicros
  const price = BigInt(priceMicros)
  const parts = resourceNames.map((name) => {
    const isMilli = name === 'accelerators'
    const part = BigInt(isMilli ? acceleratorMilliOf(slice) : slice[name])
    const whole = BigInt(isMilli ? 1000 * shape.accelerators : shape[name])
    return whole === 0n ? 0n : (price * part + whole - 1n) / whole
  })
  return Number(parts.reduce((most, part) => (part > most ? part : most), 0n))
}

/**
 * Which of the accelerators asked for a node of this offer satisfies: the place in the list (0 when none were asked
 * for), or -1. Models compare without case. A part is of an accelerator of a node that we know, for who shares it must be
 * told which one; and of a node that is divided.
 */
export function choiceOf({ accelerators }: Resources, { offer, isNamed }: { offer: Offer; isNamed: boolean }): number {
  const { shape, divisible } = offer
  const satisfies = (request: AcceleratorRequest): boolean =>
    isOfKind(request, shape) &&
    shape.accelerators >= request.count &&
    (!isPart(request) || (divisible && isNamed && partOf(request, shape) !== null))
  return accelerators.length === 0 ? 0 : accelerators.findIndex(satisfies)
}

/** Whether the accelerators of a shape are of the model, or have the memory, that is asked for. */
export function isOfKind({ model, memoryMiB }: AcceleratorRequest, shape: Shape): boolean {
  if (shape.accelerators === 0) return false
  if (model !== undefined && model.toLowerCase() !== shape.accelerator?.toLowerCase()) return false
  if (memoryMiB === undefined) return true
  // Drivers report up to 7 % less than the size that a card is sold as (a T4 of 16 GB shows 15 360 MiB).
  const enough = shape.acceleratorMemoryMiB * 100 >= memoryMiB.count * 93
  return enough && (memoryMiB.atLeast || shape.acceleratorMemoryMiB <= memoryMiB.count)
}

/** The largest part of a node that a slice takes of any of its resources. */
export function dominantShare(slice: Slice, node: Omit<Slice, 'part'>): number {
  const shares = resourceNames.map((name) => {
    const amount = name === 'accelerators' ? acceleratorMilliOf(slice) / 1000 : slice[name]
    return node[name] > 0 ? amount / node[name] : 0
  })
  return Math.min(1, Math.max(...shares))
}
