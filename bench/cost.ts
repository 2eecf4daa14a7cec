/**
 * What placements cost across providers, against the linear relaxation of the same market: a lower bound, for it may cut
 * gangs. `whole` is what the best placement of whole gangs costs at the least, by the bound of branch and cut: where that
 * is above the goal, no scheduler reaches it. All gangs are placed as they come: `cheapest` each to the cheapest place that
 * has room, `steered` by the plan over aggregates, `misjudged` by the plan for a demand that is a fifth more or less in
 * each class.
 *
 * Costs are marginal: what is committed costs nothing, so at a low load little is left to pay, and what is lost because
 * gangs are whole weighs more.
 */
import type { Market } from '#engine/market/aggregate.ts'
import { createRandom } from '#kit/random.ts'
import { broken, costOf, fill } from '#simulator/lp/fill.ts'
import { randomInstance } from '#simulator/lp/instance.ts'
import type { WholePlan } from '#server/market/plan-market.ts'
import { overMarkets, type Given } from '#bench/cost/markets.ts'

/** The same market with a fifth more or less of each class. */
function misjudged(market: Market, seed: string): Market {
  const random = createRandom(seed)
  const classes = market.classes.map((demand) => ({
    ...demand,
    gangs: Math.round(demand.gangs * (0.8 + 0.4 * random.next())),
  }))
  return { ...market, classes }
}

async function measure(seed: string, { load, siteNodes, plan: planOf }: Given) {
  const { market, arrivals, nodes } = randomInstance({ seed, load, siteNodes })
  const began = performance.now()
  const plan = await planOf(market)
  const planMs = performance.now() - began
  const bad = await planOf(misjudged(market, seed))
  const cost = (by: WholePlan | undefined) => {
    const placed = fill(market, arrivals, by)
    const wrong = broken(market, placed)
    if (wrong.length > 0) throw new Error(`${seed} at ${load}: ${wrong.join('; ')}`)
    return {
      ratio: costOf(market, placed) / plan.boundMicros,
      toWhole: costOf(market, placed) / plan.wholeBoundMicros,
      waiting: (100 * placed.filter(({ choice }) => choice === -1).length) / placed.length,
    }
  }
  const choices = market.classes.reduce((sum, { choices: all }) => sum + all.length, 0)
  return {
    nodes,
    gangs: arrivals.length,
    choices,
    planMs,
    whole: plan.wholeBoundMicros / plan.boundMicros,
    cheapest: cost(undefined),
    steered: cost(plan),
    bad: cost(bad),
  }
}

await overMarkets({
  name: 'cost',
  instances: 20,
  measure,
  columns: ({ all, mean }) => ({
    choices: Math.round(mean(({ choices }) => choices)),
    'plan ms': Math.round(mean(({ planMs }) => planMs)),
    'cheapest / LP': mean(({ cheapest }) => cheapest.ratio).toFixed(3),
    'whole / LP': mean(({ whole }) => whole).toFixed(4),
    'steered / LP': mean(({ steered }) => steered.ratio).toFixed(4),
    goal: '1.0300',
    'steered / whole': mean(({ steered }) => steered.toWhole).toFixed(4),
    'worst / whole': Math.max(...all.map(({ steered }) => steered.toWhole)).toFixed(4),
    'above goal': all.filter(({ steered }) => steered.ratio > 1.03).length,
    'as whole is': all.filter(({ whole }) => whole > 1.03).length,
    'misjudged / LP': mean(({ bad }) => bad.ratio).toFixed(3),
    'waiting, cheapest %': mean(({ cheapest }) => cheapest.waiting).toFixed(2),
    'steered %': mean(({ steered }) => steered.waiting).toFixed(2),
    'misjudged %': mean(({ bad }) => bad.waiting).toFixed(2),
  }),
})
