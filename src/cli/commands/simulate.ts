import { writeFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'

import type { Call } from '#cli/call.ts'
import { CliFault, exitCodes } from '#cli/fault.ts'
import { colours, note, plain, progress, type Io } from '#cli/io.ts'
import { showOne } from '#cli/output/show.ts'
import { renderTable, type TableStyle } from '#cli/output/table.ts'
import { growYoungHeap } from '#kit/young-heap.ts'
import type { Comparison, Report } from '#simulator/report/report.ts'
import type { Sheet } from '#simulator/report/sheets.ts'
import type { Progress, Simulation } from '#simulator/simulate.ts'

/** `isobar simulate`: replays traces on a fleet, and tells what came of it; 130 when Ctrl-C ended it early. */
export async function simulate(call: Call): Promise<number> {
  const [fleet = '', ...traces] = call.args
  if (call.flag('muri')) return simulateMuri(call)
  if (traces.length === 0) throw usage('a simulation needs a trace too', 'isobar simulate fleet.yaml jobs.csv')
  const { report, comparisons, html } = await correctable(() => work(call, fleet, traces))
  const { sheetsOf } = await import('#simulator/report/sheets.ts')
  const isDetailed = report.runs.length === 1 || call.format.kind === 'wide'
  await showOne(call, {
    data: comparisons.length > 0 ? { ...report, comparisons } : report,
    name: () => report.runs.map(({ digest }) => digest).join('\n'),
    people: () => textOf(call.io, report, sheetsOf(report, comparisons, isDetailed)),
  })
  const page = call.text('html')
  if (page !== undefined) writePage(call.io, page, html(report, comparisons))
  if (!report.interrupted) return exitCodes.done
  note(call.io, 'interrupted: this is what came until then')
  return exitCodes.interrupted
}

function writePage(io: Io, page: string, html: string): void {
  try {
    writeFileSync(resolve(io.cwd, page), html)
  } catch (error) {
    throw new CliFault(`the page ${page} cannot be written`, { why: String(error), next: [`ls -ld ${dirname(page)}`] })
  }
  note(io, `wrote ${page}`)
}

type Found = {
  report: Report
  comparisons: Comparison[]
  html: (report: Report, comparisons: readonly Comparison[]) => string
}

async function work(call: Call, fleet: string, traces: readonly string[]): Promise<Found> {
  growYoungHeap()
  const { simulate: replay } = await import('#simulator/simulate.ts')
  const { compare } = await import('#simulator/report/report.ts')
  const { readReport } = await import('#simulator/report/read-report.ts')
  const { readInput } = await import('#simulator/traces/input.ts')
  const { htmlOf } = await import('#simulator/report/html.ts')
  const against = call.text('against')
  const earlier = against === undefined ? undefined : readReport(readInput(placed(call.io, against)))
  const report = await interruptibly(call.io, (signal, tell) => replay(askedOf(call, fleet, traces), { signal, tell }))
  return { report, comparisons: earlier ? compare(report, earlier) : [], html: htmlOf }
}

const placed = (io: Io, path: string): string => (io.cwd === process.cwd() ? path : resolve(io.cwd, path))

function askedOf(call: Call, fleet: string, traces: readonly string[]): Simulation {
  const [scenario, projects] = [call.text('scenario'), call.text('projects')]
  return {
    fleet: placed(call.io, fleet),
    traces: traces.map((file) => placed(call.io, file)),
    policies: policiesOf(call),
    scenario: scenario === undefined ? undefined : placed(call.io, scenario),
    projects: projects === undefined ? undefined : placed(call.io, projects),
    seed: wholeOption(call, 'seed'),
    rate: { prefill: wholeOption(call, 'prefill-rate'), decode: wholeOption(call, 'decode-rate') },
  }
}

/** Each once; those that are files from where the caller is. */
function policiesOf(call: Call): string[] {
  const names = (call.text('policy') ?? '').split(',').map((name) => name.trim())
  return [...new Set(names)].map((name) => (name.includes('.') ? placed(call.io, name) : name))
}

function wholeOption(call: Call, name: string): number {
  const value = Number(call.text(name))
  if (Number.isSafeInteger(value) && value > 0) return value
  throw usage(`--${name} is "${call.text(name)}", and must be a whole number above 0`, 'isobar simulate --help')
}

const usage = (what: string, next: string): CliFault => new CliFault(what, { code: exitCodes.usage, next: [next] })

/** What is wrong with a file or a name is told as such, and not as a bug. */
async function correctable<T>(act: () => Promise<T>): Promise<T> {
  try {
    return await act()
  } catch (error) {
    if (error instanceof Error && error.name === 'BrokenRule')
      throw new CliFault(`a rule is broken, and the simulation ends here: ${error.message}`, {
        why: 'This is a fault of Isobar, and not of your files.',
        next: ['ISOBAR_DEBUG=1 isobar simulate … (shows where it comes from)'],
      })
    if (!(error instanceof Error) || !['InputFault', 'UnknownPolicy'].includes(error.name)) throw error
    const [first = '', ...rest] = error.message.split('\n')
    throw new CliFault(first, { code: exitCodes.usage, why: rest.join('\n'), next: ['isobar simulate --help'] })
  }
}

type Told = (progress: Progress) => void

/** Runs with a line of progress where a person looks on; the first Ctrl-C asks for what there is. */
async function interruptibly<T>(io: Io, act: (signal: AbortSignal, tell: Told) => Promise<T>): Promise<T> {
  const controller = new AbortController()
  const interrupt = () => controller.abort()
  let line = 'reading'
  const done = io.tty.stderr ? progress(io, () => line, 300) : () => {}
  process.once('SIGINT', interrupt)
  try {
    return await act(controller.signal, ({ policy, over, jobs, simulatedMs }) => {
      const part = Math.floor((over / Math.max(1, jobs)) * 100)
      line = `${policy}: ${part} %, ${over} of ${jobs} jobs, day ${Math.floor(simulatedMs / 86_400_000)}`
    })
  } finally {
    process.removeListener('SIGINT', interrupt)
    done()
  }
}

function textOf(io: Io, report: Report, sheets: readonly Sheet[]): string {
  const style = { width: io.width, wide: false, colour: colours(io, 'stdout') }
  const digests = report.runs.map(({ policy, digest }) => `${policy}  ${digest}`)
  return [
    ...sheets.map((sheet, i) => `${i > 0 ? `${sheet.title}\n` : ''}${sheetText(sheet, style)}`),
    `Decisions, seed ${report.seed}\n${digests.join('\n')}\n`,
  ].join('\n')
}

const sheetText = ({ head, rows, notes = [] }: Sheet, style: TableStyle): string =>
  `${renderTable(
    rows,
    head.map((title, i) => ({
      title,
      cell: (row: Sheet['rows'][number]) => row[i]?.text ?? '',
      paint: (row: Sheet['rows'][number]) => (row[i]?.tone ? tones[row[i].tone] : undefined),
      ...(i > 0 && { right: true as const }),
    })),
    style,
  )}${notes.map((text) => `${plain(text)}\n`).join('')}`

const tones = { good: 'green', bad: 'red' } as const

/** `--muri`: the yardstick, with the rules of Muri's own simulator and cluster. */
async function simulateMuri(call: Call): Promise<number> {
  const { replayMuri } = await import('#simulator/replay/muri.ts')
  const { readMuriJobs } = await import('#simulator/traces/muri.ts')
  const { readInput } = await import('#simulator/traces/input.ts')
  const names = (call.text('policy') ?? '').split(',')
  const policies = names.filter((name) => name === 'srtf' || name === 'srsf')
  if (policies.length < names.length)
    throw usage('--muri knows srtf and srsf', 'isobar simulate --muri trace1.csv --policy srtf,srsf')
  const rows = await correctable(async () =>
    call.args.flatMap((file) => {
      const jobs = readMuriJobs(readInput(placed(call.io, file)))
      return policies.map((policy) => ({ trace: file, policy, ...replayMuri(jobs, policy) }))
    }),
  )
  await showOne(call, {
    data: { runs: rows },
    name: () => rows.map(({ trace }) => trace).join('\n'),
    people: () =>
      renderTable(
        rows,
        [
          { title: 'TRACE', cell: ({ trace }) => trace },
          { title: 'POLICY', cell: ({ policy }) => policy },
          { title: 'COMPLETION, MEAN', cell: ({ meanSeconds }) => `${meanSeconds.toFixed(4)} s`, right: true },
          { title: 'P99', cell: ({ p99Seconds }) => `${p99Seconds.toFixed(4)} s`, right: true },
          { title: 'MAKESPAN', cell: ({ makespanSeconds }) => `${makespanSeconds.toFixed(4)} s`, right: true },
        ],
        { width: call.io.width, wide: false, colour: colours(call.io, 'stdout') },
      ),
  })
  return exitCodes.done
}
