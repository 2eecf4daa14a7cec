import type { LeasedRank } from '#model/lease.ts'
import type { Offer } from '#model/offer.ts'
import type { AcceleratorRequest, Resources, Shape } from '#model/resources.ts'

import { oneCpu } from './need.ts'

/** What one rank holds of its node. */
export type Slice = Pick<LeasedRank, 'cpuMilli' | 'memoryMiB' | 'diskMiB' | 'accelerators'>

export const resourceNames = ['cpuMilli', 'memoryMiB', 'diskMiB', 'accelerators'] as const satisfies (keyof Slice)[]

/**
 * The slice of a node of this offer that a rank gets: the whole node where it cannot be divided, else what was asked.
 * CPUs and memory that were left open, or asked for with "at least", come in proportion to the largest share that was
 * asked: who takes a quarter of the accelerators gets a quarter of the memory with them, and pays for a quarter either
 * way. Disk comes only as asked: what is free of it changes under our hands, and few care.
 */
export function sliceOf(resources: Resources, offer: Offer, accelerators: number): Slice {
  const { shape } = offer
  if (!offer.divisible) return wholeNode(shape)
  const asked = {
    cpuMilli: resources.cpuMilli.count,
    memoryMiB: resources.memoryMiB.count,
    diskMiB: resources.diskMiB.count,
    accelerators,
  }
  if (resourceNames.every((name) => asked[name] === 0)) asked.cpuMilli = Math.min(oneCpu, shape.cpuMilli)
  const largest = resourceNames.reduce((a, b) => (asked[b] * shape[a] > asked[a] * shape[b] ? b : a))
  const given = (name: 'cpuMilli' | 'memoryMiB') =>
    resources[name].atLeast && shape[largest] > 0
      ? Math.max(asked[name], Math.floor((shape[name] * asked[largest]) / shape[largest]))
      : asked[name]
  return { ...asked, cpuMilli: given('cpuMilli'), memoryMiB: given('memoryMiB') }
}

const wholeNode = ({ cpuMilli, memoryMiB, diskMiB, accelerators }: Shape): Slice => ({
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
    const [part, whole] = [BigInt(slice[name]), BigInt(shape[name])]
    return whole === 0n ? 0n : (price * part + whole - 1n) / whole
  })
  return Number(parts.reduce((most, part) => (part > most ? part : most), 0n))
}

/**
 * Which of the accelerators asked for a node of this shape satisfies: the place in the list (0 when none were asked
 * for), or -1. Models compare without case.
 */
export function choiceOf({ accelerators }: Resources, shape: Shape): number {
  return accelerators.length === 0 ? 0 : accelerators.findIndex((request) => satisfies(request, shape))
}

const satisfies = (request: AcceleratorRequest, shape: Shape): boolean =>
  isOfKind(request, shape) && shape.accelerators >= request.count

/** Whether the accelerators of a shape are of the model, or have the memory, that is asked for. */
export function isOfKind({ model, memoryMiB }: AcceleratorRequest, shape: Shape): boolean {
  if (shape.accelerators === 0) return false
  if (model !== undefined && model.toLowerCase() !== shape.accelerator?.toLowerCase()) return false
  if (memoryMiB === undefined) return true
  // Drivers report up to 7 % less than the size that a card is sold as (a T4 of 16 GB shows 15 360 MiB).
  const enough = shape.acceleratorMemoryMiB * 100 >= memoryMiB.count * 93
  return enough && (memoryMiB.atLeast || shape.acceleratorMemoryMiB <= memoryMiB.count)
}
