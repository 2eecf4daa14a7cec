import type { Random } from '#kit/random.ts'

/** Draws out of a seeded source. */
export type Draw = ReturnType<typeof createDraw>

export function createDraw(random: Random) {
  const between = (least: number, most: number): number => least + random.below(most - least + 1)
  return {
    between,
    chance: (share: number): boolean => random.next() < share,
    of: <const T extends readonly [unknown, ...unknown[]]>(all: T): T[number] =>
      all[random.below(all.length)] ?? all[0],
    any: <T>(all: readonly T[], otherwise: T): T => all[random.below(all.length)] ?? otherwise,
  }
}
