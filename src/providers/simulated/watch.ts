import { Cancel } from '#kit/cancel.ts'
import type { Clock } from '#kit/clock.ts'
import { fail, type Outcome, succeed } from '#model/fault.ts'
import { mostQuietMs, type Provider } from '#providers/provider.ts'
import type { Faults } from './faults.ts'
import { nextChangeOf } from './gang.ts'
import type { SiteState } from './site.ts'
import type { Wire } from './wire.ts'

/** Tells of changes at one site: the truth, however its listings lag behind. */
export type SiteWatch = {
  watch: (since: string | null, signal: AbortSignal) => ReturnType<NonNullable<Provider['abilities']['watch']>>
  /** Something there shows itself otherwise, of which the site itself knows nothing. */
  stir(): void
}

type Options = { site: string; faults: Faults; clock: Clock; state: SiteState; wire: Wire }

/** Who watches a site asks it so often whether it is still there, where that is not told, and waits so long for the answer. */
const pingMs = { every: 5_000, most: 10_000 }

export function createSiteWatch({ site, faults, clock, state, wire }: Options): SiteWatch {
  const isAwayByItself = faults.outages !== undefined || faults.windows.some(({ trouble }) => trouble === 'lost')
  const marks = createMarks(state, isAwayByItself)
  const hearing = new Set<Cancel>()
  const wakeAll = (): void => {
    for (const one of hearing) one.cancel()
  }
  state.onChange(wakeAll)
  const nextAt = (now: number): number =>
    Math.min(isAwayByItself ? now + pingMs.every : Infinity, nextChangeAt(state, now))

  /** Until the mark is another one or it was quiet for long; false: nobody is there any more. */
  const changed = async (since: string, signal: AbortSignal): Promise<boolean> => {
    for (const until = clock.now() + mostQuietMs; ;) {
      const now = clock.now()
      const down = state.down(now)
      if (down === 'hanging') await clock.sleep(pingMs.most, signal)
      if (down || signal.aborted) return false
      if (now >= until || marks.at(now) !== since) return true
      const wake = new Cancel()
      const stop = () => wake.cancel()
      signal.addEventListener('abort', stop, { once: true })
      hearing.add(wake)
      await clock.sleep(Math.min(until, nextAt(now)) - now, wake)
      hearing.delete(wake)
      signal.removeEventListener('abort', stop)
    }
  }
  const stir = (): void => {
    marks.count()
    wakeAll()
  }
  /** A call on its way there and back, with all that may befall it. */
  const tell = (signal: AbortSignal): Promise<Outcome<string>> => {
    let isTold = false
    return wire({ name: 'watch', token: '' }, signal, (_, now) => {
      if (isTold) marks.count() // once more
      isTold = true
      return succeed(marks.at(now))
    })
  }

  return {
    stir,
    async watch(since, signal) {
      const opened = await tell(signal)
      if (!opened.ok || opened.value !== since) return opened
      if (!(await changed(since, signal))) return fail('unreachable', 'later', `the watch of ${site} was cut`)
      return tell(signal)
    },
  }
}

/** When a site shows itself otherwise next, as far as it knows by now. */
const nextChangeAt = (state: SiteState, now: number): number =>
  Math.min(state.nextAt(), ...state.gangs(now).map((gang) => nextChangeOf(gang, now)))

/** Counts what a site showed otherwise, as often as somebody looks. `isAwayByItself`: it cannot say when that is next. */
function createMarks(state: SiteState, isAwayByItself: boolean) {
  let [mark, shown, sameUntil] = [0, '', -Infinity]
  state.onChange(() => (sameUntil = -Infinity))
  return {
    count: () => void mark++,
    at(now: number): string {
      if (now < sameUntil) return String(mark)
      const next = JSON.stringify(state.gangs(now).map((gang) => state.shown(gang, now)))
      if (next !== shown) mark++
      shown = next
      sameUntil = isAwayByItself ? now : nextChangeAt(state, now)
      return String(mark)
    },
  }
}
