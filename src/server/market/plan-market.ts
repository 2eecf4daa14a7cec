import { aggregate, readPlan, type Market, type MarketPlan } from '#engine/market/aggregate.ts'

import type { Solver } from './solver.ts'

/** A plan in whole gangs, where there was time to find one; in fractions otherwise, which steers a little worse. */
export type WholePlan = MarketPlan & {
  whole: boolean
  /** The least that any placement can cost: when gangs may be cut, and when they may not. */
  boundMicros: number
  wholeBoundMicros: number
}

/**
 * Plans a market within about `seconds`: first its linear relaxation, which has the shadow prices, then the same in whole
 * gangs by branch and cut. On markets of 3,000 columns that takes about a second, on 30,000 columns about ten.
 */
export async function planMarket(
  market: Market,
  solver: Solver,
  seconds: number,
): Promise<WholePlan | { problem: string }> {
  const until = performance.now() + seconds * 1000
  const asked = aggregate(market)
  const relaxed = await solver.solve(asked.program, seconds)
  if ('problem' in relaxed) return relaxed
  const plan = readPlan(market, asked, relaxed.answer)
  const boundMicros = relaxed.answer.bound
  const reply = await solver.solveWhole(asked.program, Math.max(0.1, (until - performance.now()) / 1000))
  if ('problem' in reply) return { ...plan, whole: false, boundMicros, wholeBoundMicros: boundMicros }
  const round = (column: number): number => (column < 0 ? 0 : Math.round(reply.answer.x[column] ?? 0))
  const costMicros = asked.program.costs.reduce((sum, cost, column) => sum + cost * round(column), 0)
  return {
    ...plan,
    gangs: asked.columns.map((choices) => choices.map(round)),
    unmet: asked.unmet.map(round),
    costMicros,
    whole: true,
    boundMicros,
    wholeBoundMicros: reply.answer.bound,
  }
}
