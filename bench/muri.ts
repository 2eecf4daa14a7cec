import { existsSync } from 'node:fs'
import { join } from 'node:path'

import { replayMuri } from '#simulator/replay/muri.ts'

import { readInput } from '#simulator/traces/input.ts'
import { readMuriJobs } from '#simulator/traces/muri.ts'
import { asPrinted, publishedMuri } from '#simulator/traces/published-muri.ts'

/** Completion times of Muri's traces, ours beside the published ones (SIGCOMM'22), digit by digit. */

const folder = join(process.env.ISOBAR_DATA ?? '../shared/data', 'muri')
if (existsSync(folder)) show()
else console.log(`skipped: there is no ${folder}; set ISOBAR_DATA to the folder that holds muri/`)

function show(): void {
  const rows = publishedMuri(readInput(join(folder, 'published.csv')))
  console.table(
    rows.map(({ trace, policy, metric, text }) => {
      const begun = performance.now()
      const result = replayMuri(readMuriJobs(readInput(join(folder, `${trace}.csv`))), policy)
      const ms = performance.now() - begun
      const ours = asPrinted(result[metric], text)
      return {
        trace,
        policy,
        metric,
        published: text,
        ours,
        equal: ours === text,
        plans: result.plans,
        ms: Math.round(ms),
      }
    }),
  )
}
