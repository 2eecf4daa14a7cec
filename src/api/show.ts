import { formatMoney } from '#kit/money.ts'
import type { Event } from '#model/event.ts'
import { sayChoice } from '#engine/placement/words.ts'
import { costlyRules, sayRuleCost } from '#engine/explain/rule-costs.ts'
import { whyWaits } from '#engine/explain/waiting.ts'
import { shapesOf } from '#model/lease.ts'
import type { Leaving } from '#model/joined-site.ts'
import type { DeadlineChoice, Decision, Placement, Refusal, RunPrice } from '#model/plan.ts'
import type { DeadlineView, MoneyView, RunView } from './run-views.ts'
import type { EventView, LeavingView, PlacementView, RefusalView } from './views.ts'

/** Whole micro-dollars as the API shows them. */
export const money = (micros: bigint | number): MoneyView => {
  const exact = BigInt(micros)
  return { micros: exact.toString(), text: formatMoney(exact) }
}

/** Milliseconds since the epoch as RFC 3339. */
export const time = (instant: number): string => new Date(instant).toISOString()
export const timeOrNull = (instant: number | null): string | null => (instant === null ? null : time(instant))

export const leavingView = ({ since, stopAt, goneAt, remains }: Leaving): LeavingView => ({
  since: time(since),
  stop: stopAt !== null,
  gone: Boolean(goneAt),
  remains,
})

const placementView = (placement: Placement): PlacementView => ({
  site: `${placement.provider}/${placement.site}`,
  tier: placement.tier,
  shape: shapesOf(placement),
  nodes: placement.ranks.length,
  pricePerHour: money(placement.priceMicros),
  ...(placement.run && { run: runView(placement.run) }),
  ...(placement.beside && { beside: placement.beside }),
})

const runView = (run: RunPrice): RunView => ({
  cost: money(run.costMicros),
  egress: money(run.egressMicros),
  losses: money(run.lossMicros),
  scarcity: money(run.scarcityMicros),
  lastsMs: run.lastsMs,
  isHour: run.isHour,
  usesCommitment: run.usesCommitment,
  ...(run.unpriced && { unpriced: run.unpriced }),
})

const deadlineView = (choice: DeadlineChoice): DeadlineView => ({
  does: choice.does,
  ...(choice.takenPpm !== undefined && { takenPpm: choice.takenPpm }),
  expected: money(choice.expectedMicros),
  lasting: money(choice.lastingMicros),
  workMs: choice.workMs,
  latest: time(choice.latest),
  text: sayChoice(choice),
})

/** What a decision says, with its money as the API shows it. */
export const decisionView = ({ placement, alternatives, rejections, ruleCosts = [], deadline, refusal }: Decision) => ({
  placement: placement ? placementView(placement) : null,
  alternatives: alternatives.map(({ priceMicros, run, ...rest }) => ({
    ...rest,
    pricePerHour: money(priceMicros),
    ...(run && { run: runView(run) }),
  })),
  rejections,
  ruleCosts: costlyRules(ruleCosts).map((cost) => {
    const { savedMicros, ...rest } = cost
    return { ...rest, saved: money(savedMicros), text: sayRuleCost(cost) }
  }),
  ...(deadline && { deadline: deadlineView(deadline) }),
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
