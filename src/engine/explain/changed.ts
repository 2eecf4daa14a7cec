import type { Decision } from '#model/plan.ts'
import { hourly } from '#engine/placement/words.ts'

/**
 * What differs, for people, between what a stored plan says of a replica and a fresh decision: the site, the tier and
 * the price. Which node of the site it would be does not matter to anybody.
 */
export function changed(before: Decision, after: Decision): string[] {
  const [was, is] = [before.placement, after.placement]
  if (!was && !is) return []
  if (!is) return [`there is no room any more: ${after.refusal?.text ?? 'the reason is not known'}`]
  const [from, to] = [siteOf(was), siteOf(is)]
  if (!was) return [`there is room now, at ${to} for ${hourly(is.priceMicros)}`]
  return [
    ...(from === to ? [] : [`site: ${from} → ${to}`]),
    ...(was.tier === is.tier ? [] : [`tier: ${was.tier} → ${is.tier}`]),
    ...(was.priceMicros === is.priceMicros ? [] : [`price: ${hourly(was.priceMicros)} → ${hourly(is.priceMicros)}`]),
  ]
}

const siteOf = (placement: Decision['placement']): string =>
  placement ? `${placement.provider}/${placement.site}` : 'nowhere'
