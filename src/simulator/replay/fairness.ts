/**
 * The max-min fair division of what there is: nobody gets more than it asks for, and what is left over is divided among
 * those who ask for more (progressive filling; Bertsekas and Gallager, "Data Networks", 1992).
 */
export function fairShares(asked: Float64Array, capacity: number): Float64Array<ArrayBuffer> {
  const shares = new Float64Array(asked.length)
  divide({ asked, ascending: asked.toSorted(), shares }, capacity)
  return shares
}

type Division = { asked: Float64Array; ascending: Float64Array; shares: Float64Array }

function divide({ asked, ascending, shares }: Division, capacity: number): void {
  let left = capacity
  let most = Number.POSITIVE_INFINITY
  for (let passed = 0; passed < ascending.length; passed++) {
    const one = ascending[passed] ?? 0
    most = left / (ascending.length - passed)
    if (one > most) break // this one and all that ask for more get as much
    left -= one
    most = one
  }
  for (let project = 0; project < asked.length; project++) shares[project] = Math.min(asked[project] ?? 0, most)
}

/** So few are sorted faster by insertion. */
const few = 32

function sort(values: Float64Array): void {
  if (values.length > few) values.sort()
  else insert(values)
}

function insert(values: Float64Array): void {
  for (let i = 1; i < values.length; i++) {
    const value = values[i] ?? 0
    let at = i
    for (; at > 0 && (values[at - 1] ?? 0) > value; at--) values[at] = values[at - 1] ?? 0
    values[at] = value
  }
}

/** How projects fared against max-min fair shares. */
export type Fairness = {
  /** Of each project: what its fair share over time came to, in units × milliseconds. */
  entitledMs: Float64Array
  /** Mean part of the capacity that was not where it should have been, 0 to 1. */
  shareError: number
}

export type FairnessWatch = {
  /** Project's demand changed: what waits and what runs, in units. */
  waiting(project: number, change: number): void
  used(project: number, change: number): void
  /** Time went on to `now`; looks again, when enough has happened. */
  look(now: number, capacity: number): void
  result(): Fairness
}

export function createFairnessWatch(projects: number): FairnessWatch {
  const waits = new Float64Array(projects)
  const uses = new Float64Array(projects)
  const entitledMs = new Float64Array(projects)
  const asked = new Float64Array(projects)
  const ascending = new Float64Array(projects)
  /** Many projects are looked at less often: the figures are sums over time of what was seen last. */
  const stride = Math.max(1, Math.floor(projects / 4))
  const shares = new Float64Array(projects)
  let [error, errorMs, timeMs, at, looks] = [0, 0, 0, 0, 0]
  let changed = true
  const change = (amounts: Float64Array, project: number, by: number): void => {
    amounts[project] = (amounts[project] ?? 0) + by
    changed = true
  }
  return {
    waiting: (project, by) => change(waits, project, by),
    used: (project, by) => change(uses, project, by),
    look(now, capacity) {
      if (!changed || looks++ % stride !== 0) return
      changed = false
      const ms = now - at
      at = now
      errorMs += error * ms
      timeMs += ms
      let wrong = 0
      for (let i = 0; i < projects; i++) {
        entitledMs[i] = (entitledMs[i] ?? 0) + (shares[i] ?? 0) * ms
        asked[i] = (waits[i] ?? 0) + (uses[i] ?? 0)
      }
      ascending.set(asked)
      sort(ascending)
      divide({ asked, ascending, shares }, capacity)
      for (let i = 0; i < projects; i++) wrong += Math.max(0, (shares[i] ?? 0) - (uses[i] ?? 0))
      error = capacity > 0 ? wrong / capacity : 0
    },
    result: () => ({ entitledMs, shareError: timeMs > 0 ? errorMs / timeMs : 0 }),
  }
}

/** Jain's index: 1 when all have the same, 1/n when one has all (Jain, Chiu, Hawe, 1984). */
export function jainIndex(values: readonly number[]): number {
  const sum = values.reduce((all, value) => all + value, 0)
  const squares = values.reduce((all, value) => all + value * value, 0)
  return squares === 0 ? 1 : (sum * sum) / (values.length * squares)
}
