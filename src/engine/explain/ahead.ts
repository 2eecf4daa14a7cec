import type { Asked } from '#engine/placement/facts.ts'
import type { Row } from '#engine/placement/rows.ts'

import type { Refused } from './rejections.ts'

/** Who waits for the same and goes before somebody, by name. Bounded: a queue may be long. */
export type Ahead = {
  /** Of other rows, where the candidate stands that came closest. */
  of: (row: Row, closest: Refused | undefined) => string[]
  /** Notes that a row waits from now on wherever it could stand; `first` is the first of it. */
  add: (row: Row, first: Asked | undefined) => void
  /** Those before, and of the first of its own row those that come before it. */
  inRow: (asked: Asked, before: readonly string[], firsts: readonly Asked[]) => string[]
}

export const mostAhead = 3

export function createAhead(): Ahead {
  const waiting = new Map<string, string[]>()
  return {
    of({ need }, closest) {
      if (!closest) return []
      const { objection, look } = closest
      const place = objection.rule === 'quota' ? `project ${need.project.name}` : placeOf(look)
      return (waiting.get(place) ?? []).filter((name) => name !== need.workload.name).slice(0, mostAhead)
    },
    add({ need, fits }, first) {
      if (!first) return
      for (const place of new Set([`project ${need.project.name}`, ...fits.map(({ look }) => placeOf(look))])) {
        const names = waiting.get(place) ?? []
        // One more than are told, for one of them may be the asker.
        if (names.length <= mostAhead && !names.includes(first.workload.name)) names.push(first.workload.name)
        waiting.set(place, names)
      }
    },
    inRow(asked, before, firsts) {
      const names = new Set(before)
      for (const one of firsts) {
        if (one === asked) break
        if (one.workload.id !== asked.workload.id) names.add(one.workload.name)
      }
      return [...names].slice(0, mostAhead)
    },
  }
}

const placeOf = ({ candidate }: Refused['look']): string => `${candidate.ground.number} ${candidate.offer.shape.name}`
