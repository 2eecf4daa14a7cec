import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'

import { coverageText, createCoverage, statesText } from '#simulator/house/coverage.ts'
import { measures, storyOf } from '#simulator/house/draw.ts'
import { endingText, storyText } from '#simulator/house/tell.ts'
import { onMemory } from '#simulator/house/on-memory.ts'
import { type Ending, runStory } from '#simulator/house/run.ts'
import { shrink } from '#simulator/house/shrink.ts'
import type { Story } from '#simulator/house/story.ts'
import type { MakeBacking } from '#simulator/house/world.ts'

/**
 * `npm run fuzz:house`: draws stories from seeds and runs each in the simulated house, until so many are told or the time
 * is over. The first that goes wrong is told, shrunk, and written down; then the command ends with 1.
 */
const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '1000000000' },
    from: { type: 'string', default: '1' },
    minutes: { type: 'string', default: '1' },
    store: { type: 'string', default: 'memory' },
    /** One seed, or one file of a story, alone: with its last steps, whatever becomes of it. */
    seed: { type: 'string' },
    replay: { type: 'string' },
    lines: { type: 'string', default: '80' },
    /** How long a failing story may be shrunk, in seconds; 0 leaves it as it is. */
    shrink: { type: 'string', default: '60' },
    /** Goes on after a failure, and tells of all in the end. */
    'keep-going': { type: 'boolean', default: false },
    /** How much there is in a story: `story`, or `fleet`. */
    measure: { type: 'string', default: 'story' },
    states: { type: 'boolean', default: false },
  },
})

const measure = values.measure === 'fleet' ? measures.fleet : measures.story
const backing = await backingOf(values.store)
const coverage = createCoverage()
const total = { stories: 0, simulatedMs: 0, calls: 0, failed: [] as number[] }
const began = performance.now()
const cpuBegan = process.cpuUsage()

/** What nobody caught: the story in which it happened has failed. */
const uncaught: string[] = []
process.on('unhandledRejection', (error) =>
  uncaught.push(error instanceof Error ? (error.stack ?? error.message) : String(error)),
)

async function runOne(story: Story): Promise<Ending> {
  uncaught.length = 0
  const ending = await runStory(story, backing)
  for (const what of uncaught.splice(0))
    ending.breaches.push({ invariant: 'no promise is left to fail', rule: 3, what, at: ending.simulatedMs })
  return ending
}

if (values.seed !== undefined || values.replay !== undefined) {
  const story =
    values.replay === undefined
      ? storyOf(Number(values.seed), measure)
      : (JSON.parse(readFileSync(values.replay, 'utf8')) as Story)
  const ending = await runOne(story)
  console.log(`${storyText(story)}\n\n${endingText(ending, Number(values.lines))}`)
  if (ending.breaches.length > 0) await reduce(story, ending)
  process.exit(ending.breaches.length > 0 ? 1 : 0)
}

const until = began + Number(values.minutes) * 60_000
const first = Number(values.from)
let saidAt = began
for (let seed = first; seed < first + Number(values.seeds) && performance.now() < until; seed++) {
  const story = storyOf(seed, measure)
  const ending = await runOne(story)
  coverage.add(ending.coverage)
  total.stories++
  total.simulatedMs += ending.simulatedMs
  total.calls += ending.calls
  if (ending.breaches.length > 0) {
    total.failed.push(seed)
    console.log(
      `\nseed ${seed} fails: npm run fuzz:house -- --seed ${seed}${values.store === 'memory' ? '' : ` --store ${values.store}`}`,
    )
    if (values['keep-going']) console.log(ending.breaches[0]?.what.slice(0, 600))
    else {
      console.log(endingText(ending, Number(values.lines)))
      await reduce(story, ending)
      break
    }
  }
  if (performance.now() > saidAt + 5_000) {
    saidAt = performance.now()
    console.log(progress(seed))
  }
}
console.log(`\n${values.states ? statesText(coverage.counts()) : coverageText(coverage.counts())}`)
console.log(`\n${progress(first + total.stories - 1)}`)
if (total.failed.length > 0) console.log(`failed: ${total.failed.join(' ')}`)
process.exit(total.failed.length > 0 ? 1 : 0)

function progress(seed: number): string {
  const seconds = (performance.now() - began) / 1000
  const { user, system } = process.cpuUsage(cpuBegan)
  const hours = total.simulatedMs / 3_600_000
  const rate = hours / ((user + system) / 60e6)
  return (
    `seed ${seed}: ${total.stories} stories, ${total.failed.length} failed, ${hours.toFixed(1)} simulated hours, ` +
    `${(total.stories / seconds).toFixed(1)} stories/s, ${total.calls} calls, ${rate.toFixed(0)} simulated hours per minute and core`
  )
}

/** Shrinks a story that fails, tells what is left and writes it down. */
async function reduce(story: Story, ending: Ending): Promise<void> {
  const kind = ending.breaches[0]?.invariant
  const mostMs = Number(values.shrink) * 1000
  const fails = async (candidate: Story) =>
    (await runOne(candidate)).breaches.some(({ invariant }) => invariant === kind)
  const short = mostMs === 0 ? story : await shrink(story, fails, { mostMs, now: () => performance.now() })
  const folder = join(import.meta.dirname, '..', '..', 'node_modules', '.cache', 'fuzz-house')
  mkdirSync(folder, { recursive: true })
  const path = join(folder, `seed-${story.seed}.json`)
  writeFileSync(path, `${JSON.stringify(short, null, 2)}\n`)
  console.log(`\nthe shortest story found that fails so (${existsSync(path) ? path : ''}):\n${storyText(short)}`)
  console.log(`\n${endingText(await runOne(short), Number(values.lines))}`)
}

async function backingOf(store: string): Promise<MakeBacking> {
  if (store === 'postgres') return (await import('#rigs/backing.ts')).onPostgres
  return onMemory
}
