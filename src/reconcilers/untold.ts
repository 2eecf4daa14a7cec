import type { Decision } from '#model/plan.ts'

/** So many refusals are written together, and so often: fewer beside starts, which nobody is to wait for. */
const alone = { most: 128, everyMs: 50 }
const besideStarts = { most: 32, everyMs: 100 }

/** Refusals that are to be written, those who were promised a start first. */
export type Untold = {
  add(refusals: readonly Decision[]): void
  /** What is to be written now, beside so many starts: who is to leave is told with the decision itself. */
  take(now: number, starts: number): Decision[]
  /** When there is more to be written, if there is. */
  at(): number | null
  /** These start, and what they waited for is nothing to tell any more. */
  forget(started: readonly Decision[]): void
  clear(): void
}

export function createUntold(): Untold {
  const waiting = new Map<string, Decision>()
  let toldAt = Number.NEGATIVE_INFINITY
  return {
    add(refusals) {
      for (const one of refusals) waiting.set(keyOf(one), one)
    },
    take(now, starts) {
      const all = [...waiting.values()]
      const urgent = all.filter(({ preempts, lets }) => preempts ?? lets)
      const { most, everyMs } = starts > 0 ? besideStarts : alone
      const isTime = now >= toldAt + everyMs
      const others = isTime
        ? all
            .filter((one) => !urgent.includes(one))
            .sort(promisedFirst)
            .slice(0, most)
        : []
      if (others.length > 0) toldAt = now
      const taken = [...urgent, ...others]
      for (const one of taken) waiting.delete(keyOf(one))
      return taken
    },
    at: () => (waiting.size > 0 ? toldAt + alone.everyMs : null),
    forget(started) {
      for (const one of started) waiting.delete(keyOf(one))
    },
    clear: () => waiting.clear(),
  }
}

const keyOf = ({ workload, replica }: Decision): string => `${workload} ${replica}`

const promisedFirst = (one: Decision, other: Decision): number =>
  Number(Boolean(other.refusal?.start)) - Number(Boolean(one.refusal?.start))
