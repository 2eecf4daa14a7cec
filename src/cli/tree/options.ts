import type { OptionSpec } from '#cli/call.ts'

// Options that several commands share.

export const project: OptionSpec = { flags: '--project <name>', description: 'the project it belongs to' }

export const spending: readonly OptionSpec[] = [
  { flags: '--yes', description: 'do not ask; what is above the limit of the cost gate is refused' },
  {
    flags: '--max-cost <amount>',
    description: 'the most it may cost, such as $250: in all if it says how long it runs, else in an hour',
  },
  {
    flags: '--confirm-above <price>',
    description: 'price for an hour above which to ask ($20; also above $100 in all)',
  },
]

export const following: readonly OptionSpec[] = [
  { flags: '--rank <n>', description: 'the rank whose log to show, or all', default: '0' },
  {
    flags: '--exit-code <whose>',
    description: 'end with the exit code of the run (remote), or tell only whether it could be followed (local)',
    choices: ['remote', 'local'],
    default: 'remote',
  },
]
