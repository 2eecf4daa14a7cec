import { formatMoney } from '#kit/money.ts'
import type { Event } from '#model/event.ts'
import { whyWaits } from '#engine/explain/waiting.ts'
import type { Decision, Placement, Refusal } from '#model/plan.ts'
import type { EventView, MoneyView, PlacementView, RefusalView } from './views.ts'

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
  refusal: refusal && refusalView(refusal),
})

/** Why something waits, with its times as the API shows them and all of it as text. */
export const refusalView = (refusal: Refusal): RefusalView => {
  const { start, ...rest } = refusal
  return {
    ...rest,
    ...(start && { start: { earliest: time(start.earliest), latest: time(start.at), site: start.site } }),
    lines: whyWaits(refusal),
  }
}

export const eventView = (event: Event): EventView => ({ ...event, at: time(event.at) })
