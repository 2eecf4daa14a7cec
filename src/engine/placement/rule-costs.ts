import type { Rule, RuleCost } from '#model/plan.ts'

import type { Look } from './look.ts'
import { weigh, type Prices } from './prices.ts'
import { isWithinShare, type Round } from './round.ts'
import type { Row } from './rows.ts'
import { hasRoom, isBarredOnlyBy } from './rules.ts'

/** Rules that somebody made and could make otherwise; what a shape has or lacks is no such rule. */
export const made: ReadonlySet<Rule> = new Set([
  'provider-not-allowed',
  'site-not-allowed',
  'tier-not-allowed',
  'jurisdiction',
  'residency',
  'price',
  'capacity-block',
])

/** Candidates of a rule that are looked at for room, the cheapest first. */
const mostTries = 3

/**
 * What each rule costs a gang that was placed: the cheapest candidate with room for it that this rule alone refuses, where
 * its run would have cost less.
 */
export function ruleCostsOf(row: Row, taken: Look, round: Round): RuleCost[] {
  const { need } = row
  const paid = weigh(need, taken, round.prices)?.price.costMicros
  if (paid === undefined) return []
  const costs: RuleCost[] = []
  for (const [rule, looks] of barredIn(row, round)) {
    for (const look of looks.slice(0, mostTries)) {
      const cost = weigh(need, look, round.prices)?.price.costMicros
      if (cost === undefined || cost >= paid) break
      if ((rule !== 'provider-share' && !isWithinShare(need, look, round)) || !hasRoom(need, look, round)) continue
      const { siteKey, offer } = look.candidate
      const detail = row.objections.get(look)?.detail ?? ''
      const at = { site: siteKey, tier: offer.tier, shape: offer.shape.name }
      costs.push({ rule, detail, ...at, savedMicros: Number(paid - cost) })
      break
    }
  }
  return costs.sort((one, other) => other.savedMicros - one.savedMicros)
}

/** Of each rule the candidates that it alone refuses, the cheapest first; worked out once a row, but for provider shares. */
function barredIn(row: Row, round: Round): Map<Rule, Look[]> {
  row.barred ??= byRule(row, round)
  if (row.need.policy.maxProviderShare === undefined) return row.barred
  const beyondShare = [...new Set(row.fits.map(({ look }) => look))].filter(
    (look) => !isWithinShare(row.need, look, round),
  )
  if (beyondShare.length === 0) return row.barred
  return new Map([...row.barred, ['provider-share', cheapestFirst(row, beyondShare, round.prices)]])
}

function byRule(row: Row, round: Round): Map<Rule, Look[]> {
  const alone = [...row.objections].filter(
    ([look, { rule }]) => made.has(rule) && isBarredOnlyBy(rule, row.need, { look, round }),
  )
  const groups = Map.groupBy(alone, ([, { rule }]) => rule)
  return new Map(
    [...groups].map(([rule, found]) => [
      rule,
      cheapestFirst(
        row,
        found.map(([look]) => look),
        round.prices,
      ),
    ]),
  )
}

function cheapestFirst({ need }: Row, looks: Look[], prices: Prices): Look[] {
  const cost = (look: Look): number => Number(weigh(need, look, prices)?.price.costMicros ?? Infinity)
  return looks.toSorted((one, other) => cost(one) - cost(other) || (one.candidate.key < other.candidate.key ? -1 : 1))
}
