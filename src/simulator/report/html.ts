import { classOf, countAxis, escaped, logTimeAxis, partAxis, plotHtml, timeAxis, type Line } from './plot.ts'
import { fileName, type Comparison, type Report } from './report.ts'
import type { RunReport } from './run-report.ts'
import { sheetsOf, type Sheet } from './sheets.ts'
import { css } from './style.ts'
import { timeText, valueText } from './value-text.ts'

/** A report as one page of HTML that needs nothing else: plots are SVG, and it follows light and dark. */
export function htmlOf(report: Report, comparisons: readonly Comparison[]): string {
  const title = `Simulation: ${report.runs.map(({ policy }) => policy).join(', ')}`
  return [
    '<!doctype html><html lang="en"><head><meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    `<title>${escaped(title)}</title><style>${css}</style></head><body><main>`,
    headHtml(title, report),
    `<section class="cards">${report.runs.map(cardHtml).join('')}</section>`,
    `<section class="plots">${plots(report).join('')}</section>`,
    `<section class="sheets">${sheetsOf(report, comparisons).map(sheetHtml).join('')}</section>`,
    footHtml(report),
    '</main></body></html>\n',
  ].join('\n')
}

function headHtml(title: string, { fleet, traces, scenario, interrupted }: Report): string {
  const { nodes, gpus, cpus } = fleet
  const capacity = [`${text(nodes)} nodes`, gpus > 0 && `${text(gpus)} GPUs`, cpus > 0 && `${text(cpus)} cores`]
  const facts = [
    ...capacity.filter((part) => part !== false),
    ...traces.map(({ file, jobs }) => `${text(jobs)} jobs of ${fileName(file)}`),
    scenario === null ? 'nothing happens meanwhile' : `scenario ${fileName(scenario)}`,
  ]
  const warning = interrupted ? '<p class="warning">Interrupted: these figures tell of what came until then.</p>' : ''
  return `<header><h1>${escaped(title)}</h1><p>${escaped(facts.join(' · '))}</p>${warning}</header>`
}

const text = (count: number): string => valueText('jobs', count)

/** What one looks at first. */
function cardHtml({ policy, figures }: RunReport, index: number): string {
  const shown = [
    ['utilisation', 'utilisation'],
    ['waits', 'waitInAllMeanMs'],
    ['completion', 'completionMeanMs'],
    ['cost', 'costMicros'],
  ] as const
  const facts = shown
    .filter(([, name]) => figures[name] !== null && figures[name] !== '0')
    .map(([label, name]) => `<div><dt>${label}</dt><dd>${escaped(valueText(name, figures[name]))}</dd></div>`)
  const left = Number(figures.jobs) - Number(figures.ended)
  const ended = `${valueText('ended', figures.ended)} of ${valueText('jobs', figures.jobs)} ended${left > 0 ? `, ${text(left)} did not` : ''}`
  return `<article class="card ${classOf(index)}"><h2>${escaped(policy)}</h2><dl>${facts.join('')}</dl><p>${escaped(ended)}</p></article>`
}

function plots({ runs, events }: Report): string[] {
  const end = runs.reduce((most, { endMs }) => Math.max(most, endMs), 0)
  const over = (of: (run: RunReport) => number[]): Line[] =>
    runs.map((run) => ({
      name: run.policy,
      points: of(run).map((value, bin) => [(bin + 0.5) * run.series.binMs, value]),
    }))
  const waiting = over(({ series }) => series.waiting)
  const mostWaiting = runs.flatMap(({ series }) => series.waiting).reduce((a, b) => Math.max(a, b), 0)
  const usable = runs[0]?.series.usable ?? []
  const isWhole = usable.every((part) => part > 0.9999)
  const used = over(({ series }) => series.used)
  const there: Line[] = isWhole
    ? []
    : [{ name: 'usable', faint: true, points: over(({ series }) => series.usable)[0]?.points ?? [] }]
  return [
    plotHtml({
      title: 'In use',
      note: 'part of the fleet, over time',
      bands: events,
      x: timeAxis(end),
      y: partAxis,
      lines: [...used, ...there],
    }),
    plotHtml({
      title: 'Waiting',
      note: 'jobs, over time',
      bands: events,
      x: timeAxis(end),
      y: countAxis(mostWaiting),
      lines: waiting,
    }),
    distribution(runs, 'Waits', ({ quantiles }) => quantiles.waitMs),
    distribution(runs, 'Completion', ({ quantiles }) => quantiles.completionMs),
  ]
}

/** Which part of the jobs took no longer than a time. */
function distribution(runs: readonly RunReport[], title: string, of: (run: RunReport) => number[]): string {
  const most = runs.flatMap(of).reduce((a, b) => Math.max(a, b), 0)
  return plotHtml({
    title,
    note: `part of the jobs for which it was no longer, up to ${timeText(most)}`,
    x: logTimeAxis(most),
    y: partAxis,
    lines: runs.map((run) => ({ name: run.policy, points: of(run).map((ms, at) => [ms, at / 100]) })),
    steps: true,
  })
}

/** With a column for each of many policies it takes the whole page. */
const wholeWidth = 'Figures'

function sheetHtml({ title, head, rows, notes = [] }: Sheet): string {
  const cells = rows.map(
    (row) =>
      `<tr>${row.map((cell) => `<td${cell.tone ? ` class="${cell.tone}"` : ''}>${escaped(cell.text)}</td>`).join('')}</tr>`,
  )
  const names = head.map((name) => `<th>${escaped(name.toLowerCase())}</th>`).join('')
  return `<article class="sheet${head.length > 4 && title === wholeWidth ? ' wide' : ''}"><h3>${escaped(title)}</h3><table><thead><tr>${names}</tr></thead><tbody>${cells.join('')}</tbody></table>${notes.map((note) => `<p>${escaped(note)}</p>`).join('')}</article>`
}

function footHtml({ seed, runs }: Report): string {
  const digests = runs.map(({ policy, digest }) => `${policy} <code>${escaped(digest)}</code>`)
  return `<footer>Made by <code>isobar simulate</code>. Seed ${seed}; digest of all decisions: ${digests.join(', ')}.</footer>`
}
