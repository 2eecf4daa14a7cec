import type { Clock } from '#kit/clock.ts'
import { fail, type Outcome } from '#model/fault.ts'
import type { Faults } from './options.ts'
import { drawMs, type SiteState } from './site.ts'
import type { Call, Weather } from './weather.ts'

/** Makes a call to a site: half of its time there, the effect, half of its time back, and trouble on the way. */
export type Wire = <T>(
  call: Omit<Call, 'at'>,
  signal: AbortSignal,
  effect: (site: SiteState, now: number) => Outcome<T>,
) => Promise<Outcome<T>>

type Options = {
  seed: string | number
  faults: Faults
  clock: Clock
  weather: Weather
  stateOf(site: string): SiteState
}

export function createWire({ seed, faults, clock, weather, stateOf }: Options): Wire {
  return async (call, signal, effect) => {
    const { site, name, token } = call
    const at = clock.now()
    const trouble = weather.of({ ...call, at })
    const delayMs = drawMs(faults.callMs, seed, site, name, token, at, 'delay')
    const thereMs = Math.floor(delayMs / 2)
    if (trouble === 'hanging') await aborted(signal)
    else await clock.sleep(thereMs, signal)
    if (signal.aborted) return fail('unreachable', 'later', `${site} did not answer in time`)
    if (trouble === 'unreachable') return fail('unreachable', 'later', `${site} cannot be reached`)
    if (trouble === 'throttled') return fail('throttled', 'later', `${site} asks to be called less often`)
    // An order that was taken before stays taken.
    if (trouble === 'no-capacity' && name === 'launch' && !stateOf(site).knows(token, clock.now()))
      return fail('no-capacity', 'elsewhere', `${site} has nothing left for now`)
    const outcome = effect(stateOf(site), clock.now())
    await clock.sleep(delayMs - thereMs, signal)
    // The effect stays, whatever becomes of the answer: that is why orders carry tokens.
    if (trouble === 'lost-reply' || signal.aborted)
      return fail('unreachable', 'later', `the answer of ${site} was lost`)
    return outcome
  }
}

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
