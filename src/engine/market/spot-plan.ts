/**
 * What to hold at each moment so that a job meets its deadline for the least money: spot capacity, on-demand capacity,
 * or nothing for now.
 *
 * The market is taken for a Markov chain (`SpotRates`), and the plan is that chain's optimal policy, worked out
 * backwards from the deadline over (time left, work left). It keeps the deadline whatever the market does, as long as
 * on-demand capacity can be had: a state from which on-demand alone could not finish in time is never entered.
 *
 * The question is that of Wu et al., "Can't Be Late" (NSDI 2024), over several zones as in Li et al., "SkyNomad" (2026);
 * the answer here is the exact one for the chain instead of a rule of thumb.
 */
export type SpotRates = {
  /**
   * States of a market: 0 when no zone has spot capacity, else the grade of the best zone that has. Zones are graded by
   * how likely they are to lose it, 1 the least. `market[a][b]` is the chance of state `b` one tick after `a`.
   */
  market: readonly (readonly number[])[]
  /** By grade of the zone that we hold: the chance that it is taken away within the next tick. */
  taken: readonly number[]
  /** State of the market in the tick in which a zone was taken away. */
  afterTaken: readonly number[]
}

export type SpotTerms = {
  /** Ticks of work, and ticks until the deadline. */
  work: number
  left: number
  /** Ticks from the start of a node until it works again where it was. */
  overhead: number
  /** Prices of one tick, in any unit. */
  spotPrice: number
  onDemandPrice: number
}

/** What is held now. On spot: the zone still has it. */
export type Holding = 'spot' | 'on-demand' | 'nothing'

export type SpotState = {
  /** Ticks until the deadline. */
  left: number
  /** Ticks of work that are left, those of a start that is under way included. */
  work: number
  holding: Holding
  /** State of the market (see `SpotRates`). */
  market: number
}

export type SpotPlan = { next: (state: SpotState) => Holding }

const unmet = Number.POSITIVE_INFINITY

/** Costs to go, by work left, at one moment: for each grade held, and for each state of the market. */
type Costs = { spot: Float64Array[]; onDemand: Float64Array[]; nothing: Float64Array[] }

/** Bits of an entry of the table of actions: what to do in one state of the market. */
const spotFromOnDemand = 1
const spotFromNothing = 2
const onDemandFromNothing = 4

/** Takes O(left × slack × states²) steps; whoever needs it coarser takes longer ticks. */
export function planSpot(terms: SpotTerms, rates: SpotRates): SpotPlan {
  const { work, left, overhead } = terms
  const [width, states] = [work + overhead + 1, rates.market.length]
  const actions = new Uint8Array((left + 1) * width * states)
  let later = row(width, states)
  for (let t = 1; t <= left; t++) {
    const now = row(width, states)
    // With less work left than this there was no time to have done so much; with more, none to do it in.
    const least = Math.max(1, work - (left - t))
    for (let w = least; w < width && w <= t; w++)
      for (let m = 0; m < states; m++) actions[(t * width + w) * states + m] = step({ terms, rates, later, now }, w, m)
    later = now
  }
  return {
    next({ left: t, work: w, holding, market }) {
      if (w <= 0) return 'nothing'
      const known = t >= 0 && t <= left && w < width && w >= work - (left - t)
      // Not on the table: more work than was planned for. On-demand is never late.
      const does = (m: number, bit: number) => !known || ((actions[(t * width + w) * states + m] ?? 0) & bit) !== 0
      // What runs and is cheaper is kept as long as it lasts; it was taken only with time left to lose it.
      if (holding === 'spot') return 'spot'
      if (market > 0 && known && does(market, holding === 'nothing' ? spotFromNothing : spotFromOnDemand)) return 'spot'
      return holding === 'on-demand' || does(market, onDemandFromNothing) ? 'on-demand' : 'nothing'
    },
  }
}

/** At the deadline: what is done costs nothing more, and nothing else may happen. */
function row(width: number, states: number): Costs {
  const costs = () =>
    Array.from({ length: states }, () => {
      const byWork = new Float64Array(width).fill(unmet)
      byWork[0] = 0
      return byWork
    })
  return { spot: costs(), onDemand: costs(), nothing: costs() }
}

type Step = { terms: SpotTerms; rates: SpotRates; later: Costs; now: Costs }

/** Costs of one state (`m`: the state of the market, or the grade held), from those one tick later. */
function step({ terms, rates, later, now }: Step, w: number, m: number): number {
  const { spotPrice, onDemandPrice, overhead } = terms
  const chances = rates.market[m] ?? []
  const onSpot = (work: number): number => {
    const taken = rates.taken[m] ?? 1
    // A start that is cut off leaves no more to do than there was before it.
    const lost = Math.min(work - 1, terms.work)
    const kept = (1 - taken) * cost(later.spot[m], work - 1)
    return spotPrice + kept + (taken > 0 ? taken * expect(rates.afterTaken, later.nothing, lost) : 0)
  }
  const onDemand = (work: number): number => onDemandPrice + expect(chances, later.onDemand, work - 1)

  const [keep, start] = [onDemand(w), onDemand(w + overhead)]
  const toSpot = m === 0 ? unmet : onSpot(w + overhead)
  const wait = expect(chances, later.nothing, w)
  put(now.spot[m], w, m === 0 ? unmet : onSpot(w))
  put(now.onDemand[m], w, Math.min(keep, toSpot))
  put(now.nothing[m], w, Math.min(toSpot, start, wait))
  return (
    (toSpot < keep ? spotFromOnDemand : 0) |
    (toSpot < unmet && toSpot <= start && toSpot <= wait ? spotFromNothing : 0) |
    (start < wait || wait === unmet ? onDemandFromNothing : 0)
  )
}

const cost = (costs: Float64Array | undefined, work: number): number => costs?.[Math.max(0, work)] ?? unmet

function put(costs: Float64Array | undefined, work: number, value: number): void {
  if (costs) costs[work] = value
}

/** A mean in which what cannot happen does not count, not even when it would cost infinitely much. */
function expect(chances: readonly number[], costs: readonly Float64Array[], work: number): number {
  let sum = 0
  for (let m = 0; m < chances.length; m++) {
    const chance = chances[m] ?? 0
    if (chance > 0) sum += chance * cost(costs[m], work)
  }
  return sum
}
