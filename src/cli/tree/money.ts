import type { CommandSpec } from '#cli/call.ts'

export const money: readonly CommandSpec[] = [
  {
    name: 'cost',
    group: 'Money',
    summary: 'tell what was spent, by workload, project, provider, site, tier, day or hour',
    options: [
      { flags: '--by <groups>', description: 'what to add up by, apart by commas', default: 'workload' },
      { flags: '--from <time>', description: 'from this time on (RFC 3339), or for so long back, such as 7d' },
      { flags: '--to <time>', description: 'up to this time (RFC 3339)' },
      { flags: '--project <name>', description: 'of this project only' },
    ],
    examples: ['isobar cost', 'isobar cost --by project,tier --from 30d', 'isobar cost --by day -o json'],
    data: true,
    action: async () => (await import('#cli/commands/cost.ts')).cost,
  },
  {
    name: 'offers',
    group: 'Money',
    summary: 'list what can be had now, where, and at what price',
    options: [
      { flags: '--site <site>', description: 'at this site only, such as local/here' },
      {
        flags: '--tier <tier>',
        description: 'in this tier only',
        choices: ['committed', 'reserved', 'spot', 'on-demand'],
      },
      { flags: '--gpu <model>', description: 'with this accelerator only' },
    ],
    examples: ['isobar offers', 'isobar offers --gpu H200 -o wide'],
    next: 'isobar plan <file>',
    data: true,
    action: async () => (await import('#cli/commands/offers.ts')).offers,
  },
  {
    name: 'sites',
    group: 'Money',
    summary: 'list sites and whether they answer',
    details:
      'Without more there is one, local/here: this machine. Others are declared in sites.yaml in the state directory, ' +
      'which the server reads when it starts. Its fields: docs/reference/configuration.md.',
    examples: ['isobar sites'],
    next: 'isobar offers',
    data: true,
    action: async () => (await import('#cli/commands/offers.ts')).sites,
  },
  {
    name: 'projects list',
    isDefault: true,
    group: 'Money',
    summary: 'list projects with what they spent, their budget and quota',
    examples: ['isobar projects'],
    next: 'isobar projects set <name> --budget $1000',
    data: true,
    action: async () => (await import('#cli/commands/projects.ts')).list,
  },
  {
    name: 'projects show',
    arguments: '<name>',
    group: 'Money',
    summary: 'show all of a project, as a file that `projects set --file` takes',
    examples: ['isobar projects show research > research.yaml'],
    next: 'isobar projects set --file <file>',
    data: true,
    action: async () => (await import('#cli/commands/projects.ts')).show,
  },
  {
    name: 'projects set',
    arguments: '[name]',
    group: 'Money',
    summary: 'make projects, or change them',
    details:
      'Of a project by its name, what no option names stays as it is. A file holds all of its projects, one or several ' +
      'YAML documents. Its fields: docs/reference/projects.md.',
    options: [
      { flags: '-f, --file <path>', description: 'read all of them from this file; - for standard input' },
      { flags: '--parent <name>', description: 'the project that it is part of; none for no project' },
      { flags: '--weight <n>', description: 'its share of the queue beside others' },
      { flags: '--budget <amount>', description: 'what it may spend in all, such as $1000; none for no limit' },
      { flags: '--cpus <n>', description: 'the most CPUs that it may hold; none for no limit' },
      { flags: '--accelerators <n>', description: 'the most accelerators that it may hold; none for no limit' },
      { flags: '--nodes <n>', description: 'the most nodes that it may hold; none for no limit' },
    ],
    examples: [
      'isobar projects set research --budget $5000 --accelerators 64',
      'isobar projects set --file projects.yaml',
    ],
    data: true,
    action: async () => (await import('#cli/commands/projects.ts')).set,
  },
]
