import type { CommandSpec } from '#cli/call.ts'

export const simulate: readonly CommandSpec[] = [
  {
    name: 'simulate',
    arguments: '<fleet> [traces...]',
    group: 'Look',
    summary: 'replay traces of jobs on a fleet, under a policy and whatever may happen to it',
    details:
      'Traces: a CSV of jobs, Philly, Muri, openb, Kueue generators, Azure and Mooncake requests; told by how they begin, and .gz too. Equal input and seed give equal decisions. Ctrl-C reports what it has and exits with 130.',
    options: [
      {
        flags: '--policy <names>',
        description:
          'one or several of isobar (the engine of the control plane), fifo, sjf, srtf, srsf, las, fair, and modules of your own',
        default: 'isobar',
      },
      { flags: '--scenario <file>', description: 'what happens meanwhile: faults, outages, spot markets, prices' },
      {
        flags: '--projects <file>',
        description: 'quotas, weights, budgets and policies, as for isobar projects set; isobar keeps to them',
      },
      { flags: '--seed <n>', description: 'of all that is drawn at random', default: '1' },
      { flags: '--against <file>', description: 'compare with what an earlier simulation wrote with -o json' },
      { flags: '--html <file>', description: 'write a page with plots too' },
      { flags: '--prefill-rate <n>', description: 'tokens a second of a request that are read', default: '5000' },
      { flags: '--decode-rate <n>', description: 'tokens a second of a request that are written', default: '50' },
      { flags: '--muri', description: "the arguments are traces of Muri's, and the rules those of its simulator" },
    ],
    examples: [
      'isobar simulate fleet.yaml jobs.csv --policy isobar,fair,./mine.js',
      'isobar simulate fleet.yaml jobs.csv --scenario bad-week.yaml --html report.html',
      'isobar simulate fleet.yaml jobs.csv -o json > before.json',
      'isobar simulate fleet.yaml jobs.csv --policy sjf --against before.json',
    ],
    data: true,
    action: async () => (await import('#cli/commands/simulate.ts')).simulate,
  },
]
