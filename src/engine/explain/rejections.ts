import type { Objection } from '#engine/placement/rules.ts'
import type { Look } from '#engine/placement/round.ts'
import { rules, type Rejection, type Rule } from '#model/plan.ts'

/** A candidate as it was judged; without an objection it would do. */
export type Seen = { look: Look; objection: Objection | null }

/** How many rejections a decision keeps; a fleet may have thousands of offers. */
export const mostRejections = 50

/**
 * The refused candidates, those that came closest first. Beyond the bound the last line (`*`) counts the rest by rule.
 */
export function rejectionsOf(seen: Seen[]): Rejection[] {
  const refused = byCloseness(seen)
  if (refused.length <= mostRejections) return refused
  const rest = refused.slice(mostRejections - 1)
  const [most] = countByRule(rest)
  return [
    ...refused.slice(0, mostRejections - 1),
    {
      site: '*',
      tier: '*',
      shape: '*',
      rule: most?.[0] ?? 'capacity',
      detail: `${rest.length} more: ${sayCounts(rest)}`,
    },
  ]
}

/** All refused candidates: the one that passed most rules first, then the cheapest. */
export function byCloseness(seen: Seen[]): Rejection[] {
  const refused = seen.flatMap(({ look, objection }) => (objection ? [{ look, objection }] : []))
  refused.sort(
    (a, b) =>
      rules.indexOf(b.objection.rule) - rules.indexOf(a.objection.rule) ||
      a.look.priceMicros - b.look.priceMicros ||
      (a.look.candidate.key < b.look.candidate.key ? -1 : 1),
  )
  return refused.map(({ look: { candidate }, objection }) => ({
    site: candidate.siteKey,
    tier: candidate.offer.tier,
    shape: candidate.offer.shape.name,
    rule: objection.rule,
    detail: objection.detail,
  }))
}

/** `3 by jurisdiction, 1 by capacity`. */
export const sayCounts = (rejections: Rejection[]): string =>
  countByRule(rejections)
    .map(([rule, count]) => `${count} by ${rule}`)
    .join(', ')

function countByRule(rejections: Rejection[]): [Rule, number][] {
  const counts = new Map<Rule, number>()
  for (const { rule } of rejections) counts.set(rule, (counts.get(rule) ?? 0) + 1)
  return [...counts].sort((a, b) => b[1] - a[1] || rules.indexOf(b[0]) - rules.indexOf(a[0]))
}
