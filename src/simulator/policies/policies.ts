import type { MakeScheduler } from '#simulator/replay/scheduler.ts'

import { isobarScheduler } from './isobar.ts'
import { queuePolicies } from './queue-policy.ts'
import { queueScheduler } from './queue-scheduler.ts'

/** All that can decide in a simulation, by name. */
export const policies: ReadonlyMap<string, MakeScheduler> = new Map([
  ...queuePolicies.map((policy) => [policy.name, queueScheduler(policy)] as const),
  ['isobar', isobarScheduler],
])
