import type { Project } from '#model/project.ts'

import { policies } from './policies/policies.ts'
import type { FloorKeeper } from './replay/floor.ts'
import { Replay } from './replay/replay.ts'
import type { MakeScheduler } from './replay/scheduler.ts'
import type { JobRecord } from './replay/job-record.ts'
import type { Fleet, NodeGroup } from './scenario/fleet.ts'
import { quiet, type Scenario } from './scenario/scenario.ts'
import { byArrival, type Job, jobOf } from './traces/job.ts'

// For tests: defaults for all that a simulation needs, so that a test says only what matters to it.

export function aFleet(...groups: Partial<NodeGroup>[]): Fleet {
  let nodes = 0
  const made = groups.map((group, number): NodeGroup => {
    const first = nodes
    nodes += group.count ?? 1
    return {
      number,
      site: 'local/here',
      provider: 'local',
      jurisdictions: [],
      shape: 'x8',
      unit: 'gpu',
      size: 8,
      first,
      count: 1,
      domains: [],
      tier: 'on-demand',
      priceMicros: 0,
      ...group,
    }
  })
  return { groups: made, nodes }
}

/** Jobs from `[arrivalMs, amount, durationMs]`, and what else they are. */
export const someJobs = (
  ...jobs: [arrivalMs: number, amount: number, durationMs: number, more?: Partial<Job>][]
): Job[] =>
  byArrival(
    jobs.map(([arrivalMs, amount, durationMs, more], i) =>
      jobOf({ id: `j${i}`, arrivalMs, amount, durationMs, ...more }),
    ),
  )

type Given = {
  fleet?: Fleet
  jobs: Job[]
  policy?: string
  scenario?: Partial<Scenario>
  projects?: readonly Project[]
  seed?: number
}

export function aReplay({ fleet = aFleet({}), jobs, policy = 'fifo', scenario = {}, projects = [], seed = 1 }: Given): {
  replay: Replay
  floor: () => FloorKeeper
} {
  let floor: FloorKeeper | undefined
  const replay = new Replay({
    fleet,
    jobs,
    scenario: { ...quiet, ...scenario },
    projects,
    seed,
    watched: 'always',
    scheduler: (given, ...more) => {
      floor = given as FloorKeeper // the replay gives its own
      return policyCalled(policy)(given, ...more)
    },
  })
  return {
    replay,
    floor: () => {
      if (!floor) throw new Error('the replay made no floor')
      return floor
    },
  }
}

function policyCalled(name: string): MakeScheduler {
  const policy = policies.get(name)
  if (!policy) throw new Error(`there is no policy ${name}`)
  return policy
}

/** Runs to the end, and gives when each job began first and ended, by its id. */
export function ran(given: Given): {
  begins: Record<string, number>
  ends: Record<string, number>
  records: readonly JobRecord[]
} {
  const { replay } = aReplay(given)
  while (replay.step());
  const { records } = replay
  return {
    records,
    begins: Object.fromEntries(records.map((record) => [record.job.id, record.firstStartMs])),
    ends: Object.fromEntries(records.map((record) => [record.job.id, record.state === 'ended' ? record.endsAtMs : -1])),
  }
}
