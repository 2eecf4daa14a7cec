import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { coverageText, type CoverageCounts, createCoverage, statesText } from '#simulator/house/coverage.ts'
import { storyOf } from '#simulator/house/draw.ts'
import { holesText } from '#simulator/house/holes.ts'
import { onMemory } from '#simulator/house/on-memory.ts'
import { type Ending, runStory } from '#simulator/house/run.ts'
import { shrink } from '#simulator/house/shrink.ts'
import type { Story } from '#simulator/house/story.ts'
import { endingText, storyText } from '#simulator/house/tell.ts'
import type { MakeBacking } from '#simulator/house/world.ts'
import { type Options, readOptions } from './options.ts'
import { shareSeeds } from './workers.ts'

/**
 * `npm run fuzz:house`: draws stories from seeds and runs each in the simulated house, until so many are told or the time
 * is over. One that goes wrong is told, shrunk, and written down; then the command ends with 1.
 */
const options = given()

/** What stories amounted to. */
type Sum = {
  stories: number
  simulatedMs: number
  calls: number
  cpuMs: number
  failed: number[]
  /** Which seeds nobody told, and why: a line each. */
  untold: string[]
  coverage: CoverageCounts
}

const nothing = (): Sum => ({
  stories: 0,
  simulatedMs: 0,
  calls: 0,
  cpuMs: 0,
  failed: [],
  untold: [],
  coverage: { met: {}, ran: {} },
})

/** What nobody caught: the story in which it happened has failed. */
const uncaught: string[] = []
process.on('unhandledRejection', (error) => uncaught.push(error instanceof Error ? `${error.stack}` : String(error)))

/** Told to stop, it tells the story to its end, and then what came of all; told so again it ends at once. */
let isStopped = false
const stop = (): void => void (isStopped = true)
if (process.send) {
  process.on('SIGINT', () => undefined) // its parent hears of that as well, and says so
  process.once('message', stop)
  process.once('disconnect', () => process.exit(1))
} else process.once('SIGINT', stop)

const began = performance.now()
if (options.seed !== undefined || options.replay !== undefined) process.exit(await tellOne())
const sum = options.jobs > 1 ? await inProcesses() : await inThisProcess()
if (process.send) process.send(sum, () => process.exit(0))
else {
  console.log(`\n${options.states ? statesText(sum.coverage) : coverageText(sum.coverage)}\n`)
  console.log(`${holesText(sum.coverage)}\n\n${progress(sum)}`)
  if (sum.failed.length > 0) console.log(`failed: ${sum.failed.sort((one, other) => one - other).join(' ')}`)
  for (const line of sum.untold) console.log(line)
  const isShort = options.isCounted && sum.stories < options.seeds
  const why = isStopped ? ': it was interrupted' : isOver() ? ': the time was over' : ''
  if (isShort) console.log(`only ${sum.stories} of ${options.seeds} seeds were told${why}`)
  else if (isStopped) console.log('it was interrupted')
  if (isStopped) process.exit(130)
  process.exit(isShort || sum.failed.length > 0 || sum.untold.length > 0 ? 1 : 0)
}

/** What it was told; what it cannot be told is said, and ends it with 2. */
function given(): Options {
  try {
    return readOptions(process.argv.slice(2))
  } catch (error) {
    console.error(`error: ${error instanceof Error ? error.message : String(error)}`)
    process.exit(2)
  }
}

async function runOne(story: Story, backing: MakeBacking): Promise<Ending> {
  uncaught.length = 0
  const ending = await runStory(story, backing, options.lines)
  for (const what of uncaught.splice(0))
    ending.breaches.push({ invariant: 'no promise is left to fail', rule: 3, what, at: ending.simulatedMs })
  return ending
}

/** One seed, or one story of a file. */
async function tellOne(): Promise<number> {
  Error.stackTraceLimit = 30 // many stories do without: most errors there are meant, and traces take their time
  const { seed, replay, measure, lines } = options
  const backing = await backingOf(options.store)
  const story =
    replay === undefined ? storyOf(Number(seed), measure) : (JSON.parse(readFileSync(replay, 'utf8')) as Story)
  const ending = await runOne(story, backing)
  console.log(`${storyText(story)}\n\n${endingText(ending, lines)}`)
  if (ending.breaches.length > 0) await reduce(story, ending, backing)
  return ending.breaches.length > 0 ? 1 : 0
}

/** Each of some processes has its share of the seeds. */
async function inProcesses(): Promise<Sum> {
  const coverage = createCoverage()
  const all = nothing()
  const untold = await shareSeeds(options, {
    program: import.meta.filename,
    args: process.argv.slice(2),
    take(message) {
      const its = message as Sum // the same program sent it
      for (const key of ['stories', 'simulatedMs', 'calls', 'cpuMs'] as const) all[key] += its[key]
      all.failed.push(...its.failed)
      coverage.add(its.coverage)
    },
  })
  return { ...all, untold, coverage: coverage.counts() }
}

function isOver(): boolean {
  return performance.now() >= began + options.minutes * 60_000
}

function goesOn(): boolean {
  return !isStopped && !isOver()
}

async function inThisProcess(): Promise<Sum> {
  const { from, seeds, step, measure, keepGoing } = options
  const backing = await backingOf(options.store)
  const coverage = createCoverage()
  const all = nothing()
  const cpuBegan = process.cpuUsage()
  let saidAt = began
  for (let i = 0; i < seeds && goesOn(); i++) {
    const seed = from + i * step
    const story = storyOf(seed, measure)
    const ending = await runOne(story, backing)
    coverage.add(ending.coverage)
    all.stories++
    process.send?.(seed)
    all.simulatedMs += ending.simulatedMs
    all.calls += ending.calls
    const { user, system } = process.cpuUsage(cpuBegan)
    all.cpuMs = (user + system) / 1000
    if (ending.breaches.length > 0) {
      all.failed.push(seed)
      await tellFailure(story, ending, backing)
      if (!keepGoing) break
    }
    if (performance.now() > saidAt + 10_000) {
      saidAt = performance.now()
      console.log(`seed ${seed}: ${progress(all)}`)
    }
  }
  return { ...all, coverage: coverage.counts() }
}

async function tellFailure(story: Story, ending: Ending, backing: MakeBacking): Promise<void> {
  const store = options.store === 'memory' ? '' : ` --store ${options.store}`
  console.log(`\nseed ${story.seed} fails: npm run fuzz:house -- --seed ${story.seed}${store}`)
  if (options.keepGoing) return console.log(ending.breaches[0]?.what.slice(0, 600))
  console.log(endingText(ending, options.lines))
  await reduce(story, ending, backing)
}

function progress({ stories, simulatedMs, calls, cpuMs, failed }: Sum): string {
  const seconds = (performance.now() - began) / 1000
  const hours = simulatedMs / 3_600_000
  return (
    `${stories} stories, ${failed.length} failed, ${hours.toFixed(1)} simulated hours, ${calls} calls, ` +
    `${(stories / seconds).toFixed(1)} stories/s, ${(hours / (cpuMs / 60_000)).toFixed(0)} simulated hours per minute and core`
  )
}

/** Shrinks a story that fails, tells what is left and writes it down. */
async function reduce(story: Story, ending: Ending, backing: MakeBacking): Promise<void> {
  const kind = ending.breaches[0]?.invariant
  const mostMs = options.shrinkMs
  const fails = async (candidate: Story) =>
    (await runOne(candidate, backing)).breaches.some(({ invariant }) => invariant === kind)
  const short = mostMs === 0 ? story : await shrink(story, fails, { mostMs, now: () => performance.now() })
  const folder = join(import.meta.dirname, '..', '..', 'node_modules', '.cache', 'fuzz-house')
  mkdirSync(folder, { recursive: true })
  const path = join(folder, `seed-${story.seed}.json`)
  writeFileSync(path, `${JSON.stringify(short, null, 2)}\n`)
  console.log(`\nthe shortest story found that fails so, kept in ${path}:\n${storyText(short)}`)
  console.log(`\n${endingText(await runOne(short, backing), options.lines)}`)
}

async function backingOf(store: string): Promise<MakeBacking> {
  return store === 'postgres' ? (await import('#rigs/backing.ts')).onPostgres : onMemory
}
