import { shapesOf } from '#model/lease.ts'
import { sayRepair, type Decision, type Placement } from '#model/plan.ts'
import { count, deadline as sayDeadline, hourly, share } from '#engine/placement/words.ts'

import { sayCounts } from './rejections.ts'
import { costlyRules, sayOver, sayRuleCost, sayRun } from './rule-costs.ts'

/** Why a replica went where it went, in a few sentences; nothing for a decision that placed it nowhere. */
export function whyPlaced({ placement, alternatives, rejections, ruleCosts, deadline, repair }: Decision): string {
  if (!placement) return ''
  const back = repair ? `It lost a node and ${sayRepair(repair)}. ` : ''
  const where = `${placement.provider}/${placement.site} (${placement.tier}, ${shapesOf(placement)})`
  const nodes = count(placement.ranks.length, 'node')
  const chosen = repair
    ? 'where it was'
    : deadline
      ? `by the plan for its deadline, for ${sayDeadline(deadline)}`
      : comparison(placement, alternatives)
  const opening = `${where} takes ${nodes}${beside(placement)} for ${hourly(placement.priceMicros)}: ${chosen}.`
  const ruled = rejections.length === 0 ? '' : ` Ruled out: ${ruledOut(rejections)}.`
  const costs = costlyRules(ruleCosts)
    .map((cost) => ` ${sayRuleCost(cost)}`)
    .join('')
  return `${back}${opening}${deadline ? '' : sayRun(placement.run)}${ruled}${costs}`
}

/** What it keeps from others beside its nodes. */
function beside({ beside: { exclusive, spares = [] } = {} }: Placement): string {
  const alone = exclusive === undefined ? '' : `, with no others in the same ${exclusive},`
  return spares.length > 0 ? `${alone} and keeps ${count(spares.length, 'spare node')} free` : alone
}

function comparison({ priceMicros: price, run }: Placement, [next]: Decision['alternatives']): string {
  if (!next) return 'the only offer that would do'
  const other = `${next.site} (${next.tier}, ${next.shape})`
  const more = next.priceMicros - price
  const over = more < 0 ? sayOver(other, run, next.run) : ''
  if (over !== '') return over
  if (more === 0) return `as cheap as ${other}, which comes after it by name`
  if (more < 0) return `preferred by the spec over ${other}, which would cost ${hourly(-more)} less`
  const relative = price > 0 ? ` (${share(more / price)})` : ''
  return `the next, ${other}, would cost ${hourly(more)}${relative} more`
}

function ruledOut(rejections: Decision['rejections']): string {
  const others = rejections.find(({ site }) => site === '*')
  const named = rejections.filter(({ site }) => site !== '*')
  return others ? `${sayCounts(named)}, and ${others.detail}` : sayCounts(named)
}
