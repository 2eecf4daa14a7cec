import { parseArgs } from 'node:util'

import { type Measure, measures } from '#simulator/house/measure.ts'

/** What `npm run fuzz:house` is told. */
export type Options = ReturnType<typeof readOptions>

export function readOptions(args: string[]) {
  const { values } = parseArgs({
    args,
    options: {
      /** So many are to be told: fewer, because the time was over, is a failure. Without it as many as the time allows. */
      seeds: { type: 'string' },
      from: { type: 'string', default: '1' },
      /** Every so many seeds one: where several processes share them. */
      step: { type: 'string', default: '1' },
      /** No story begins later; without it one minute, or, where `--seeds` says how many, as long as they take. */
      minutes: { type: 'string' },
      jobs: { type: 'string', default: '1' },
      store: { type: 'string', default: 'memory' },
      /** How much there is in a story: `story`, `fleet` or `week`. */
      measure: { type: 'string', default: 'story' },
      /** One seed, or one file of a story, alone: told with its last steps, whatever becomes of it. */
      seed: { type: 'string' },
      replay: { type: 'string' },
      /** So many of its last lines. */
      lines: { type: 'string', default: '80' },
      /** How long a failing story may be shrunk, in seconds; 0 leaves it as it is. */
      shrink: { type: 'string', default: '60' },
      /** Goes on after a failure, and tells of all in the end. */
      'keep-going': { type: 'boolean', default: false },
      /** Tells of each state that a fault met an operation in. */
      states: { type: 'boolean', default: false },
    },
  })
  const number = (name: 'seeds' | 'from' | 'step' | 'minutes' | 'jobs' | 'lines' | 'shrink', otherwise = 0): number => {
    const given = Number(values[name] ?? otherwise)
    if (given >= 0) return given
    throw new Error(`--${name} ${values[name]}: it is no number\ngive one, as in --${name} 10`)
  }
  return {
    ...values,
    seeds: number('seeds', 1_000_000_000),
    isCounted: values.seeds !== undefined,
    from: number('from'),
    step: number('step'),
    minutes: number('minutes', values.seeds === undefined ? 1 : Infinity),
    jobs: number('jobs'),
    lines: number('lines'),
    shrinkMs: number('shrink') * 1000,
    measure: measureOf(values.measure),
    keepGoing: values['keep-going'],
  }
}

function measureOf(name: string): Measure {
  const found = Object.entries<Measure>(measures).find(([one]) => one === name)
  if (!found)
    throw new Error(`--measure ${name}: there is none of that name\nname one of ${Object.keys(measures).join(', ')}`)
  return found[1]
}
