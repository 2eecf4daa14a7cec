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
   * States of a market. The first `idle` of them: no zone has spot capacity, and none had for a shorter or longer time.
   * Then the grades of the best zone that has, by how likely it is to lose it. `market[a][b]` is the chance of state `b`
   * one tick after `a`.
   */
  market: readonly (readonly number[])[]
  idle: number
  /** By grade of the zone that we hold: the chance that it still has it after a tick and is of a grade then. */
  held: readonly (readonly number[])[]
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
  /** Who has come to on-demand capacity stays there. */
  stays?: boolean
  /** Else who leaves it has gone after so many ticks in which it is paid and no work is done; 0 when absent. */
  leave?: number
  /** Nobody waits for better spot capacity while there is some: who does not hold it cannot see how it gets older. */
  isBlind?: boolean
}

/** What is held now. On spot: the zone still has it. */
export type Holding = 'spot' | 'on-demand' | 'nothing'

export type SpotState = {
  /** Ticks until the deadline. */
  left: number
  /** Ticks of work that are left; those of a start that is under way. */
  work: number
  starting: number
  holding: Holding
  /** State of the market (see `SpotRates`). */
  market: number
}

export type SpotPlan = {
  next: (state: SpotState) => Holding
  /** What all the work is expected to cost from now on, in a state of the market in which nothing is held. */
  expected: (market: number) => number
}

/** Bits of an entry of the table of actions: what to do in one state of the market. */
const spotFromNothing = 1
const onDemandFromNothing = 2
const leavesOnDemand = 4

/**
 * Takes O(left × slack × states²) steps; whoever needs it coarser takes longer ticks. A start is one step of the plan:
 * nobody leaves while it lasts, and when the market cuts it off there is as much work as before it.
 */
export function planSpot(terms: SpotTerms, rates: SpotRates): SpotPlan {
  const { work, left, overhead } = terms
  const [width, states] = [work + 1, rates.market.length]
  const actions = new Uint8Array((left + 1) * width * states)
  const chain = chainOf(terms, rates)
  // Costs to go at the last moments, round and round: nothing is looked at that is longer ago than a start, or leaving.
  const past = Array.from({ length: Math.max(overhead, terms.leave ?? 0) + 2 }, () => costsOf(width, chain))
  const never = costsOf(width, chain)
  for (let t = 1; t <= left; t++) {
    const at = (ago: number) => past[(t - ago + past.length) % past.length] ?? never
    const back = Array.from({ length: past.length - 1 }, (_, ago) => (ago <= t ? at(ago) : never))
    const step = { t, chain, terms, width, back, before: at(1) }
    // With less work left than this there was no time to have done so much; with more, none to do it in.
    for (let w = Math.max(1, work - (left - t)); w < width && w <= t; w++)
      settle(step, w, actions.subarray((t * width + w) * states, (t * width + w + 1) * states))
  }
  return {
    expected: (market) => past[left % past.length]?.nothing[market * width + work] ?? Number.POSITIVE_INFINITY,
    next({ left: t, work: w, starting, holding, market }) {
      if (w <= 0) return 'nothing'
      // What runs and is cheaper is kept as long as it lasts; it was taken only with time left to lose it.
      if (holding === 'spot' || (holding === 'on-demand' && starting > 0)) return holding
      // Not on the table: more work than was planned for. On-demand is never late.
      if (t < 0 || t > left || w > work || w < work - (left - t)) return 'on-demand'
      const does = actions[(t * width + w) * states + market] ?? 0
      if (holding === 'on-demand' && (does & leavesOnDemand) === 0) return 'on-demand'
      if (does & spotFromNothing) return 'spot'
      return does & onDemandFromNothing ? 'on-demand' : 'nothing'
    },
  }
}

/** Chances by the state they lead to, as its place in an array of costs; those of next to nothing left out. */
type Chances = { to: Int32Array; chance: Float64Array }

/** What the market may do, worked out once for a plan. */
type Chain = {
  idle: number
  market: Chances[]
  held: Chances[]
  taken: number[]
  afterTaken: Chances
  /** By grade of the zone in which a start begins: when it is cut off (after 1, 2, … ticks), or what is held then. */
  starts: { cutOff: number[]; held: Chances; price: number }[]
  /** By state of the market in which a start of on-demand capacity begins, or leaving it: the state at its end. */
  afterStart: Chances[]
  afterLeaving: Chances[]
}

function chainOf(
  { overhead, spotPrice, work, leave = 0 }: SpotTerms,
  { market, idle, held, afterTaken }: SpotRates,
): Chain {
  const of = (row: readonly number[]) => sparse(row, work + 1)
  const taken = held.map((row) => Math.max(0, 1 - sum(row)))
  const starts = held.map((_, grade) => {
    const cutOff: number[] = []
    let now = held.map((__, other) => Number(other === grade))
    for (let tick = 1; tick <= overhead; tick++) {
      cutOff.push(sum(now.map((chance, other) => chance * (taken[other] ?? 1))))
      now = times(now, held)
    }
    const ticks = sum(cutOff.map((chance, tick) => chance * (tick + 1))) + sum(now) * overhead
    return { cutOff, held: of(now), price: ticks * spotPrice }
  })
  const after = (ticks: number) =>
    market.map((_, state) => {
      let now = market.map((__, other) => Number(other === state))
      for (let tick = 0; tick < ticks; tick++) now = times(now, market)
      return of(now)
    })
  return {
    idle,
    market: market.map(of),
    held: held.map(of),
    taken,
    afterTaken: of(afterTaken),
    starts,
    afterStart: after(overhead),
    afterLeaving: after(leave),
  }
}

const sum = (numbers: readonly number[]): number => numbers.reduce((all, one) => all + one, 0)

const times = (now: readonly number[], rows: readonly (readonly number[])[]): number[] =>
  (rows[0] ?? []).map((_, to) => sum(now.map((chance, from) => chance * (rows[from]?.[to] ?? 0))))

const negligible = 1e-3

/** What is left out is given to the others in proportion, so that the sum stays. */
function sparse(row: readonly number[], width: number): Chances {
  const kept = [...row.entries()].filter(([, chance]) => chance > negligible)
  const scale = sum(row) / sum(kept.map(([, chance]) => chance))
  return {
    to: Int32Array.from(kept, ([to]) => to * width),
    chance: Float64Array.from(kept, ([, chance]) => chance * scale),
  }
}

/** Costs to go at one moment, by state and work left: state × width + work. */
type Costs = { nothing: Float64Array; onDemand: Float64Array; spot: Float64Array; afterTaken: Float64Array }

/** At the deadline: what is done costs nothing more, and nothing else may happen. */
function costsOf(width: number, { market, held }: Chain): Costs {
  const costs = (states: number) =>
    Float64Array.from({ length: states * width }, (_, at) => (at % width === 0 ? 0 : Number.POSITIVE_INFINITY))
  return {
    nothing: costs(market.length),
    onDemand: costs(market.length),
    spot: costs(held.length),
    afterTaken: costs(1),
  }
}

/** Costs of a moment (`back[0]`) are worked out from those so many ticks later (`back[n]`; `before` is one). */
type Step = { t: number; chain: Chain; terms: SpotTerms; width: number; back: Costs[]; before: Costs }

function settle(step: Step, w: number, actions: Uint8Array): void {
  const { chain, terms, width, back, before } = step
  const { spotPrice, onDemandPrice, stays = false, leave = 0, isBlind = false } = terms
  const [now, left] = [back[0] ?? before, back[leave] ?? before]
  chain.held.forEach((held, grade) => {
    const taken = chain.taken[grade] ?? 1
    const lost = taken > 0 ? taken * (before.afterTaken[w - 1] ?? 0) : 0
    now.spot[grade * width + w] = spotPrice + expect(held, before.spot, w - 1) + lost
  })
  for (let m = 0; m < chain.market.length; m++) {
    const { stay, start } = onDemandFrom(step, w, m)
    const market = chain.market[m]
    const wait = !market || (isBlind && m >= chain.idle) ? Number.POSITIVE_INFINITY : expect(market, before.nothing, w)
    const spot = startSpot(step, w, m - chain.idle)
    const best = Math.min(spot, start, wait)
    now.nothing[m * width + w] = best
    const gone = chain.afterLeaving[m]
    const go = stays || !gone ? Infinity : leave === 0 ? best : leave * onDemandPrice + expect(gone, left.nothing, w)
    now.onDemand[m * width + w] = Math.min(stay, go)
    actions[m] =
      (spot === best && best < Number.POSITIVE_INFINITY ? spotFromNothing : start === best ? onDemandFromNothing : 0) |
      (go < stay ? leavesOnDemand : 0)
  }
  now.afterTaken[w] = expect(chain.afterTaken, now.nothing, w)
}

/** The costs of going on where on-demand capacity is held, and of starting there. Who stays to the end needs no chances. */
function onDemandFrom({ t, chain, terms, back, before }: Step, w: number, m: number): { stay: number; start: number } {
  const { onDemandPrice, overhead, stays = false } = terms
  const [market, after] = [chain.market[m], chain.afterStart[m]]
  if (stays || !market) {
    const of = (ticks: number): number => (ticks <= t ? ticks * onDemandPrice : Number.POSITIVE_INFINITY)
    return { stay: of(w), start: of(w + overhead) }
  }
  const stay = onDemandPrice + expect(market, before.onDemand, w - 1)
  const started = back[overhead] ?? before
  const isLong = overhead > 0 && after !== undefined
  return { stay, start: isLong ? overhead * onDemandPrice + expect(after, started.onDemand, w) : stay }
}

/** The cost of starting on spot capacity of a grade. */
function startSpot({ chain, back }: Step, w: number, grade: number): number {
  const start = chain.starts[grade]
  if (!start) return Number.POSITIVE_INFINITY
  let cost = start.price + expect(start.held, back[start.cutOff.length]?.spot ?? new Float64Array(), w)
  for (let tick = 0; tick < start.cutOff.length; tick++)
    cost += (start.cutOff[tick] ?? 0) * (back[tick + 1]?.afterTaken[w] ?? 0)
  return cost
}

function expect({ to, chance }: Chances, costs: Float64Array, w: number): number {
  let mean = 0
  for (let i = 0; i < to.length; i++) mean += (chance[i] ?? 0) * (costs[(to[i] ?? 0) + w] ?? 0)
  return mean
}
