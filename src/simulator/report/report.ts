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
  /** Outages and steps of prices, as the scenario has them; `toMs` is null for ever. */
  events: { fromMs: number; toMs: number | null; text: string }[]
  /** Whether it was stopped before the end: the figures tell of what came until then. */
  interrupted: boolean
  runs: RunReport[]
}

/** How one figure differs between two runs: later minus earlier. */
export type Difference = { figure: FigureName; before: Value; now: Value; difference: Value }

export type Comparison = {
  policy: string
  against: string
  sameDecisions: boolean
  /** What went in differently: `scenario none, now week.yaml`. */
  inputs: string[]
  differences: Difference[]
}

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
    const sameDecisions = run.digest === other.digest
    return [
      { policy: run.policy, against: other.policy, sameDecisions, inputs: changedInputs(now, before), differences },
    ]
  })
}

const shown = (value: string | number | null | undefined): string => fileName(String(value ?? 'none'))

function changedInputs(now: Report, before: Report): string[] {
  const inputs = ({ seed, fleet, traces, scenario, projects }: Partial<Report>) => ({
    fleet: fleet?.file,
    traces: traces?.map(({ file }) => fileName(file)).join(' '),
    scenario,
    projects,
    seed,
  })
  const [a, b] = [inputs(before), inputs(now)]
  return (Object.keys(b) as (keyof typeof b)[]) // its own keys
    .filter((key) => shown(a[key]) !== shown(b[key]))
    .map((key) => `${key} ${shown(a[key])}, now ${shown(b[key])}`)
}

/** The last part of a path. */
export const fileName = (path: string): string => path.split('/').at(-1) ?? path

function minus(figure: FigureName, now: Value, before: Value): Value {
  if (now === null || before === null) return null
  if (figures[figure].measure === 'micros') return String(BigInt(now) - BigInt(before))
  return Number((Number(now) - Number(before)).toFixed(6))
}
