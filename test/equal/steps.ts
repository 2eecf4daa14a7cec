import { createRandom } from '#kit/random.ts'
import { createDraw, newTold, type Step } from './drawn.ts'
import * as keeping from './keeping.ts'
import { type Pair, Unequal } from './pair.ts'
import * as placing from './placing.ts'
import * as running from './running.ts'
import * as work from './work.ts'

/** Time goes by: mostly some seconds, now and then hours or weeks. */
const wait: Step = (pair, draw) => {
  pair.clock.at += draw.of([1, 7, 500, 2_000, 2_000, 11_000, 11_000, 70_000, 3_600_000])
  if (draw.chance(0.03)) pair.clock.at += draw.of([86_400_001, 31 * 86_400_000])
  return Promise.resolve()
}

/** Each step, and how often it is taken. */
const steps: readonly (readonly [Step, number])[] = [
  [wait, 16],
  [work.submit, 8],
  [work.want, 3],
  [work.prioritise, 3],
  [work.show, 6],
  [work.list, 3],
  [work.tidy, 3],
  [work.plan, 2],
  [work.repeat, 3],
  [placing.look, 8],
  [placing.ofQueue, 4],
  [placing.claim, 5],
  [placing.place, 12],
  [running.claimOperations, 5],
  [running.settle, 6],
  [running.launch, 9],
  [running.retire, 5],
  [running.lose, 4],
  [running.reportAll, 5],
  [running.follow, 10],
  [running.applyAny, 6],
  [running.agent, 8],
  [running.tasks, 8],
  [running.see, 6],
  [keeping.site, 7],
  [keeping.market, 4],
  [keeping.bill, 6],
  [keeping.money, 6],
  [keeping.events, 4],
  [keeping.project, 4],
  [keeping.secret, 5],
  [keeping.others, 1],
]
const all = steps.reduce((sum, [, weight]) => sum + weight, 0)

/** Where a step is at this share of all. */
function stepAt(place: number): Step {
  let left = place % all
  for (const [step, weight] of steps) {
    if (left < weight) return step
    left -= weight
  }
  return wait
}

/** How each story begins: sites are there, and some work is placed and launched. */
const opening: readonly Step[] = [keeping.found, work.submit, work.submit, placing.place, running.launch, work.submit]

/** So often an answer is asked of a rehearsal, of which nothing stays. */
const rehearsed = 0.06
/** Rows are compared after so many steps, and at the end. */
const rowsEvery = 25

/** Takes steps, each by its number: the same numbers are the same story. Throws `Unequal`. */
export async function takeSteps(pair: Pair, numbers: readonly number[]): Promise<void> {
  const told = newTold(pair.number)
  const draw = createDraw(createRandom(numbers[0] ?? 0))
  for (const step of opening) await allowed(step(pair, draw, told))
  for (const [i, number] of numbers.entries()) {
    const random = createRandom(number)
    const isRehearsal = random.next() < rehearsed
    const asked: Pair = isRehearsal ? { ...pair, ask: (call) => pair.ask((store) => call(store.rehearsal())) } : pair
    await allowed(stepAt(number)(asked, createDraw(random), told))
    if (i % rowsEvery === rowsEvery - 1) await pair.compareRows()
  }
  await pair.compareRows()
}

/** Both may refuse what is asked. */
const allowed = (step: Promise<unknown>): Promise<unknown> =>
  step.catch((error: unknown) => {
    if (error instanceof Unequal) throw error
  })

/** The numbers of the steps of a seed. */
export function numbersOf(seed: number, count: number): number[] {
  const random = createRandom(`steps ${seed}`)
  return Array.from({ length: count }, () => random.below(2 ** 31))
}
