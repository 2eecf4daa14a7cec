import { drawOf } from '#kit/random.ts'
import type { Diary } from './befell.ts'
import type { Faults } from './faults.ts'
import { type CallName, callsOf, fates, isOneOf, Trouble } from './trouble.ts'

/** What a call meets on its way. */
export type Call = { name: CallName; token: string; at: number }

/** What a story tells a site to suffer. */
export type Command = {
  /** Which calls; all that the trouble may befall when absent. */
  calls?: readonly CallName[]
  /** Only calls, or the gang, with this token. */
  token?: string
  /** So often; until it is lifted when absent. */
  times?: number
  /** Not from this instant on. */
  until?: number
}

/** What befalls the calls to one site: by command, in a window of time, or by the rates of its faults. */
export type Weather = {
  /** Whether a trouble strikes here and now. One that does is written down, so ask only where it would change anything. */
  strikes(trouble: Trouble, call: Call): boolean
  /** Whether it may strike at all, now or later: where it cannot, nobody need find out what it would change. */
  threatens(trouble: Trouble): boolean
  /** The same of what befalls a gang only later in its life: nothing is written down yet. */
  awaits(trouble: Trouble, call: Call): boolean
  command(trouble: Trouble, command: Command): void
  /** Lifts what was commanded: one trouble, or all. */
  calm(trouble?: Trouble): void
  /** How long it is until the site takes another call of this kind: 0 for one that it takes, which counts. */
  fullForMs(call: Call): number
}

type Options = { seed: string | number; site: string; faults: Faults; diary: Diary }
type Standing = Required<Pick<Command, 'calls'>> & { trouble: Trouble; token?: string; left: number; until: number }

export function createWeather({ seed, site, faults, diary }: Options): Weather {
  const loud = loudOf(site, faults)
  const byChance = createChances({ seed, site, faults, loud })
  const { limits } = faults
  let standing: Standing[] = []
  const full = new Map<CallName, number>()

  const commanded = (trouble: Trouble, { name, token, at }: Call): boolean => {
    const one = standing.find(
      (it) =>
        it.trouble === trouble &&
        it.calls.includes(name) &&
        (it.token ?? token) === token &&
        it.left > 0 &&
        at < it.until,
    )
    if (one) one.left--
    return one !== undefined
  }
  const awaits: Weather['awaits'] = (trouble, call) =>
    (standing.length > 0 && commanded(trouble, call)) || byChance(trouble, call)

  return {
    awaits,
    threatens: (trouble) => standing.length > 0 || loud.has(trouble),
    strikes(trouble, call) {
      if (!awaits(trouble, call)) return false
      diary.write({ at: call.at, site, call: call.name, token: call.token, fault: trouble })
      return true
    },
    command(trouble, { calls = callsOf(trouble), token, times = Infinity, until = Infinity }) {
      standing = standing.filter(({ left }) => left > 0)
      standing.push({ trouble, calls, ...(token === undefined ? {} : { token }), left: times, until })
    },
    calm(trouble) {
      standing = trouble === undefined ? [] : standing.filter((one) => one.trouble !== trouble)
    },
    fullForMs({ name, at }) {
      const limit = limits[name]
      if (!limit) return 0
      const perCall = 1_000 / limit.perSecond
      const fullAt = Math.max(full.get(name) ?? 0, at) + perCall
      const overMs = fullAt - at - limit.burst * perCall
      if (overMs > 0) return overMs
      full.set(name, fullAt)
      return 0
    },
  }
}

const windowsOf = (site: string, { windows }: Faults) =>
  windows.filter((one) => one.site === undefined || one.site === site)

/** Troubles that may strike by themselves. */
function loudOf(site: string, faults: Faults): ReadonlySet<Trouble> {
  const windows = windowsOf(site, faults)
  return new Set(
    Trouble.options.filter((one) => faults.rates[one] !== undefined || windows.some(({ trouble }) => trouble === one)),
  )
}

type Chances = Omit<Options, 'diary'> & { loud: ReadonlySet<Trouble> }

/** What strikes by itself: in a window of time, or by the rates. */
function createChances({ seed, site, faults, loud }: Chances): (trouble: Trouble, call: Call) => boolean {
  const { rates } = faults
  const windows = windowsOf(site, faults)
  /** A call is another one at another instant; a fate belongs to its token, whenever that is ordered. */
  const draw = (trouble: Trouble, { name, token, at }: Call, of: string): number =>
    isOneOf(fates, trouble) ? drawOf(seed, token, trouble, of) : drawOf(seed, site, name, token, at, trouble, of)

  return (trouble, call) => {
    if (!loud.has(trouble) || !callsOf(trouble).includes(call.name)) return false
    const { name, at } = call
    const inWindow = windows.some(
      (one) =>
        one.trouble === trouble &&
        one.from <= at &&
        at < one.to &&
        (one.calls ?? callsOf(trouble)).includes(name) &&
        (one.share === 1 || draw(trouble, call, `from ${one.from}`) < one.share),
    )
    if (inWindow) return true
    const rate = rates[trouble] ?? 0
    const share = typeof rate === 'number' ? rate : (rate[name] ?? 0)
    return share > 0 && draw(trouble, call, '') < share
  }
}
