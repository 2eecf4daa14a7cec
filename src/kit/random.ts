import type { RandomBytes } from './ids.ts'

/** A stream of pseudo-random numbers: fast, small, the same for the same seed. Not for secrets. */
export type Random = {
  /** A fraction in [0, 1) with 32 random bits. */
  next(): number
  /** A whole number in [0, end). */
  below(end: number): number
  bytes: RandomBytes
}

/** The generator sfc32 (Chris Doty-Humphrey, PractRand): 128 bits of state, of which 32 count, so no short period. */
export function createRandom(seed: string | number): Random {
  const state = new Uint32Array([lane(0x9e3779b9, [seed]), lane(0x85ebca6b, [seed]), lane(0xc2b2ae35, [seed]), 1])
  const step = (): number => {
    const [a = 0, b = 0, c = 0, counter = 0] = state
    const out = (a + b + counter) >>> 0
    state[0] = b ^ (b >>> 9)
    state[1] = c + (c << 3)
    state[2] = ((c << 21) | (c >>> 11)) + out
    state[3] = counter + 1
    return out
  }
  for (let i = 0; i < 12; i++) step() // seeds that differ in one bit are far apart by then
  const next = () => step() / 2 ** 32
  return {
    next,
    below: (end) => Math.floor(next() * end),
    bytes: (count) => Uint8Array.from({ length: count }, () => step() >>> 24),
  }
}

/**
 * One fraction in [0, 1) that belongs to these parts: the same for the same parts, and as good as independent of that
 * of any others. What is drawn so does not depend on the order in which things happen.
 */
export const drawOf = (...parts: (string | number)[]): number =>
  (lane(0x9e3779b9, parts) * 2 ** 21 + (lane(0x85ebca6b, parts) >>> 11)) / 2 ** 53

/** FNV-1a over the parts, from a start that makes lanes differ, and the finish of MurmurHash3, which spreads it. */
function lane(start: number, parts: (string | number)[]): number {
  let hash = start
  for (const part of parts) {
    const text = String(part)
    for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
    hash = Math.imul(hash ^ 0x1ffff, 0x01000193) // no character: where one part ends
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}
