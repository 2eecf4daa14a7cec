import { addBit, createBitRows, lastBit, nextBit, removeBit } from './bits.ts'

import type { BitRows } from './bits.ts'

/**
 * The domains of a level by what is free in each, so that the best fit is "find first set" twice: the first bucket that
 * is large enough and not empty, and in it the domain of the lowest number. What is full is in no bucket. Where
 * a bucket for each count would take too much memory, neighbouring counts share one (`shift`): then the fit is the best
 * up to 2^shift.
 */
export type Buckets = {
  shift: number
  /** The buckets that are not empty. */
  open: BitRows
  /** The domains in each bucket. */
  members: BitRows
  population: Int32Array
}

/** At most 4 MiB of bitmap for a level. */
const wordsAtMost = 2 ** 20

export function createBuckets(domains: number, most: number): Buckets {
  const words = (domains + 31) >>> 5
  let shift = 0
  while (((most >>> shift) + 1) * words > wordsAtMost && most >>> shift > 0) shift++
  const buckets = (most >>> shift) + 1
  return {
    shift,
    open: createBitRows(1, buckets),
    members: createBitRows(buckets, domains),
    population: new Int32Array(buckets),
  }
}

export function putIn(buckets: Buckets, domain: number, units: number): void {
  const bucket = units >>> buckets.shift
  addBit(buckets.members, bucket, domain)
  countIn(buckets, bucket, 1)
}

export function takeOut(buckets: Buckets, domain: number, units: number): void {
  const bucket = units >>> buckets.shift
  removeBit(buckets.members, bucket, domain)
  countIn(buckets, bucket, -1)
}

/** So many domains more, or fewer, are members of a bucket. */
export function countIn(buckets: Buckets, bucket: number, change: number): void {
  const before = buckets.population[bucket] ?? 0
  const after = before + change
  buckets.population[bucket] = after
  if (before === 0 && after > 0) addBit(buckets.open, 0, bucket)
  if (before > 0 && after === 0) removeBit(buckets.open, 0, bucket)
}

export const nextBucket = (buckets: Buckets, from: number): number => nextBit(buckets.open, 0, from)

export const lastBucket = (buckets: Buckets): number => lastBit(buckets.open, 0, buckets.population.length - 1)

export const bucketBelow = (buckets: Buckets, bucket: number): number =>
  bucket === 0 ? -1 : lastBit(buckets.open, 0, bucket - 1)

/** The first domain of a bucket from `from` on, or -1. */
export const nextMember = (buckets: Buckets, bucket: number, from: number): number =>
  nextBit(buckets.members, bucket, from)
