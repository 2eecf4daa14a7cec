import type { Clock } from '#kit/clock.ts'
import type { Outcome } from '#model/fault.ts'
import type { Offer } from '#model/offer.ts'
import type { Provider } from '#providers/provider.ts'

/** Somebody asked what is at a site, and heard an answer, nothing, or that he is not let in. One that is busy is neither. */
export type Ask = { at: number; heard: 'answer' | 'nothing' | 'denied' }

/** What a provider said that a node of a shape costs. */
export type Offered = { at: number; priceMicros: number }

/** Who was asked when, and what came of it: whether a site is silent in truth, and not only by what the house says. */
export type Asked = {
  /** The same adapter, of whose looks at a site is noted how they end. */
  of(provider: Provider): Provider
  /** The latest at `provider/site`, in their order. */
  at(site: string): readonly Ask[]
  /** As `Seen` has it. */
  offered: ReadonlyMap<string, readonly Offered[]>
}

/** Longer than any patience of a story, and what is noted of it. */
const keptMs = 900_000
/** So many that are older are forgotten together. */
const many = 200

export function createAsked(clock: Pick<Clock, 'now'>): Asked {
  const all = new Map<string, Ask[]>()
  const offered = new Map<string, Offered[]>()
  const note = (site: string, outcome: Outcome<unknown>): void => {
    if (!outcome.ok && outcome.fault.kind === 'throttled') return
    const asks = all.get(site) ?? []
    all.set(site, asks)
    asks.push({ at: clock.now(), heard: heardOf(outcome) })
    const isOld = (ask: Ask | undefined): boolean => ask !== undefined && ask.at <= clock.now() - keptMs
    if (isOld(asks[many])) asks.splice(0, many)
  }
  const noteOffer = ({ provider, site, tier, shape, priceMicros }: Offer): void => {
    const key = `${provider}/${site} ${tier} ${shape.name}`
    const its = offered.get(key) ?? []
    offered.set(key, its)
    if (its.at(-1)?.priceMicros !== priceMicros) its.push({ at: clock.now(), priceMicros })
  }
  return {
    of: (provider) => ({
      ...provider,
      async offers(site, signal) {
        const outcome = await provider.offers(site, signal)
        note(`${provider.name}/${site}`, outcome)
        if (outcome.ok) outcome.value.forEach(noteOffer)
        return outcome
      },
      async list(site, signal) {
        const outcome = await provider.list(site, signal)
        note(`${provider.name}/${site}`, outcome)
        return outcome
      },
    }),
    at: (site) => all.get(site) ?? [],
    offered,
  }
}

function heardOf(outcome: Outcome<unknown>): Ask['heard'] {
  if (outcome.ok) return 'answer'
  const { kind } = outcome.fault
  return kind === 'unreachable' ? 'nothing' : kind === 'denied' ? 'denied' : 'answer'
}
