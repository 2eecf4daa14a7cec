import type { SpotRates } from './spot-plan.ts'

/** What is known of the spot markets that a job may use, from having watched them tick by tick. */
export type SpotWatch = {
  /** One tick: which zones have capacity. */
  saw: (up: readonly boolean[]) => void
  /** State of the market now: 0 when no zone has capacity, else the grade of the best zone that has. */
  state: () => number
  /** The zone that has capacity and is least likely to lose it; -1 when none has. */
  best: () => number
  rates: () => SpotRates
}

/** Zones are graded by the chance that they lose what they have within a tick: each grade is twice as likely to. */
const firstGrade = 1 / 256
const grades = 5
/** Weight of what is believed before anything was seen, in ticks. */
const prior = 20
/** After so many ticks what was seen counts half: markets change from week to week. */
const halfLifeTicks = 3_000

export function watchSpot(zones: number): SpotWatch {
  const fade = 2 ** (-1 / halfLifeTicks)
  const held = new Float64Array(zones) // ticks with capacity, and how often it was gone after one
  const lost = new Float64Array(zones)
  const chain = Array.from({ length: grades + 1 }, () => new Float64Array(grades + 1))
  const after = new Float64Array(grades + 1)
  const heldAt = new Float64Array(grades + 1)
  const lostAt = new Float64Array(grades + 1)
  let last: readonly boolean[] = []
  let state = 0

  const hazard = (zone: number): number => ((lost[zone] ?? 0) + 1) / ((held[zone] ?? 0) + prior)
  const grade = (zone: number): number =>
    Math.max(1, Math.min(grades, 1 + Math.ceil(Math.log2(hazard(zone) / firstGrade))))

  function best(): number {
    let found = -1
    last.forEach((up, zone) => {
      if (up && (found === -1 || hazard(zone) < hazard(found))) found = zone
    })
    return found
  }

  function follow(zone: number, gone: boolean): number {
    const of = grade(zone)
    heldAt[of] = (heldAt[of] ?? 0) * fade + 1
    lostAt[of] = (lostAt[of] ?? 0) * fade + (gone ? 1 : 0)
    held[zone] = (held[zone] ?? 0) * fade + 1
    lost[zone] = (lost[zone] ?? 0) * fade + (gone ? 1 : 0)
    return gone ? 1 : 0
  }

  return {
    saw(up) {
      const losses = last.reduce((sum, was, zone) => sum + (was ? follow(zone, !up[zone]) : 0), 0)
      const first = last.length === 0
      last = [...up]
      const zone = best()
      const next = zone === -1 ? 0 : grade(zone)
      const row = chain[state]
      if (!first && row) {
        row.forEach((count, to) => (row[to] = count * fade))
        row[next] = (row[next] ?? 0) + 1
      }
      after[next] = (after[next] ?? 0) + losses
      state = next
    },
    state: () => state,
    best,
    rates: () => ({
      market: chain.map((row, from) => chances(row, from)),
      taken: Array.from(heldAt, (ticks, of) => {
        const expected = firstGrade * 2 ** (of - 1)
        return of === 0 ? 1 : ((lostAt[of] ?? 0) + expected * prior) / (ticks + prior)
      }),
      afterTaken: chances(after, -1),
    }),
  }
}

/** Counts as chances. Where little was seen, nothing is certain, and a state stays what it is (`as`). */
function chances(counts: Float64Array, as: number): number[] {
  const believed = (to: number) => (to === as ? prior : 1)
  const all = counts.reduce((sum, count, to) => sum + count + believed(to), 0)
  return Array.from(counts, (count, to) => (count + believed(to)) / all)
}
