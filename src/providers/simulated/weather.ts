import { drawOf } from '#kit/random.ts'
import { Trouble } from './options.ts'
import type { Faults } from './options.ts'

/** What a call meets on its way. */
export type Call = { site: string; name: string; token: string; at: number }

/** What befalls calls: by the rates and windows of the profile, and by what a test does to a site meanwhile. */
export type Weather = {
  /** The trouble that befalls this call, if any. */
  of(call: Call): Trouble | null
  /** From now on every call to the site is met by this, or by nothing in particular again. */
  set(site: string, trouble: Trouble | null): void
}

export function createWeather(seed: string | number, { rates, windows }: Faults): Weather {
  const forced = new Map<string, Trouble>()
  return {
    of({ site, name, token, at }) {
      const lasting = forced.get(site)
      if (lasting) return lasting
      const window = windows.find((one) => one.site === site && one.from <= at && at < one.to)
      if (window) return window.trouble
      // One draw a call, cut into the shares of the troubles: its instant makes a later try of it another draw.
      let draw = drawOf(seed, site, name, token, at)
      for (const trouble of Trouble.options) {
        const rate = rates[trouble] ?? 0
        if (draw < rate) return trouble
        draw -= rate
      }
      return null
    },
    set(site, trouble) {
      if (trouble) forced.set(site, trouble)
      else forced.delete(site)
    },
  }
}
