/**
 * Jobs with a deadline on recorded spot markets (SkyPilot spot traces, NSDI 2024), against the optimum of one who knew
 * the market in advance. `ISOBAR_DATA` names the folder of the data (default `../shared/data`); without it there is
 * nothing to measure.
 *
 *     node bench/spot.ts [jobs each] [resampled | live | stays]
 *
 * With `resampled`, each zone is made of its recorded runs with and without capacity, drawn at random: nothing is to be
 * learnt from such a market but how long its runs are, and that has been seen for weeks. What the policy then pays above
 * the optimum is close to what it costs not to know the future, whatever one does. With `live` it is done as in a live
 * control plane that moves work: nobody waits for better spot capacity while there is some (decision 64), and who goes back
 * from on-demand capacity keeps the rules of decision 71. With `stays` nobody goes back, as in one that moves nobody.
 */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

import { createRandom } from '#kit/random.ts'
import { omniscientCost } from '#simulator/deadline/optimum.ts'
import { runToDeadline, type DeadlineJob } from '#simulator/deadline/run.ts'

const data = process.env['ISOBAR_DATA'] ?? join(import.meta.dirname, '../../shared/data')
const folder = join(data, 'spot/availability')
if (!existsSync(folder)) {
  console.log(`No spot traces in ${folder}: set ISOBAR_DATA to the folder that has them.`)
  process.exit(0)
}

const markets: { name: string; nodes: number; files: string[] }[] = [
  {
    name: '1 V100, 9 zones',
    nodes: 1,
    files: [
      'us-east-1a',
      'us-east-1c',
      'us-east-1d',
      'us-east-1f',
      'us-east-2a',
      'us-east-2b',
      'us-west-2a',
      'us-west-2b',
      'us-west-2c',
    ].map((zone) => `1-node/aws-02-15-2023/${zone}_v100_1.json`),
  },
  {
    name: '1 V100, 4 worst zones',
    nodes: 1,
    files: ['us-east-1a', 'us-east-1c', 'us-east-1d', 'us-east-1f'].map(
      (zone) => `1-node/aws-02-15-2023/${zone}_v100_1.json`,
    ),
  },
  ...['v100_1', 'v100_8', 'k80_1', 'k80_8'].map((kind) => ({
    name: `${kind}, 2 zones`,
    nodes: 1,
    files: ['us-west-2a', 'us-west-2b'].map((zone) => `1-node/aws-10-26-2022/${zone}_${kind}.json`),
  })),
  {
    name: '16 × V100, 3 zones',
    nodes: 16,
    files: ['us-east-2b', 'us-west-2a', 'us-west-2c'].map((zone) => `16-node/aws-08-27-2023/${zone}_v100_1.json`),
  },
]

const jobsEach = Number(process.argv[2] ?? 6)
const isResampled = process.argv[3] === 'resampled'
const isLive = process.argv[3] === 'live' || process.argv[3] === 'stays'
/** How long who leaves on-demand capacity pays for it meanwhile: the usual grace, and a minute until it is placed anew. */
const leavingSeconds = 90
const asLive = (tick: number) => {
  if (process.argv[3] === 'stays') return { isBlind: true, stays: true }
  return isLive ? { isBlind: true, leave: Math.ceil(leavingSeconds / tick), tickMs: tick * 1000 } : {}
}
const sum = (numbers: readonly number[]) => numbers.reduce((all, one) => all + one, 0)
const hour = 3600
const [spotPrice, onDemandPrice] = [0.918, 3.06]

type Trace = { metadata: { gap_seconds: number }; data: number[] }

/** Readings are minutes apart; a tick is at most 200 s, so that a restart is not rounded up to ten minutes. */
function marketOf({ nodes, files }: { nodes: number; files: readonly string[] }) {
  const traces = files.map((file): Trace => JSON.parse(readFileSync(join(folder, file), 'utf8')))
  const gap = traces[0]?.metadata.gap_seconds ?? 0
  const parts = Math.ceil(gap / 200)
  const length = parts * Math.min(...traces.map(({ data: counts }) => counts.length))
  const zones = traces.map(({ data: counts }) =>
    Uint8Array.from({ length }, (_, at) => Number((counts[Math.floor(at / parts)] ?? 0) >= nodes)),
  )
  return { tick: gap / parts, market: isResampled ? zones.map(resampled) : zones }
}

/** A zone of the same runs in random order, ten weeks long. */
function resampled(zone: Uint8Array, number: number): Uint8Array {
  const random = createRandom(`zone ${number}`)
  const runs: number[][] = [[], []]
  for (let at = 0, begin = 0; at <= zone.length; at++) {
    if (at < zone.length && zone[at] === zone[begin]) continue
    runs[zone[begin] ?? 0]?.push(at - begin)
    begin = at
  }
  const drawn = new Uint8Array(30_000)
  for (let at = 0, up = 0; at < drawn.length; up = 1 - up) {
    const some = runs[up] ?? []
    const run = some[random.below(some.length)] ?? 1
    drawn.fill(up, at, at + run)
    at += run
  }
  return drawn
}

type Row = { ours: number[]; best: number[]; met: number; seconds: number }

function measure(terms: DeadlineTerms): Row {
  const room = (terms.market[0]?.length ?? 0) - terms.left
  const starts = Array.from({ length: jobsEach }, (_, index) => Math.floor((room * (index + 1)) / (jobsEach + 1)))
  const began = performance.now()
  const ours = starts.map((start) => runToDeadline({ ...terms, start }))
  const seconds = (performance.now() - began) / 1000
  return {
    ours: ours.map(({ cost }) => cost),
    best: starts.map((start) => omniscientCost({ ...terms, start })),
    met: ours.filter(({ met }) => met).length,
    seconds,
  }
}

type DeadlineTerms = Omit<DeadlineJob, 'start'>

const rows: Record<string, string | number>[] = []
const all: Row[] = []
for (const { name, ...files } of markets) {
  const { tick, market } = marketOf(files)
  for (const [workHours, deadlineHours] of [
    [48, 52],
    [48, 60],
    [48, 72],
  ] as const)
    for (const overheadSeconds of [180, 720]) {
      const [work, left] = [Math.round((workHours * hour) / tick), Math.floor((deadlineHours * hour) / tick)]
      const overhead = Math.ceil(overheadSeconds / tick)
      const row = measure({ work, left, overhead, spotPrice, onDemandPrice, market, ...asLive(tick) })
      all.push(row)
      rows.push({
        market: name,
        'deadline h': deadlineHours,
        'restart s': overhead * tick,
        jobs: row.ours.length,
        met: row.met,
        'to optimum': (sum(row.ours) / sum(row.best)).toFixed(3),
        'on-demand to optimum': ((row.ours.length * (work + overhead) * onDemandPrice) / sum(row.best)).toFixed(3),
        's a job': (row.seconds / row.ours.length).toFixed(1),
      })
    }
}
console.table(rows)
const ratio = (some: readonly Row[]) =>
  (sum(some.flatMap(({ ours }) => ours)) / sum(some.flatMap(({ best }) => best))).toFixed(3)
console.log(
  `${isResampled ? 'Resampled markets. ' : isLive ? `As in a live control plane that ${process.argv[3] === 'live' ? 'moves work' : 'moves nobody'}. ` : ''}Over all jobs ${ratio(all)} of the optimum (goal 1.10); with starts of 3 to 5 minutes ${ratio(all.filter((_, i) => i % 2 === 0))}, of 12 to 13 minutes ${ratio(all.filter((_, i) => i % 2 === 1))}.`,
)
