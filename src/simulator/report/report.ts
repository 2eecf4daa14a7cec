import { figures, figureNames, type FigureName, type Value } from './figure.ts'
import type { RunReport } from './run-report.ts'

/** What a simulation found: what went in, and a run for each policy. Plain data. */
export type Report = {
  version: 1
  seed: number
  fleet: { file: string; nodes: number; gpus: number; cpus: number }
  traces: { file: string; format: string; jobs: number }[]
  scenario: string | null
  /** A file of projects. */
  projects: string | null
  /** Whether it was stopped before the end: the figures tell of what came until then. */
  interrupted: boolean
  runs: RunReport[]
}

/** How one figure differs between two runs: later minus earlier. */
export type Difference = { figure: FigureName; before: Value; now: Value; difference: Value }

export type Comparison = { policy: string; against: string; sameDecisions: boolean; differences: Difference[] }

/** Compares the runs of two reports: of the same policy, or the only ones there are. */
export function compare(now: Report, before: Report): Comparison[] {
  return now.runs.flatMap((run) => {
    const only = now.runs.length === 1 && before.runs.length === 1 ? before.runs[0] : undefined
    const other = before.runs.find(({ policy }) => policy === run.policy) ?? only
    if (!other) return []
    const differences = figureNames.map((figure): Difference => {
      const [a, b] = [run.figures[figure], other.figures[figure] ?? null]
      return { figure, before: b, now: a, difference: minus(figure, a, b) }
    })
    return [{ policy: run.policy, against: other.policy, sameDecisions: run.digest === other.digest, differences }]
  })
}

function minus(figure: FigureName, now: Value, before: Value): Value {
  if (now === null || before === null) return null
  if (figures[figure].measure === 'micros') return String(BigInt(now) - BigInt(before))
  return Number((Number(now) - Number(before)).toFixed(6))
}
