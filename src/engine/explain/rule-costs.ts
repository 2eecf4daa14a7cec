import { money } from '#engine/placement/words.ts'
import { formatDuration } from '#kit/duration.ts'
import type { RuleCost, RunPrice } from '#model/plan.ts'

/** Rules that are told of; more would hide the dearest. */
const mostRules = 3

/** Rules that make a run dearer by a cent at least, the dearest first. */
export const costlyRules = (costs: readonly RuleCost[] = []): RuleCost[] =>
  costs.filter(({ savedMicros }) => savedMicros >= 10_000).slice(0, mostRules)

/** `The rule jurisdiction costs $12.40: aws/east (spot, p5) would do it for so much less (it is US; the spec allows only EU).` */
export function sayRuleCost({ rule, detail, site, tier, shape, savedMicros }: RuleCost): string {
  const why = detail === '' ? '' : ` (${detail})`
  return `The rule ${rule} costs ${money(savedMicros)}: ${site} (${tier}, ${shape}) would do it for so much less${why}.`
}

/**
 * `The whole run of 3h is expected to cost $96.00, of which $3.20 for egress.`, and what is not known of it; empty where
 * nothing is known but the hour.
 */
export const sayRun = (run: RunPrice | undefined): string => (run ? sayKnown(run) + sayUnpriced(run.unpriced) : '')

function sayKnown(run: RunPrice): string {
  const { costMicros, lastsMs, isHour, egressMicros, lossMicros, usesCommitment } = run
  const parts = [
    ...(egressMicros > 0 ? [`${money(egressMicros)} for egress`] : []),
    ...(lossMicros > 0 ? [`${money(lossMicros)} for nodes that are taken away`] : []),
  ]
  if (isHour && parts.length === 0 && !usesCommitment) return ''
  const what = isHour
    ? 'One hour (the spec does not say how long it runs)'
    : `The whole run of ${formatDuration(lastsMs)}`
  const paid = usesCommitment ? '; nodes that are paid for anyway are used first' : ''
  const of = parts.length > 0 ? `, of which ${parts.join(' and ')}` : ''
  return ` ${what} is expected to cost ${money(costMicros)}${of}${paid}.`
}

function sayUnpriced(sites: readonly string[] = []): string {
  if (sites.length === 0) return ''
  return ` What data costs that leaves ${sites.join(' and ')} is not known, and not counted; tell it in egress of the site.`
}

/**
 * Why one that is cheaper by the hour comes after: in all it costs as much or more, or others who wait need it more. Empty
 * where neither is so, which leaves what the spec prefers.
 */
export function sayOver(other: string, run: RunPrice | undefined, next: RunPrice | undefined): string {
  if (!run || !next) return ''
  if (next.costMicros >= run.costMicros) {
    const more = next.costMicros - run.costMicros
    return `cheaper for the whole run than ${other}, which costs less an hour and ${money(more)} more in all`
  }
  const worth = next.scarcityMicros - run.scarcityMicros
  if (worth <= run.costMicros - next.costMicros) return ''
  const hourlyMicros = (worth * 3_600_000) / Math.max(1, next.lastsMs)
  return `${other} is cheaper, and left to others who wait: to them it is worth ${money(hourlyMicros)}/h more`
}
