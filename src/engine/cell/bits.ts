/**
 * Sets of small numbers, many of one size side by side (rows), each as a bitmap with two summaries above it: a bit of a
 * summary says that 32 bits below it are not all 0. Adding, removing and finding the next member touch three words.
 *
 * Here and in the rest of the cell, typed arrays are never read out of their bounds; `?? 0` only tells the compiler so
 * (V8 drops it in optimised code).
 */
export type BitRows = {
  /** Words of a row in each of the three bitmaps. */
  width0: number
  width1: number
  width2: number
  bits0: Int32Array
  bits1: Int32Array
  bits2: Int32Array
}

const wordsFor = (bits: number): number => Math.max(1, (bits + 31) >>> 5)

/** Empty sets of numbers in [0, size). */
export function createBitRows(rows: number, size: number): BitRows {
  const width0 = wordsFor(size)
  const width1 = wordsFor(width0)
  const width2 = wordsFor(width1)
  return {
    width0,
    width1,
    width2,
    bits0: new Int32Array(rows * width0),
    bits1: new Int32Array(rows * width1),
    bits2: new Int32Array(rows * width2),
  }
}

export function addBit(set: BitRows, row: number, member: number): void {
  const word0 = member >>> 5
  const at0 = row * set.width0 + word0
  const before0 = set.bits0[at0] ?? 0
  set.bits0[at0] = before0 | (1 << member) // a shift counts modulo 32
  if (before0 !== 0) return
  const word1 = word0 >>> 5
  const at1 = row * set.width1 + word1
  const before1 = set.bits1[at1] ?? 0
  set.bits1[at1] = before1 | (1 << word0)
  if (before1 !== 0) return
  const at2 = row * set.width2 + (word1 >>> 5)
  set.bits2[at2] = (set.bits2[at2] ?? 0) | (1 << word1)
}

export function removeBit(set: BitRows, row: number, member: number): void {
  const word0 = member >>> 5
  const at0 = row * set.width0 + word0
  const after0 = (set.bits0[at0] ?? 0) & ~(1 << member)
  set.bits0[at0] = after0
  if (after0 !== 0) return
  const word1 = word0 >>> 5
  const at1 = row * set.width1 + word1
  const after1 = (set.bits1[at1] ?? 0) & ~(1 << word0)
  set.bits1[at1] = after1
  if (after1 !== 0) return
  const at2 = row * set.width2 + (word1 >>> 5)
  set.bits2[at2] = (set.bits2[at2] ?? 0) & ~(1 << word1)
}

const lowest = (word: number): number => 31 - Math.clz32(word & -word)

/** The first member from `from` on, or -1. */
export function nextBit(set: BitRows, row: number, from: number): number {
  let word0 = from >>> 5
  if (word0 >= set.width0) return -1
  const rest0 = (set.bits0[row * set.width0 + word0] ?? 0) & (-1 << from)
  if (rest0 !== 0) return (word0 << 5) + lowest(rest0)
  word0++
  let word1 = word0 >>> 5
  if (word1 >= set.width1) return -1
  let rest1 = (set.bits1[row * set.width1 + word1] ?? 0) & (-1 << word0)
  if (rest1 === 0) {
    word1++
    let word2 = word1 >>> 5
    if (word2 >= set.width2) return -1
    let rest2 = (set.bits2[row * set.width2 + word2] ?? 0) & (-1 << word1)
    while (rest2 === 0) {
      if (++word2 >= set.width2) return -1
      rest2 = set.bits2[row * set.width2 + word2] ?? 0
    }
    word1 = (word2 << 5) + lowest(rest2)
    rest1 = set.bits1[row * set.width1 + word1] ?? 0
  }
  word0 = (word1 << 5) + lowest(rest1)
  return (word0 << 5) + lowest(set.bits0[row * set.width0 + word0] ?? 0)
}

/** The last member up to and including `upTo`, or -1. */
export function lastBit(set: BitRows, row: number, upTo: number): number {
  let word0 = upTo >>> 5
  let rest0 = (set.bits0[row * set.width0 + word0] ?? 0) & (-1 >>> (31 - (upTo & 31)))
  while (rest0 === 0) {
    if (--word0 < 0) return -1
    if ((word0 & 31) === 31 && (set.bits1[row * set.width1 + (word0 >>> 5)] ?? 0) === 0) word0 -= 31
    rest0 = set.bits0[row * set.width0 + word0] ?? 0
  }
  return (word0 << 5) + 31 - Math.clz32(rest0)
}
