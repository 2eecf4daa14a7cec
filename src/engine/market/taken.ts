import type { Offer } from '#model/offer.ts'

/** What was seen of the spot nodes of one shape at a site: how long they were held, and how often some were taken away. */
export type SpotHistory = { shape: string; nodeHours: number; taken: number }

/** Weight of what the provider says itself, in hours of a node. */
const priorHours = 200

/**
 * How often a node is taken away in an hour, in millionths: losses over node-hours, with what the provider says as if
 * it had been seen for `priorHours` (the mean of a gamma posterior). Two digits, so that it does not change with
 * every hour that passes.
 */
export function takenPpm({ nodeHours, taken }: Pick<SpotHistory, 'nodeHours' | 'taken'>, saidPpm = 0): number {
  const ppm = (taken * 1e6 + saidPpm * priorHours) / (Math.max(0, nodeHours) + priorHours)
  return Math.min(1_000_000, Math.round(Number(ppm.toPrecision(2))))
}

/** The offers of a site with the rate at which their spot nodes are taken away, from what their provider says and was seen. */
export const withSeenRates = (offers: readonly Offer[], history: readonly SpotHistory[]): Offer[] =>
  offers.map((offer) => {
    const seen = history.find(({ shape }) => shape === offer.shape.name)
    if (offer.tier !== 'spot' || !seen) return offer
    const ppm = takenPpm(seen, offer.takenPpm)
    return ppm === 0 && offer.takenPpm === undefined ? offer : { ...offer, takenPpm: ppm }
  })
