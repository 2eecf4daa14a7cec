import type { Clock } from '#kit/clock.ts'
import { fail, failFor, type Fault, type Outcome } from '#model/fault.ts'
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
  let launches = 0
  const crowdMs = ({ name }: Pick<Call, 'name'>) => (name === 'launch' ? launches * faults.crowdMs : 0)
  const carry: Wire = async (named, signal, effect) => {
    const call: Call = { ...named, at: clock.now() }
    const of = [seed, site, call.name, call.token, call.at]
    const slowMs = weather.strikes('slow', call) ? drawMs(faults.slowMs, ...of, 'slow') : 0
    const delayMs = drawMs(faults.callMs, ...of, 'delay') + crowdMs(call) + slowMs
    const thereMs = Math.floor(delayMs / 2)
    const refusal = refusalOf(call, options)
    if (refusal?.how === 'hanging') await aborted(signal)
    else await clock.sleep(thereMs, signal)
    if (signal.aborted) return fail('unreachable', 'later', `${site} did not answer in time`)
    if (refusal !== null) return fault(refusal.how, { call, site, retryAfterMs: refusal.retryAfterMs })
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
  return async (call, signal, effect) => {
    if (call.name !== 'launch') return carry(call, signal, effect)
    launches++
    try {
      return await carry(call, signal, effect)
    } finally {
      launches--
    }
  }
}

type How = (typeof refusals)[number]
type Refusal = { how: How; /** 0: it does not say. */ retryAfterMs: number }

function refusalOf(call: Call, { seed, site, faults, state, weather, diary }: Options): Refusal | null {
  const down = state.down(call.at)
  if (down) {
    const refusal = down === 'hanging' ? down : 'unreachable'
    diary.write({ at: call.at, site, call: call.name, token: call.token, fault: refusal })
    return { how: refusal, retryAfterMs: 0 }
  }
  // An order that was taken before stays taken.
  const known = call.name === 'launch' && state.knows(call.token, call.at)
  const struck = refusals.find(
    (one) => !(known && (one === 'quota' || one === 'no-capacity')) && weather.strikes(one, call),
  )
  const fullForMs = struck ? 0 : weather.fullForMs(call)
  if (!struck && fullForMs === 0) return null
  if (faults.retryAfterMs[1] === 0 || (struck && struck !== 'throttled'))
    return { how: struck ?? 'throttled', retryAfterMs: 0 }
  const drawn = drawMs(faults.retryAfterMs, seed, site, call.name, call.token, call.at, 'retry after')
  return { how: 'throttled', retryAfterMs: struck ? drawn : fullForMs }
}

type Refused = { call: Call; site: string; retryAfterMs: number }

function fault(how: How, { call, site, retryAfterMs }: Refused): { ok: false; fault: Fault } {
  switch (how) {
    case 'hanging':
    case 'unreachable':
      return fail('unreachable', 'later', `${site} cannot be reached`)
    case 'throttled':
      return retryAfterMs > 0
        ? failFor('throttled', retryAfterMs, `${site} asks to be called again later`)
        : fail('throttled', 'later', `${site} asks to be called less often`)
    case 'denied':
      return fail('denied', call.name === 'launch' ? 'elsewhere' : 'later', `${site} does not accept the credentials`)
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
