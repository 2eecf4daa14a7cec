import { avoidMs } from '#engine/lifecycle/patience.ts'
import { checkpointMsOf, restartMs } from '#engine/market/run-price.ts'
import { leavingMs } from '#engine/market/way-back.ts'
import { planSpot, type SpotPlan, type SpotTerms } from '#engine/market/spot-plan.ts'
import { watchRuns } from '#engine/market/spot-runs.ts'
import type { DeadlineChoice } from '#model/plan.ts'
import { isPlannedToDeadline } from '#model/spec/planned-to-deadline.ts'
import { speedPermille } from '#model/spec/throughput.ts'
import type { Offer } from '#model/offer.ts'
import type { SpotFacts } from '#model/spot.ts'
import type { Workload } from '#model/workload.ts'

import type { Look } from './look.ts'
import type { Need } from './need.ts'
import { compareRuns, weigh } from './prices.ts'
import type { Round, SpotMarket } from './round.ts'
import type { Objection } from './rules.ts'
import type { Planned } from './planned.ts'

/**
 * A plan has so many ticks at the most, and a start so many. A tick is a minute or two or four …, so that those who may use
 * the same zones share what is known of them. A plan looks ahead three times the work, or a day.
 */
const [mostTicks, mostOfStart, minuteMs, worksAhead, leastAheadMs] = [200, 6, 60_000, 3, 86_400_000]
/** Zones that are watched: the cheapest, as long as they cost no more than a quarter more than the first of them. */
const [mostZones, mostOver] = [8, 1.25]
const hourMs = 3_600_000

type Looks = {
  looks: readonly Look[]
  objections: ReadonlyMap<Look, Objection>
  /** Whether there is room now. */
  isRoom: (look: Look) => boolean
}

/**
 * How a job is placed that is to end by its deadline for the least money (`engine/market/spot-plan.ts`), by what we saw of
 * the spot markets that it may use; undefined where there is nothing to plan. It keeps the deadline as long as capacity that
 * lasts can be had: it is taken so early that what was lost by then can be done again, from the last checkpoint, after a
 * start as slow as any, and after its site was silent, or left alone for having refused something else.
 */
export function planToDeadline(need: Need, { looks, objections, isRoom }: Looks, round: Round): Planned | undefined {
  const { spec } = need
  const { deadline } = spec
  if (!round.spot || deadline === undefined || !isPlannedToDeadline(spec)) return undefined
  const open = looks.filter((look) => objections.get(look)?.passing !== false)
  const isLasting = ({ candidate }: Look): boolean => lasts(candidate.offer, deadline)
  const lastings = open.filter(isLasting).sort(byRun(need, round))
  // What is full is no way out.
  const lasting = lastings.find((look) => !objections.has(look) && isRoom(look)) ?? lastings[0]
  const zones = lasting ? zonesOf(need, { open: open.filter((look) => !isLasting(look)), lasting }, round) : []
  if (!lasting || zones.length === 0) return undefined
  const decide = deciderOf(need, { lasting, zones, deadline }, round)
  let choice: DeadlineChoice | undefined
  return {
    choice: () => choice,
    choose(fits) {
      const up = zones.map((look) => !objections.has(look) && isRoom(look))
      const { best, ...decided } = decide(up)
      choice = decided
      if (choice.does === 'wait') return []
      const isFirst = choice.does === 'spot' ? (look: Look) => look === zones[best] : isLasting
      const inOrder = [...fits.filter(isFirst), ...fits.filter((look) => !isFirst(look))]
      return choice.does === 'spot' ? inOrder.filter((look) => zones.includes(look)) : inOrder
    },
    isAgainst: (look) => choice !== undefined && choice.does !== 'on-demand' && !zones.includes(look),
  }
}

const byRun =
  (need: Need, { prices }: Round) =>
  (a: Look, b: Look): number =>
    compareRuns(need, weigh(need, a, prices), weigh(need, b, prices)) || (a.candidate.key < b.candidate.key ? -1 : 1)

type Market = { lasting: Look; zones: readonly Look[]; deadline: number }
type Decider = (up: readonly boolean[]) => DeadlineChoice & { best: number }

/** Decides for the moment of a round, in which some zones have capacity; `best` of them is the one to take, if it is. */
function deciderOf(need: Need, { lasting, zones, deadline }: Market, round: Round): Decider {
  const { spec, workload, replica } = need
  const { leftMs: workMs, startMs } = workOf(workload, round.spot, speedOf(need, lasting))
  const redoMs = Math.min(workMs, checkpointMsOf(spec))
  const moves = round.moves && need.project.preemption.perHour !== 0
  // A loss costs half of what lies between two checkpoints, as a price has it; what it may cost beyond that is kept in time.
  const overheadMs = startMs + redoMs / 2
  const patienceMs = Math.max(avoidMs.again, ...zones.map(({ candidate }) => candidate.site.info.patienceMs))
  const until = deadline - redoMs / 2 - patienceMs
  const aheadMs = Math.max(worksAhead * (workMs + overheadMs), leastAheadMs)
  const leastMs = Math.max(Math.min(deadline - workload.createdAt, aheadMs) / mostTicks, overheadMs / mostOfStart)
  const tickMs = minuteMs * 2 ** Math.ceil(Math.log2(Math.max(1, leastMs / minuteMs)))
  const [work, overhead] = [Math.max(1, Math.ceil(workMs / tickMs)), Math.ceil(overheadMs / tickMs)]
  // Of what lies between two checkpoints half is lost again by who leaves.
  const leave = moves ? Math.ceil((leavingMs(spec) + redoMs / 2) / tickMs) : 0
  const priceOf = (look: Look): number => (hourlyOf(need, look, round) * tickMs) / hourMs
  const [spotPrice, onDemandPrice] = [Math.min(...zones.map(priceOf)), priceOf(lasting)]
  const most = Math.ceil(aheadMs / tickMs)
  const { watch, plans } = marketOf(zones, tickMs, round)
  return (up) => {
    const [best, market] = [watch.best(up), watch.state(up)]
    const allLeft = Math.floor((until - round.now) / tickMs)
    const left = Math.min(allLeft, most)
    const facts = {
      lastingMicros: Math.round((work + overhead) * onDemandPrice),
      hourMicros: Math.round(hourlyOf(need, lasting, round)),
      workMs,
      latest: Math.floor(deadline - workMs - startMs),
      again: allLeft > most ? round.now + tickMs : until - left * tickMs + 1,
      best,
      ...(best !== -1 && { takenPpm: Math.round(1e6 * (1 - (1 - watch.hazard(best)) ** (hourMs / tickMs))) }),
    }
    const onDemand = { does: 'on-demand' as const, expectedMicros: facts.lastingMicros, ...facts }
    // One loss more would be the last that is tried again.
    if (left < work + overhead || replica.losses >= spec.retry.onLoss) return onDemand
    const terms: SpotTerms = {
      work,
      left,
      overhead,
      spotPrice,
      onDemandPrice,
      stays: !moves,
      leave,
      isBlind: true,
    }
    const key = Object.values(terms).join(' ')
    const plan = plans.get(key) ?? planSpot(terms, watch.rates())
    plans.set(key, plan)
    const next = plan.next({ left, work, starting: 0, holding: 'nothing', market })
    if (next === 'on-demand') {
      const expectedMicros = Math.min(onDemand.expectedMicros, Math.round(plan.expected(market)))
      return moves ? { ...onDemand, expectedMicros, goesBack: true } : onDemand
    }
    const expectedMicros = Math.round(plan.expected(market))
    if (next === 'spot') return { ...facts, does: next, expectedMicros }
    const again = facts.again + (waitsOf(plan, { left, work, idle: watch.rates().idle }) - 1) * tickMs
    return { ...facts, does: 'wait', expectedMicros, again }
  }
}

/** For how many ticks a plan waits whatever happens, as long as no zone has capacity. */
function waitsOf(plan: SpotPlan, { left, work, idle }: { left: number; work: number; idle: number }): number {
  const waits = (ticks: number): boolean => {
    for (let market = 0; market < idle; market++)
      if (plan.next({ left: left - ticks, work, starting: 0, holding: 'nothing', market }) !== 'nothing') return false
    return true
  }
  let ticks = 1
  while (ticks < left && waits(ticks)) ticks += 1
  return ticks
}

/** What is known of zones, for all who may use the same: of many that are alike one is planned. */
function marketOf(zones: readonly Look[], tickMs: number, { spot, spotMarkets, now }: Round): SpotMarket {
  const key = `${tickMs} ${zones.map(({ candidate }) => candidate.key).join(' ')}`
  const places = zones.map(({ candidate }) => ({ site: candidate.siteKey, shape: candidate.offer.shape.name }))
  const market = spotMarkets.get(key) ?? {
    watch: watchRuns(places, spot?.runs ?? [], { now, tickMs }),
    plans: new Map(),
  }
  spotMarkets.set(key, market)
  return market
}

/** Whether nobody takes an offer away before the deadline. */
const lasts = ({ tier, until }: Pick<Offer, 'tier' | 'until'>, deadline: number): boolean =>
  tier !== 'spot' && (until === undefined || until >= deadline)

type Open = { open: readonly Look[]; lasting: Look }

/** What may be taken away, is cheaper than what lasts, and no slower; the cheapest first. */
function zonesOf(need: Need, { open, lasting }: Open, round: Round): Look[] {
  const [price, speed] = [hourlyOf(need, lasting, round), speedOf(need, lasting)]
  const cheaper = open
    .map((look) => ({ look, hourly: hourlyOf(need, look, round) }))
    .filter(({ look, hourly }) => hourly < price && speedOf(need, look) >= speed)
    .sort((a, b) => a.hourly - b.hourly || (a.look.candidate.key < b.look.candidate.key ? -1 : 1))
  const most = (cheaper[0]?.hourly ?? 0) * mostOver
  return cheaper.flatMap(({ look, hourly }) => (hourly <= most ? look : [])).slice(0, mostZones)
}

const speedOf = ({ spec }: Need, { candidate }: Look): number => speedPermille(spec, candidate.offer.shape.accelerator)

/** What an hour there costs that would not be paid without it. */
function hourlyOf(need: Need, look: Look, { prices }: Round): number {
  if (!look.candidate.offer.commitment) return look.priceMicros
  const { price } = weigh(need, look, prices) ?? {}
  return price ? (Number(price.costMicros - price.parts.egress) * hourMs) / price.finishMs : look.priceMicros
}

/** How long its work still takes at a speed, in thousandths, from its last checkpoint; and how long a start of it takes. */
function workOf(
  { id, spec }: Workload,
  spot: SpotFacts | undefined,
  speed: number,
): { leftMs: number; startMs: number } {
  const its = (spot?.tries ?? []).filter(({ workload }) => workload === id)
  const slowest = 1000 * Math.min(1, ...Object.values(spec.throughput))
  const savedMs = its.reduce((sum, { ranMs }) => sum + Math.max(0, ranMs - checkpointMsOf(spec)), 0)
  const leftMs = Math.max(0, (spec.duration.expectedMs ?? 0) - (savedMs * slowest) / 1000)
  return {
    leftMs: Math.ceil((leftMs * 1000) / speed),
    startMs: Math.max(restartMs, ...its.map(({ startMs }) => startMs)),
  }
}
