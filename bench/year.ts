import { existsSync } from 'node:fs'
import { join } from 'node:path'

import { createRandom } from '#kit/random.ts'
import { growYoungHeap } from '#kit/young-heap.ts'
import { policies } from '#simulator/policies/policies.ts'
import { Replay } from '#simulator/replay/replay.ts'
import { reportRun } from '#simulator/report/run-report.ts'
import { readFleet } from '#simulator/scenario/fleet.ts'
import { readScenario } from '#simulator/scenario/scenario.ts'
import { inputOf, readInput } from '#simulator/traces/input.ts'
import { byArrival, type Job } from '#simulator/traces/job.ts'
import { readPhilly } from '#simulator/traces/philly.ts'

/**
 * A year of 500,000 GPUs in ten regions: load in the shape of Philly's (Microsoft, ATC 2019), its jobs `sizeScale` times
 * as large and as many as fill `load` of the fleet; node faults at the rate of Meta's RSC-1 (6.5 per 1,000 node-days,
 * arXiv 2410.21680), and two regions lost. Goal: under 60 s on one core.
 *
 * Bound: each moment reads one thing that happens, and each job's nodes are taken and given back once for each run. A cell
 * decides in 46 ns a node (`bench/cell.ts`); whatever is above that is the queue, the records and their memory.
 *
 *     node bench/year.ts [nodes] [sizeScale] [policy] [days]
 */
const [nodes = 62_500, sizeScale = 256] = process.argv.slice(2, 4).map(Number)
const policyName = process.argv[4] ?? 'isobar'
const days = Number(process.argv[5] ?? 365)
const load = 0.85
const day = 86_400_000
const year = 365 * day
/** Of a decision about a gang, by `bench/cell.ts`. */
const microsecondsANode = 0.046
const path = join(process.env.ISOBAR_DATA ?? '../shared/data', 'philly/philly.csv.gz')
if (existsSync(path)) simulateYear()
else console.log(`skipped: there is no ${path}; set ISOBAR_DATA to the folder that holds philly/`)

function simulateYear(): void {
  growYoungHeap()
  const regions = Array.from({ length: 10 }, (_, i) => ({
    provider: 'aws',
    name: `region-${i}`,
    nodes: [{ shape: 'h100x8', count: Math.round(nodes / 10), accelerators: 8, price: 16 + i }],
  }))
  const fleet = readFleet(inputOf('fleet', JSON.stringify({ sites: regions })))
  const jobs = scaled(readPhilly(readInput(path)).jobs, fleet.nodes * 8)
  const scenario = readScenario(
    inputOf(
      'scenario',
      JSON.stringify({
        checkpoint: '30m',
        restart: '5m',
        faults: [{ rate: 6.5, repair: '6h' }],
        outages: [
          { site: 'aws/region-2', at: '90d', for: '15h' },
          { site: 'aws/region-0', at: '200d' },
        ],
      }),
    ),
    fleet,
  )
  const scheduler = policies.get(policyName)
  if (!scheduler) throw new RangeError(`there is no policy ${policyName}`)
  const [begun, before] = [performance.now(), process.cpuUsage()]
  const replay = new Replay({ fleet, jobs, scheduler, scenario, seed: 1 })
  while (replay.now < days * day && replay.step());
  const seconds = (performance.now() - begun) / 1000
  const { user, system } = process.cpuUsage(before)
  const nodesTaken = replay.records.reduce((sum, { starts, demand }) => sum + (starts * demand.amount) / 8, 0)
  const report = reportRun(fleet, replay.outcome())
  console.table({
    goal: { value: 'under 60 s' },
    'bound in s: the nodes of all starts': { value: ((nodesTaken * microsecondsANode) / 1e6).toFixed(1) },
    'simulated in s': { value: seconds.toFixed(1) },
    'processor time in s, with that of the garbage collector': { value: ((user + system) / 1e6).toFixed(1) },
    'jobs, nodes taken, moments': { value: `${jobs.length}, ${nodesTaken}, ${report.moments}` },
    'moments a second': { value: Math.round(report.moments / seconds) },
    ...Object.fromEntries(Object.entries(report.figures).map(([name, value]) => [name, { value }])),
    'peak memory MiB': { value: Math.round(process.resourceUsage().maxRSS / 1024) },
    digest: { value: report.digest },
  })
}

/** Jobs of the same mix and the same days, drawn again and again until the fleet is as full as it should be. */
function scaled(jobs: readonly Job[], gpus: number): Job[] {
  const random = createRandom('year')
  const made: Job[] = []
  const most = Math.min(16_384, Math.floor(gpus / 20)) // the largest training runs that are known of
  for (let work = gpus * year * load; work > 0;) {
    const job = jobs[random.below(jobs.length)]
    if (!job) break
    const amount = Math.min(job.amount * sizeScale, most)
    work -= amount * job.durationMs
    made.push({ ...job, amount, arrivalMs: (job.arrivalMs + random.below(365) * day) % year })
  }
  return byArrival(made).map((job) => ({ ...job })) // as they come in memory too, like those of a trace that was read
}
