import { touchedBy } from '#engine/placement/check-touched.ts'
import { check } from '#engine/placement/check.ts'
import type { PlaceInput } from '#engine/placement/place.ts'
import type { Decision } from '#model/plan.ts'
import { memory } from './memory.ts'
import type { House } from './reconciler.ts'

/** One round in so many is looked at, however large the fleet: of the facts only the part that the round has touched. */
const everyRounds = 32

/** So many rounds in a row are refused, whatever is told of them: what it tells may be another thing each time. */
const mostRefused = 3

const doubts = memory(() => ({ rounds: 0, told: '', refused: 0 }))

/**
 * Holds what the engine decided against its checker, for a sample of the rounds. Throws at what is wrong, so that it is
 * told and nothing of the round is carried out; the round after it is looked at again. What is told twice, and what
 * comes after three such rounds in a row, is let through: a checker that is wrong must not stop a house.
 */
export function doubt(house: House, input: PlaceInput, decisions: Decision[]): void {
  const state = doubts(house)
  const before = state.told
  if (state.rounds++ % (house.checksEvery ?? everyRounds) !== 0 && before === '') return
  const refused = before === '' ? 0 : state.refused
  state.told = ''
  const wrong = check(touchedBy(input, decisions), decisions)
  house.checked?.(wrong.length)
  const [first] = wrong
  if (first === undefined || first === before || refused >= mostRefused) return
  state.told = first
  state.refused = refused + 1
  throw new Error(`The engine decided what its checker refuses, so it is not carried out: ${first}`)
}
