import type { Project } from '#model/project.ts'

import { divisionOf } from './division.ts'

/** How projects fared against max-min fair shares, by their weights in their trees. */
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

/** Watches the projects of these names; `terms` say of each, and of those above it, what it weighs. */
export function createFairnessWatch(names: readonly string[], terms: readonly Project[]): FairnessWatch {
  const projects = names.length
  const divide = divisionOf(names, terms)
  const waits = new Float64Array(projects)
  const uses = new Float64Array(projects)
  const entitledMs = new Float64Array(projects)
  const asked = new Float64Array(projects)
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
      divide(asked, capacity, shares)
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
