import type { CommandSpec } from '#cli/call.ts'

import { project } from './options.ts'

export const change: readonly CommandSpec[] = [
  {
    name: 'stop',
    arguments: '<workloads...>',
    group: 'Change',
    summary: 'end workloads for good, and tell what they cost',
    options: [project, { flags: '--wait', description: 'wait until they have ended' }],
    examples: ['isobar stop train', 'isobar stop $(isobar ps -o name) --wait'],
    next: 'isobar cost',
    data: true,
    action: async () => (await import('#cli/commands/change.ts')).stop,
  },
  {
    name: 'hold',
    arguments: '<workloads...>',
    group: 'Change',
    summary: 'keep workloads out of the queue, ending what runs of them',
    options: [project],
    examples: ['isobar hold train'],
    next: 'isobar release <workload>',
    data: true,
    action: async () => (await import('#cli/commands/change.ts')).hold,
  },
  {
    name: 'release',
    arguments: '<workloads...>',
    group: 'Change',
    summary: 'let held workloads into the queue again',
    options: [project],
    examples: ['isobar release train'],
    next: 'isobar why <workload>',
    data: true,
    action: async () => (await import('#cli/commands/change.ts')).release,
  },
  {
    name: 'priority',
    arguments: '<workload> <priority>',
    group: 'Change',
    summary: 'set the priority of a workload, from -1000 to 1000; higher goes first',
    options: [project],
    examples: ['isobar priority train 50', 'isobar priority train -10'],
    next: 'isobar ps --state queued',
    data: true,
    action: async () => (await import('#cli/commands/change.ts')).priority,
  },
]
