/**
 * Asks PostgreSQL and the store in memory the same at random, and compares answers, nudges and rows.
 * `npm run fuzz:store -- --help`.
 */
import { parseArgs } from 'node:util'

import type { Clock } from '#kit/clock.ts'
import { createMemoryStore } from '#simulator/house/memory/store.ts'
import type { FakeClock } from '#simulator/fake-clock.ts'
import {
  aSetClock,
  type Coverage,
  createGround,
  type Ground,
  type Pair,
  type SetClock,
  Unequal,
} from '#test/equal/pair.ts'
import { numbersOf, takeSteps } from '#test/equal/steps.ts'
import { aWorldClock, liveThrough } from '#test/equal/whole.ts'

const help = `usage: npm run fuzz:store -- [options]

Each seed is a story of random calls, or every sixth of the loops of a house, made to PostgreSQL and to the store in
memory. Exit code 0 only if all answers, nudges and rows are equal.

options:
  --seeds <n>    how many (100)
  --from <n>     the first (1)
  --steps <n>    steps of a story (120)
  --minutes <n>  no seed begins later (60)
  --shrink <n>   seconds for making a story that differs shorter (60)
`

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '100' },
    from: { type: 'string', default: '1' },
    steps: { type: 'string', default: '120' },
    minutes: { type: 'string', default: '60' },
    shrink: { type: 'string', default: '60' },
    help: { type: 'boolean', short: 'h', default: false },
  },
})

/** What was asked last, and the answer that differs. */
const shown = 12

/** A story on a pair of stores; it throws `Unequal`. */
type Story<C extends Clock> = { clock: () => C; tell(pair: Pair<C>): Promise<void> }

const stepping = (numbers: readonly number[]): Story<SetClock> => ({
  clock: aSetClock,
  tell: (pair) => takeSteps(pair, numbers),
})

const living = (seed: number, steps: number): Story<FakeClock> => ({
  clock: aWorldClock,
  tell: (pair) => liveThrough(pair, seed, steps),
})

/** What differed, if anything did. */
async function tell<C extends Clock>(ground: Ground, seed: number, story: Story<C>): Promise<string[] | null> {
  const pair = await ground.pair(seed, story.clock())
  try {
    await story.tell(pair)
    return null
  } catch (thrown) {
    // Loops wrap what they meet; who asks again is told the same.
    const error = (await pair.compareRows().catch((again: unknown) => again)) ?? thrown
    if (!(error instanceof Unequal)) throw thrown
    const cause = error.cause === undefined ? [] : [String(error.cause)]
    return [error.message, ...cause, ...pair.asked.slice(-shown).map((line) => `  ${line.slice(0, 1500)}`)]
  }
}

/** The same difference with as few steps as leave it there. */
async function shrink(ground: Ground, numbers: readonly number[], seed: number): Promise<readonly number[]> {
  let left = numbers
  for (let size = left.length >> 1; size > 0; size >>= 1)
    for (let at = 0; at < left.length;) {
      const fewer = left.toSpliced(at, size)
      if (fewer.length < left.length && (await tell(ground, seed, stepping(fewer)))) left = fewer
      else at += size
    }
  return left
}

/** One seed: steps at random, or every sixth time the loops of a house. Says whether all was equal. */
async function trySeed(ground: Ground, seed: number, steps: number): Promise<boolean> {
  if (seed % 6 === 0) {
    const wrong = await tell(ground, seed, living(seed, steps >> 2))
    if (wrong) console.log(`seed ${seed}, a house: ${wrong.join('\n')}`)
    return wrong === null
  }
  const numbers = numbersOf(seed, steps)
  const wrong = await tell(ground, seed, stepping(numbers))
  if (!wrong) return true
  console.log(`seed ${seed}: ${wrong.join('\n')}`)
  const fewest = await shrink(ground, numbers, seed)
  if (fewest.length === numbers.length) return false
  const again = await tell(ground, seed, stepping(fewest))
  console.log(`seed ${seed}, with ${fewest.length} steps (${fewest.join(' ')}): ${again?.join('\n')}`)
  return false
}

/** All that a store can be asked. */
function methods(): string[] {
  const store = createMemoryStore({ clock: aSetClock() })
  const notAsked = new Set(['onNudge', 'rehearsal', 'close', 'tables'])
  return Object.entries(store)
    .filter(([name]) => !notAsked.has(name))
    .flatMap(([noun, part]) =>
      typeof part === 'function' ? [noun] : Object.keys(part).map((name) => `${noun}.${name}`),
    )
}

function report(coverage: Coverage): void {
  console.log('\nmethod                         calls  with an answer or a write')
  for (const [name, { calls, telling }] of [...coverage].sort(([a], [b]) => (a < b ? -1 : 1)))
    console.log(`${name.padEnd(28)} ${String(calls).padStart(7)} ${String(telling).padStart(7)}`)
  const silent = methods().filter((name) => (coverage.get(name)?.telling ?? 0) === 0)
  // What requireSchema says is that it does not throw.
  console.log(`\nnever asked, or never with an answer or a write: ${silent.join(', ') || 'none'}`)
}

async function run(): Promise<void> {
  const [seeds, from, steps, minutes] = [values.seeds, values.from, values.steps, values.minutes].map(Number)
  if (values.help || ![seeds, from, steps, minutes].every((value) => Number(value) >= 0)) {
    process.exitCode = values.help ? 0 : 2
    return console.log(help)
  }
  await using ground = await createGround()
  const began = Date.now()
  let done = 0
  const failed: number[] = []
  for (; done < (seeds ?? 0) && Date.now() < began + (minutes ?? 0) * 60_000; done++) {
    const seed = (from ?? 0) + done
    if (await trySeed(ground, seed, steps ?? 0)) continue
    failed.push(seed)
    if (failed.length >= 3) break
  }
  report(ground.coverage)
  const calls = [...ground.coverage.values()].reduce((sum, its) => sum + its.calls, 0)
  console.log(`\n${done} seeds, ${calls} calls, ${((Date.now() - began) / 1000).toFixed(1)} s`)
  console.log(failed.length > 0 ? `unequal: seeds ${failed.join(', ')}` : 'equal')
  process.exitCode = failed.length > 0 ? 1 : 0
}

await run()
process.exit()
