import { existsSync } from 'node:fs'
import { join } from 'node:path'

import { policies } from '#simulator/policies/policies.ts'
import { Replay } from '#simulator/replay/replay.ts'
import { reportRun } from '#simulator/report/run-report.ts'
import { timeText } from '#simulator/report/value-text.ts'
import { readFleet } from '#simulator/scenario/fleet.ts'
import { quiet } from '#simulator/scenario/scenario.ts'
import { inputOf, readInput } from '#simulator/traces/input.ts'
import { readPhilly } from '#simulator/traces/philly.ts'

/**
 * The 82,247 training jobs of Philly (Microsoft, ATC 2019) on a fleet of `nodes` × 8 GPUs, under each policy: how long a
 * simulation takes, and what it finds beside the bound of the work.
 *
 *     node bench/philly.ts [nodes] [policy]
 */
const nodes = Number(process.argv[2] ?? 64)
const names = process.argv[3] ? [process.argv[3]] : [...policies.keys()]
const path = join(process.env.ISOBAR_DATA ?? '../shared/data', 'philly/philly.csv.gz')
if (existsSync(path)) show()
else console.log(`skipped: there is no ${path}; set ISOBAR_DATA to the folder that holds philly/`)

function show(): void {
  const group = { shape: 'v100x8', count: nodes, accelerators: 8, price: 24 }
  const fleet = readFleet(
    inputOf('fleet', JSON.stringify({ sites: [{ provider: 'azure', name: 'philly', nodes: [group] }] })),
  )
  const { jobs } = readPhilly(readInput(path))
  console.table(
    names.map((name) => {
      const scheduler = policies.get(name)
      if (!scheduler) throw new RangeError(`there is no policy ${name}`)
      const begun = performance.now()
      const replay = new Replay({ fleet, jobs, scheduler, scenario: quiet, seed: 1 })
      while (replay.step());
      const seconds = (performance.now() - begun) / 1000
      const { figures, moments, digest } = reportRun(fleet, replay.outcome())
      const time = (figure: 'waitMeanMs' | 'completionMeanMs' | 'makespanMs' | 'makespanBoundMs') =>
        timeText(Number(figures[figure]))
      return {
        policy: name,
        jobs: jobs.length,
        'simulated in s': Number(seconds.toFixed(2)),
        'moments/s': Math.round(moments / seconds),
        'mean wait': time('waitMeanMs'),
        'mean completion': time('completionMeanMs'),
        makespan: time('makespanMs'),
        'its bound': time('makespanBoundMs'),
        digest: digest.slice(0, 12),
      }
    }),
  )
}
