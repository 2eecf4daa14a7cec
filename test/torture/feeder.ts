import { setTimeout as sleep } from 'node:timers/promises'

import { createRandom } from '#kit/random.ts'
import type { Setting } from './round.ts'
import { Refused, type Victim } from './victim.ts'
import { someWork, type Expected } from './work.ts'

export type Feeder = {
  /** What was submitted so far. */
  expected: Expected[]
  /** Why the control plane could not take what it was given, in its own words. */
  said: Set<string>
  /** Submits so many at once. */
  give(count: number): Promise<void>
  /** Submits the rest in small parts until `end`, as programs do that never give up; returns what was refused and should not be. */
  run(): Promise<string[]>
  end(): void
}

/** Answers that mean: try again. Those of a server that has trouble, and of one that has the same request in work. */
const isPassing = (error: Error) => !(error instanceof Refused) || error.status >= 500 || error.status === 409

/**
 * Submits work through whatever hurts. Each request has an idempotency key and is made again until it is answered, so that
 * its workloads must be there exactly once; now and then one is given up after it failed: they may be there, once.
 */
export function createFeeder({ setting, post }: { setting: Setting; post: Victim['api'] }): Feeder {
  const { scratch, workloads } = setting
  const { next: draw } = createRandom(`feeder ${setting.draw()}`)
  const expected: Expected[] = []
  const said = new Set<string>()
  const wrong: string[] = []
  const ended = new AbortController()
  let given = 0
  const give = async (count: number): Promise<void> => {
    const work = someWork({ scratch, from: given, count, draw })
    const key = `part-${given}`
    given += count
    const body = { text: work.text, filename: 'torture.yaml', bundles: {} }
    const answered = await tried(() => post('POST', '/v1/workloads', { body, key, withinMs: 15_000 }), { draw, said })
    if (answered !== 'done' && answered !== 'left') wrong.push(`${key} was not taken: ${answered.message}`)
    expected.push(...work.expected.map((one) => (answered === 'done' ? one : Object.assign(one, { maybe: true }))))
  }
  return {
    expected,
    said,
    give,
    end: () => ended.abort(),
    async run() {
      while (expected.length < workloads) {
        await give(Math.min(workloads - given, 1 + Math.floor(draw() * 4)))
        if (!ended.signal.aborted) await sleep(draw() * 600)
      }
      return wrong
    },
  }
}

type Trying = { draw: () => number; said: Set<string> }

async function tried(post: () => Promise<unknown>, { draw, said }: Trying): Promise<'done' | 'left' | Error> {
  for (const until = performance.now() + 120_000; ; await sleep(50 + draw() * 200))
    try {
      await post()
      return 'done'
    } catch (error) {
      if (!(error instanceof Error)) throw error
      if (error instanceof Refused) said.add(error.message)
      if (!isPassing(error) || performance.now() > until) return error
      if (draw() < 0.05) return 'left'
    }
}
