import { existsSync } from 'node:fs'
import { join } from 'node:path'

import { createRandom } from '#kit/random.ts'
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
 *     node bench/year.ts [nodes] [sizeScale] [policy]
 */
const [nodes = 62_500, sizeScale = 256] = process.argv.slice(2, 4).map(Number)
const policyName = process.argv[4] ?? 'isobar'
const load = 0.85
const year = 365 * 86_400_000
const path = join(process.env.ISOBAR_DATA ?? '../shared/data', 'philly/philly.csv.gz')
if (existsSync(path)) simulateYear()
else console.log(`skipped: there is no ${path}; set ISOBAR_DATA to the folder that holds philly/`)

function simulateYear(): void {
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
  const begun = performance.now()
  const replay = new Replay({ fleet, jobs, scheduler, scenario, seed: 1 })
  while (replay.now < year && replay.step());
  const seconds = (performance.now() - begun) / 1000
  const report = reportRun(fleet, replay.outcome())
  console.table({
    goal: { value: 'under 60 s' },
    'simulated in s': { value: seconds.toFixed(1) },
    'jobs, moments': { value: `${jobs.length}, ${report.moments}` },
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
    made.push({ ...job, amount, arrivalMs: (job.arrivalMs + random.below(365) * 86_400_000) % year })
  }
  return byArrival(made)
}
