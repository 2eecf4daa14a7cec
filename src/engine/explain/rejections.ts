import type { Objection } from '#engine/placement/rules.ts'
import type { Look } from '#engine/placement/look.ts'
import { rules, type Rejection, type Rule } from '#model/plan.ts'

/** A candidate that will not do, and why. */
export type Refused = { look: Look; objection: Objection }

/** How many rejections a decision keeps; a fleet may have thousands of offers. */
export const mostRejections = 50

/**
 * The refused candidates, the closest first: those that time may cure, then those that have what is asked for, then
 * those that passed most rules, then the cheapest. Of the ways to stand at one, the closest is told.
 */
export function byCloseness(refused: Refused[]): Refused[] {
  refused.sort(
    (a, b) =>
      Number(b.objection.passing) - Number(a.objection.passing) ||
      Number(b.look.choice !== -1) - Number(a.look.choice !== -1) ||
      place[b.objection.rule] - place[a.objection.rule] ||
      a.look.priceMicros - b.look.priceMicros ||
      (a.look.candidate.key < b.look.candidate.key ? -1 : 1),
  )
  const told = new Set<unknown>()
  return refused.filter(({ look: { candidate } }) => told.size < told.add(candidate).size)
}

/** The place of each rule in their order. */
const place = Object.fromEntries(rules.map((rule, i) => [rule, i])) as Record<Rule, number> // has all of them

/** What a decision keeps of them. Beyond the bound, the last line (`*`) counts the rest by rule. */
export function rejectionsOf(refused: Refused[]): Rejection[] {
  const named = refused.length > mostRejections ? refused.slice(0, mostRejections - 1) : refused
  const rest = refused.slice(named.length).map(rejectionOf)
  const [most] = countByRule(rest)
  if (!most) return named.map(rejectionOf)
  const detail = `${rest.length} more: ${sayCounts(rest)}`
  return [...named.map(rejectionOf), { site: '*', tier: '*', shape: '*', rule: most[0], detail }]
}

export const rejectionOf = ({ look: { candidate }, objection }: Refused): Rejection => ({
  site: candidate.siteKey,
  tier: candidate.offer.tier,
  shape: candidate.offer.shape.name,
  rule: objection.rule,
  detail: objection.detail,
  ...(objection.grows && { grows: true }),
})

/** `3 by jurisdiction, 1 by capacity`. */
export const sayCounts = (rejections: Rejection[]): string =>
  countByRule(rejections)
    .map(([rule, count]) => `${count} by ${rule}`)
    .join(', ')

function countByRule(rejections: Rejection[]): [Rule, number][] {
  const counts = new Map<Rule, number>()
  for (const { rule } of rejections) counts.set(rule, (counts.get(rule) ?? 0) + 1)
  return [...counts].sort((a, b) => b[1] - a[1] || place[b[0]] - place[a[0]])
}
