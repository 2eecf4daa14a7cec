import type { Random } from '#kit/random.ts'
import type { Claim } from '#store/store.ts'
import type { Pair } from './pair.ts'

/** What is drawn at random for one step. */
export type Draw = {
  below(end: number): number
  /** True so often. */
  chance(share: number): boolean
  one<T>(list: Iterable<T>): T | undefined
  of<const List extends readonly [unknown, ...unknown[]]>(list: List): List[number]
  /** So many at the most, in an order of their own. */
  some<T>(list: Iterable<T>, most: number): T[]
}

export function createDraw(random: Random): Draw {
  const some = <T>(list: Iterable<T>, most: number): T[] => {
    const left = [...list]
    const taken: T[] = []
    for (let i = Math.min(left.length, random.below(most + 1)); i > 0; i--)
      taken.push(...left.splice(random.below(left.length), 1))
    return taken
  }
  return {
    below: random.below,
    chance: (share) => random.next() < share,
    one(list) {
      const all = [...list]
      return all[random.below(all.length)]
    },
    of: (list) => list[random.below(list.length)] ?? list[0],
    some,
  }
}

/** What is kept from one step for the next ones: what somebody was told, though it may be true no more. */
export type Told = {
  claims: Claim[]
  operations: { id: string; tries: number; holder: string; lease: string }[]
  needs: string[]
  plans: string[]
  /** Of which ids of what steps invent are made. */
  made: number
  run: number
}

export type Step = (pair: Pair, draw: Draw, told: Told) => Promise<unknown>

export const newTold = (run: number): Told => ({ claims: [], operations: [], needs: [], plans: [], made: 0, run })

export const madeId = (told: Told, prefix: string): string =>
  `${prefix}-${told.run}-${String((told.made += 1)).padStart(6, '0')}`

export const projects = ['default', 'red', 'blue'] as const
export const siteNames = ['west', 'east', 'north'] as const
export const siteKeys = siteNames.map((name) => `local/${name}`)
export const holders = ['plane-1', 'plane-2'] as const

/** The id of a row, now and then of none. */
export const idOf = (draw: Draw, rows: Iterable<{ id: string }>): string =>
  draw.chance(0.03) ? 'x-none' : (draw.one(rows)?.id ?? 'x-none')

/** About now, in either direction. */
export const about = (pair: Pair, draw: Draw, ms = 60_000): number => pair.clock.at - ms + draw.below(2 * ms)
