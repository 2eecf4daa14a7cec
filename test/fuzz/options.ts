import { parseArgs } from 'node:util'

import { measures } from '#simulator/house/measure.ts'

/** What `npm run fuzz:house` is told. */
export type Options = ReturnType<typeof readOptions>

export function readOptions(args: string[]) {
  const { values } = parseArgs({
    args,
    options: {
      seeds: { type: 'string', default: '1000000000' },
      from: { type: 'string', default: '1' },
      /** Every so many seeds one: where several processes share them. */
      step: { type: 'string', default: '1' },
      minutes: { type: 'string', default: '1' },
      jobs: { type: 'string', default: '1' },
      store: { type: 'string', default: 'memory' },
      /** How much there is in a story: `story`, or `fleet`. */
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
  return {
    ...values,
    seeds: Number(values.seeds),
    from: Number(values.from),
    step: Number(values.step),
    minutes: Number(values.minutes),
    jobs: Number(values.jobs),
    lines: Number(values.lines),
    shrinkMs: Number(values.shrink) * 1000,
    measure: values.measure === 'fleet' ? measures.fleet : measures.story,
    keepGoing: values['keep-going'],
  }
}
