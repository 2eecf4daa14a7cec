import { figures, figureNames } from './figure.ts'
import type { Comparison, Report } from './report.ts'
import type { RunReport } from './run-report.ts'
import { differenceText, isBetter, timeText, valueText } from './value-text.ts'

/** A table for people: the first column is text, the others are numbers; below it what is to be said in sentences. */
export type Sheet = { title: string; head: string[]; rows: Cell[][]; notes?: string[] }
export type Cell = { text: string; tone?: 'good' | 'bad' }

/** More kinds, projects or groups than these are in the JSON, and not in a table. */
const mostRows = 20

const plain = (text: string): Cell => ({ text })

/** What a report tells, as tables; in detail, by kinds, projects and sites too. */
export function sheetsOf(report: Report, comparisons: readonly Comparison[], isDetailed = true): Sheet[] {
  const { runs } = report
  return [
    figureSheet(runs),
    ...runs.map(neverSheet),
    ...comparisons.map(differenceSheet),
    ...(isDetailed ? runs : []).flatMap((run) => [kindSheet(run), projectSheet(run), capacitySheet(run)]),
  ].filter(({ rows }) => rows.length > 0)
}

/** A row for each figure that tells anything, a column for each run. */
function figureSheet(runs: readonly RunReport[]): Sheet {
  const told = figureNames.filter((name) => {
    if (name === 'waitInAllMeanMs' && runs.every((run) => run.figures[name] === run.figures.waitMeanMs)) return false
    const isAlways = ['jobs', 'ended', 'waitMeanMs', 'utilisation'].includes(name)
    return isAlways || runs.some((run) => run.figures[name] !== null && Number(run.figures[name]) !== 0)
  })
  return {
    title: 'Figures',
    head: ['FIGURE', ...runs.map(({ policy }) => policy.toUpperCase())],
    rows: told.map((name) => [
      plain(figures[name].title),
      ...runs.map((run) => plain(valueText(name, run.figures[name]))),
    ]),
  }
}

function neverSheet({ policy, never }: RunReport): Sheet {
  const told = never.slice(0, mostRows)
  return {
    title: `${policy}: can never start`,
    head: ['PROJECT', 'RULE', 'JOBS', 'FIRST', 'TOLD AT'],
    rows: told.map(({ project, cause, jobs, first, atMs }) =>
      [project, cause, valueText('jobs', jobs), first, timeText(atMs)].map(plain),
    ),
    notes: told.map(({ first, text }) => `${first}: ${text}`),
  }
}

function differenceSheet({ policy, against, sameDecisions, inputs, differences }: Comparison): Sheet {
  const told = differences.filter(({ difference }) => difference !== null && Number(difference) !== 0)
  return {
    title: `${policy} against ${against === policy ? 'the earlier run' : against}${inputs.length > 0 ? ` (${inputs.join('; ')})` : ''}${sameDecisions ? ': the same decisions' : ''}`,
    head: ['FIGURE', 'BEFORE', 'NOW', 'DIFFERENCE'],
    rows:
      told.length === 0
        ? [['no figure differs', '', '', ''].map(plain)]
        : told.map(({ figure, before, now, difference }) => {
            const better = isBetter(figure, difference)
            const text = differenceText(figure, difference)
            return [
              plain(figures[figure].title),
              plain(valueText(figure, before)),
              plain(valueText(figure, now)),
              better === null ? plain(text) : { text, tone: better ? 'good' : 'bad' },
            ]
          }),
  }
}

function kindSheet({ policy, kinds }: RunReport): Sheet {
  return {
    title: `${policy}: waits by kind`,
    head: ['KIND', 'JOBS', 'MEAN', 'P50', 'P99', 'COMPLETION'],
    rows: several(kinds).map((one) => [
      plain(one.kind),
      plain(valueText('jobs', one.jobs)),
      ...[one.waitMeanMs, one.waitP50Ms, one.waitP99Ms, one.completionMeanMs].map((ms) => plain(timeCell(ms))),
    ]),
  }
}

function projectSheet({ policy, projects }: RunReport): Sheet {
  const areWeighed = projects.some(({ weight }) => weight !== projects[0]?.weight)
  const hasBudgets = projects.some(({ budgetMicros }) => budgetMicros !== null)
  const shown = hasBudgets ? projects.slice(0, mostRows) : several(projects)
  return {
    title: `${policy}: projects`,
    head: [
      'PROJECT',
      'JOBS',
      'WAIT, MEAN',
      'HAD',
      'FAIR SHARE',
      ...(areWeighed ? ['WEIGHT'] : []),
      ...(hasBudgets ? ['SPENT', 'BUDGET'] : []),
    ],
    rows: shown.map((one) => [
      plain(one.project),
      plain(valueText('jobs', one.jobs)),
      plain(timeCell(one.waitMeanMs)),
      plain(valueText('lostHours', one.hours)),
      plain(valueText('lostHours', one.fairHours)),
      ...(areWeighed ? [plain(valueText('jobs', one.weight))] : []),
      ...(hasBudgets ? [one.spentMicros, one.budgetMicros].map((micros) => plain(moneyCell(micros))) : []),
    ]),
  }
}

const timeCell = (ms: number | null): string => (ms === null ? '' : timeText(ms))

const moneyCell = (micros: string | number | null): string => (micros === null ? '' : valueText('costMicros', micros))

function capacitySheet({ policy, capacity }: RunReport): Sheet {
  const paid = capacity.filter(({ costMicros }) => costMicros !== '0')
  return {
    title: `${policy}: cost by site`,
    head: ['SITE', 'SHAPE', 'TIER', 'NODES', 'COST'],
    rows: several(paid).map(({ site, shape, tier, nodes, costMicros }) => [
      ...[site, shape, tier].map(plain),
      plain(valueText('jobs', nodes)),
      plain(valueText('costMicros', costMicros)),
    ]),
  }
}

/** One of a kind tells nothing that the figures do not. */
const several = <T>(rows: readonly T[]): readonly T[] => (rows.length > 1 ? rows.slice(0, mostRows) : [])
