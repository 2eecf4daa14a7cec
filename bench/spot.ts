/**
 * Jobs with a deadline on recorded spot markets (SkyPilot spot traces, NSDI 2024), against the optimum of one who knew
 * the market in advance. `ISOBAR_DATA` names the folder of the data (default `../shared/data`); without it there is
 * nothing to measure.
 */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

import { omniscientCost } from '#simulator/deadline/optimum.ts'
import { runToDeadline } from '#simulator/deadline/run.ts'

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
const sum = (numbers: number[]) => numbers.reduce((all, one) => all + one, 0)
const hour = 3600
const rows: Record<string, string | number>[] = []
for (const { name, nodes, files } of markets) {
  const traces = files.map((file): { metadata: { gap_seconds: number }; data: number[] } =>
    JSON.parse(readFileSync(join(folder, file), 'utf8')),
  )
  // Readings are minutes apart; a tick is at most 200 s, so that a restart is not rounded up to ten minutes.
  const gap = traces[0]?.metadata.gap_seconds ?? 0
  const parts = Math.ceil(gap / 200)
  const tick = gap / parts
  const length = parts * Math.min(...traces.map((trace) => trace.data.length))
  const market = traces.map(({ data: counts }) =>
    Uint8Array.from({ length }, (_, at) => ((counts[Math.floor(at / parts)] ?? 0) >= nodes ? 1 : 0)),
  )
  for (const [workHours, deadlineHours] of [
    [48, 52],
    [48, 60],
    [48, 72],
  ] as const)
    for (const overheadSeconds of [180, 720]) {
      const terms = {
        work: Math.round((workHours * hour) / tick),
        left: Math.floor((deadlineHours * hour) / tick),
        overhead: Math.ceil(overheadSeconds / tick),
        spotPrice: 0.918,
        onDemandPrice: 3.06,
        market,
      }
      const room = length - terms.left
      const starts = Array.from({ length: jobsEach }, (_, index) => Math.floor((room * (index + 1)) / (jobsEach + 1)))
      const began = performance.now()
      const ours = starts.map((start) => runToDeadline({ ...terms, start }))
      const milliseconds = performance.now() - began
      const best = starts.map((start) => omniscientCost({ ...terms, start }))
      rows.push({
        market: name,
        'deadline h': deadlineHours,
        'restart s': terms.overhead * tick,
        jobs: starts.length,
        met: ours.filter(({ met }) => met).length,
        'to optimum': (sum(ours.map(({ cost }) => cost)) / sum(best)).toFixed(3),
        'on-demand to optimum': (
          (starts.length * (terms.work + terms.overhead) * terms.onDemandPrice) /
          sum(best)
        ).toFixed(3),
        'ms a job': (milliseconds / starts.length).toFixed(0),
      })
    }
}
console.table(rows)
