import type { SpotRates } from './spot-plan.ts'

/** What is known of the spot markets that a job may use, from having watched them tick by tick. */
export type SpotWatch = {
  /**
   * One tick: which zones have capacity. Of those that were not `watched` it is believed: nothing is learnt from
   * them.
   */
  saw: (up: readonly boolean[], watched?: readonly boolean[]) => void
  /** State of the market now, as in the rates; or where these zones have capacity now. */
  state: (up?: readonly boolean[]) => number
  /** The zone that has capacity and is least likely to lose it; -1 when none has. */
  best: (up?: readonly boolean[]) => number
  /** The chance that a zone loses what it has within a tick. */
  hazard: (zone: number) => number
  rates: () => SpotRates
}

/** Zones are graded by the chance that they lose what they have within a tick: each grade is twice as likely to. */
const firstGrade = 1 / 256
const grades = 8
/** Ages are told apart by their powers of two: what has lasted for long lasts longer, capacity and the lack of it. */
const ages = 10
const idleAges = 6
/** After so many ticks what was seen counts half: markets change from week to week, and zones from day to day. */
const fade = 2 ** (-1 / 3_000)
const zoneFade = 2 ** (-1 / 600)
/** Weight of what is believed before anything was seen: ticks of an age, and losses of a zone. */
const priorTicks = 20
const priorLosses = 1.5

const ageOf = (ticks: number, most = ages): number => Math.min(most - 1, 31 - Math.clz32(Math.max(1, ticks)))
/** Believed of capacity that has been there for an age: it is as likely to go as it is young. */
const believed = (age: number): number => 0.4 / 2 ** age

/**
 * How likely each zone is to lose what it has: as any zone that has had it for so long, times how the losses of this one
 * compare with what its ages let expect.
 */
function createHazards(zones: number) {
  const since = new Float64Array(zones) // ticks of each zone in the state it is in
  const heldAt = new Float64Array(ages) // by age: ticks with capacity, and how often it was gone after one
  const lostAt = new Float64Array(ages)
  const expected = new Float64Array(zones)
  const lost = new Float64Array(zones)
  const hazardAt = (age: number): number =>
    ((lostAt[age] ?? 0) + believed(age) * priorTicks) / ((heldAt[age] ?? 0) + priorTicks)
  const hazard = (zone: number): number =>
    (hazardAt(ageOf(since[zone] ?? 1)) * ((lost[zone] ?? 0) + priorLosses)) / ((expected[zone] ?? 0) + priorLosses)
  return {
    hazard,
    grade: (zone: number): number =>
      Math.max(0, Math.min(grades - 1, Math.round(Math.log2(hazard(zone) / firstGrade)))),
    /** Learns from a zone that had capacity. */
    learn(zone: number, gone: boolean): void {
      const age = ageOf(since[zone] ?? 1)
      expected[zone] = (expected[zone] ?? 0) * zoneFade + hazardAt(age)
      lost[zone] = (lost[zone] ?? 0) * zoneFade + Number(gone)
      heldAt[age] = (heldAt[age] ?? 0) * fade + 1
      lostAt[age] = (lostAt[age] ?? 0) * fade + Number(gone)
    },
    lasts(zone: number, isSame: boolean, most: number): void {
      const before = since[zone] ?? 0
      since[zone] = isSame ? Math.max(before, Math.min(before + 1, most)) : 1
    },
  }
}

/** What nobody watches is believed to get older, up to `mostUnseen` ticks. */
export function watchSpot(zones: number, mostUnseen = Infinity): SpotWatch {
  const { hazard, grade, learn, lasts } = createHazards(zones)
  const states = idleAges + grades // without any capacity by its age, then the grades
  const chain = Array.from({ length: states }, () => new Float64Array(states))
  const after = new Float64Array(states)
  const held = Array.from({ length: grades }, () => new Float64Array(grades + 1)) // the last: taken
  let last: readonly boolean[] = []
  let [state, without] = [0, 0]

  function best(now = last): number {
    let found = -1
    now.forEach((up, zone) => {
      if (up && (found === -1 || hazard(zone) < hazard(found))) found = zone
    })
    return found
  }
  const stateOf = (zone: number): number => (zone === -1 ? ageOf(without, idleAges) : idleAges + grade(zone))

  return {
    saw(up, watched) {
      const isKnown = (zone: number) => watched?.[zone] ?? true
      const was = last.map((had, zone) => (had && isKnown(zone) ? grade(zone) : -1))
      was.forEach((had, zone) => had >= 0 && learn(zone, !up[zone]))
      const before = best()
      const first = last.length === 0
      up.forEach((now, zone) => lasts(zone, now === last[zone], isKnown(zone) ? Infinity : mostUnseen))
      last = [...up]
      without = up.some(Boolean) ? 0 : without + 1
      const next = stateOf(best())
      if (!first && (before === -1 || isKnown(before))) count(chain[state], next)
      was.forEach((had, one) => {
        if (had < 0) return
        count(held[had], up[one] ? grade(one) : grades)
        if (!up[one]) after[next] = (after[next] ?? 0) + 1
      })
      state = next
    },
    state: (up) => (up ? stateOf(best(up)) : state),
    best,
    hazard,
    rates: () => ({
      idle: idleAges,
      market: chain.map((row, from) => chances(row, { [from]: 1 })),
      held: held.map((row, of) => {
        const taken = Math.min(0.5, firstGrade * 2 ** of)
        return chances(row, { [of]: priorTicks * (1 - taken), [grades]: priorTicks * taken }).slice(0, grades)
      }),
      afterTaken: chances(after, { 0: 1 }),
    }),
  }
}

function count(row: Float64Array | undefined, to: number): void {
  row?.forEach((seen, at) => (row[at] = seen * fade + Number(at === to)))
}

/** Counts as chances, with what is believed beside them. */
function chances(counts: Float64Array, prior: Record<number, number>): number[] {
  const all = Array.from(counts, (seen, to) => seen + (prior[to] ?? 0))
  const sum = all.reduce((one, other) => one + other, 0)
  return all.map((one) => one / sum)
}
