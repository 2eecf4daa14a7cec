import { existsSync } from 'node:fs'
import { parseArgs } from 'node:util'

import { boundSeconds, classes, configurationOf, folder, type Name, published } from './kueue/configurations.ts'
import { insertSeconds, playDurably } from './kueue/live.ts'
import { coresText, watchCores } from './processes.ts'

/**
 * The three performance configurations of Kueue in real time through the durable store: PostgreSQL that waits for the
 * disk, the loop `admit` as in production, projects with quotas and borrowing in trees. Beside each row stands what
 * Kueue's CI measures of itself, also in real time, with an API server behind it.
 *
 *     node bench/kueue-durable.ts [--only baseline|tas|large-scale] [--minutes n]
 *
 * `--minutes` plays only what comes in the first so many minutes. Goal: wall time within 5 % of the work bound.
 */
const { values } = parseArgs({ options: { only: { type: 'string' }, minutes: { type: 'string', default: '60' } } })
const names = Object.keys(published) as Name[] // its own keys
const chosen = names.filter((name) => values.only === undefined || name === values.only)
if (!existsSync(folder)) console.log(`skipped: there is no ${folder}; set ISOBAR_DATA to the folder that holds kueue/`)
else for (const name of chosen) await show(name)
process.exit(0)

async function show(name: Name): Promise<void> {
  const whole = configurationOf(name)
  const jobs = whole.jobs.filter(({ arrivalMs }) => arrivalMs < Number(values.minutes) * 60_000)
  const inserts = await insertSeconds(jobs)
  const cores = watchCores([])
  const used = process.cpuUsage()
  const played = await playDurably({ ...whole, jobs })
  const { user, system } = process.cpuUsage(used)
  const bound = boundSeconds(jobs, whole.projects)
  const wall = played.wallMs / 1000
  const theirs = published[name]
  const each = (ms: number, of = played.looks): string => (ms / of).toFixed(1)
  const waits = classes.flatMap((kind) => {
    const own = played.waits.get(kind) ?? []
    const mean = own.reduce((sum, ms) => sum + ms, 0) / own.length / 1000
    return [[`${kind}: mean wait s`, `${mean.toFixed(1)} (Kueue ${theirs[kind]})`]]
  })
  console.table({
    [name]: {
      workloads: jobs.length,
      'wall s': wall.toFixed(1),
      'work bound s': bound.toFixed(1),
      'bound: inserts alone s': inserts.toFixed(1),
      ratio: (wall / bound).toFixed(3),
      "Kueue's wall s": theirs.wall,
      ...Object.fromEntries(waits),
      preempted: played.preempted,
      rounds: played.rounds,
      'that look at all': played.looks,
      'ms a look: read': each(played.readMs),
      decide: each(played.decideMs),
      'ms a round: commit': each(played.commitMs, played.rounds),
      'end durable after ms': (played.endMs / jobs.length).toFixed(1),
      'commits/s': (played.commits / wall).toFixed(0),
      'our processor': `${(((user + system) / 1e6 / wall) * 100).toFixed(0)} %`,
    },
  })
  console.log(coresText(cores()))
}
