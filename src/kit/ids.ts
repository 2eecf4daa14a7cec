import type { Instant } from './clock.ts'

/** Random bytes on demand; `node:crypto`'s in production, a seeded stream in the simulator. */
export type RandomBytes = (count: number) => Uint8Array

/** The same bytes, asked for some thousand at a time: the system answers each time for as much as a dozen ids cost. */
export function pooled(random: RandomBytes): RandomBytes {
  let pool: Uint8Array = new Uint8Array()
  let from = 0
  return (count) => {
    if (from + count > pool.length) [pool, from] = [random(Math.max(count, 4_096)), 0]
    from += count
    return pool.subarray(from - count, from)
  }
}

/** Makes ids of a kind, such as `w-0k3v9m2a7q4xz1t8`: sortable by time, safe in names, labels, paths and addresses. */
export type Ids = (prefix: string) => string

/** Crockford's base 32 in lower case: no i, l, o or u, so that an id can be read aloud. */
const alphabet = '0123456789abcdefghjkmnpqrstvwxyz'

export function createIds(now: () => Instant, random: RandomBytes): Ids {
  return (prefix) => {
    let text = ''
    for (let time = now(), i = 0; i < 9; i++, time = Math.floor(time / 32)) text = alphabet.charAt(time % 32) + text
    for (const byte of random(7)) text += alphabet.charAt(byte % 32)
    return `${prefix}-${text}`
  }
}
