import type { Clock } from '#kit/clock.ts'
import { fail, type Fault, type Outcome } from '#model/fault.ts'
import type { Diary } from './befell.ts'
import type { Faults } from './faults.ts'
import { drawMs } from './range.ts'
import type { SiteState } from './site.ts'
import { type CallName, refusals } from './trouble.ts'
import type { Call, Weather } from './weather.ts'

/** Makes a call to a site: half of its time there, the effect, half of its time back, and trouble on the way. */
export type Wire = <T>(
  call: { name: CallName; token: string },
  signal: AbortSignal,
  effect: (site: SiteState, now: number) => Outcome<T>,
) => Promise<Outcome<T>>

type Options = {
  seed: string | number
  site: string
  faults: Faults
  clock: Clock
  weather: Weather
  state: SiteState
  diary: Diary
}

export function createWire(options: Options): Wire {
  const { seed, site, faults, clock, weather, state } = options
  return async (named, signal, effect) => {
    const call: Call = { ...named, at: clock.now() }
    const of = [seed, site, call.name, call.token, call.at]
    const slowMs = weather.strikes('slow', call) ? drawMs(faults.slowMs, ...of, 'slow') : 0
    const delayMs = drawMs(faults.callMs, ...of, 'delay') + slowMs
    const thereMs = Math.floor(delayMs / 2)
    const refusal = refusalOf(call, options)
    if (refusal === 'hanging') await aborted(signal)
    else await clock.sleep(thereMs, signal)
    if (signal.aborted) return fail('unreachable', 'later', `${site} did not answer in time`)
    if (refusal !== null) return fault(refusal, call, site)
    const echoAt = () => clock.now() + drawMs(faults.lateMs, ...of, 'late')
    if (weather.strikes('late', call)) {
      state.later(echoAt(), (at) => void effect(state, at))
      return fail('unreachable', 'later', `${site} did not answer in time`)
    }
    const outcome = effect(state, clock.now())
    if (weather.strikes('duplicated', call)) state.later(echoAt(), (at) => void effect(state, at))
    await clock.sleep(delayMs - thereMs, signal)
    // The effect stays, whatever becomes of the answer: that is why orders carry tokens.
    if (!signal.aborted && weather.strikes('timed-out', call)) await aborted(signal)
    if (signal.aborted || weather.strikes('lost-reply', call))
      return fail('unreachable', 'later', `the answer of ${site} was lost`)
    return outcome
  }
}

type Refusal = (typeof refusals)[number]

function refusalOf(call: Call, { site, state, weather, diary }: Options): Refusal | null {
  const down = state.down(call.at)
  if (down) {
    const refusal = down === 'hanging' ? down : 'unreachable'
    diary.write({ at: call.at, site, call: call.name, token: call.token, fault: refusal })
    return refusal
  }
  // An order that was taken before stays taken.
  const known = call.name === 'launch' && state.knows(call.token, call.at)
  const struck = refusals.find(
    (one) => !(known && (one === 'quota' || one === 'no-capacity')) && weather.strikes(one, call),
  )
  return struck ?? (weather.takes(call) ? null : 'throttled')
}

function fault(refusal: Refusal, { name }: Call, site: string): { ok: false; fault: Fault } {
  switch (refusal) {
    case 'hanging':
    case 'unreachable':
      return fail('unreachable', 'later', `${site} cannot be reached`)
    case 'throttled':
      return fail('throttled', 'later', `${site} asks to be called less often`)
    case 'denied':
      return fail('denied', name === 'launch' ? 'elsewhere' : 'later', `${site} does not accept the credentials`)
    case 'quota':
      return fail('quota', 'elsewhere', `the quota at ${site} is used up`)
    case 'no-capacity':
      return fail('no-capacity', 'elsewhere', `${site} has nothing left for now`)
  }
}

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
