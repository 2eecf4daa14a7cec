import { endOfGang, type Gang, sightingOf } from '#providers/simulated/gang.ts'
import type { RankSighting } from '#providers/provider.ts'

/** What its ranks really do, shown by anybody or not; none when nothing is left of it. */
export const ranksOf = (gang: Gang, now: number): readonly RankSighting[] =>
  sightingOf({ ...gang, shownFrom: 0 }, now)?.ranks ?? []

/** Whether it is there and all is well with it: nobody told it to end, and nothing of it has. */
export const isHealthy = (gang: Gang, now: number): boolean =>
  !gang.closed && gang.stop === null && gang.takenAt > now && endOfGang(gang) > now
