import { formatMoney } from '#kit/money.ts'
import type { Event } from '#model/event.ts'
import type { Decision, Placement } from '#model/plan.ts'
import type { EventView, MoneyView, PlacementView } from './views.ts'

/** Whole micro-dollars as the API shows them. */
export const money = (micros: bigint | number): MoneyView => {
  const exact = BigInt(micros)
  return { micros: exact.toString(), text: formatMoney(exact) }
}

/** Milliseconds since the epoch as RFC 3339. */
export const time = (instant: number): string => new Date(instant).toISOString()
export const timeOrNull = (instant: number | null): string | null => (instant === null ? null : time(instant))

const placementView = (placement: Placement): PlacementView => ({
  site: `${placement.provider}/${placement.site}`,
  tier: placement.tier,
  shape: placement.shape,
  nodes: placement.ranks.length,
  pricePerHour: money(placement.priceMicros),
})

/** What a decision says, with its money as the API shows it. */
export const decisionView = ({ placement, alternatives, rejections, refusal }: Decision) => ({
  placement: placement ? placementView(placement) : null,
  alternatives: alternatives.map(({ priceMicros, ...rest }) => ({ ...rest, pricePerHour: money(priceMicros) })),
  rejections,
  refusal,
})

export const eventView = (event: Event): EventView => ({ ...event, at: time(event.at) })
