import { formatMoney } from '#kit/money.ts'
import type { Decision } from '#model/plan.ts'
import { wantedReplicas } from '#model/workload.ts'
import type { NewWorkload } from '#store/store.ts'
import { Problem } from './problem.ts'

const msPerHour = 3_600_000n

type Planned = Pick<NewWorkload, 'id' | 'name' | 'spec'>

/**
 * Workloads that cannot cost more together than `maxCostMicros`, wherever and whenever they are placed: in all where each
 * says how long it runs, in an hour otherwise. What the plan has placed counts at its price, and what is left over is
 * shared by all nodes alike: so much dearer may each of them become, and so much may one cost that waits. It becomes the
 * spec's own `placement.maxPrice`. Throws `over-budget` when the placed ones alone cost more.
 */
export function withinCost<W extends Planned>(workloads: W[], decisions: Decision[], maxCostMicros: number): W[] {
  const lasts = workloads.map(({ spec: { duration } }) => duration.expectedMs ?? duration.maximumMs)
  const parts = workloads.map((workload, index) => {
    const ms = lasts.includes(undefined) ? msPerHour : BigInt(lasts[index] ?? 0)
    const nodeMs = BigInt(workload.spec.nodes * wantedReplicas(workload.spec)) * ms
    return { workload, nodeMs, planned: nodePrice(workload.id, decisions) }
  })
  const cost = parts.reduce((sum, { nodeMs, planned }) => sum + nodeMs * planned, 0n)
  const left = BigInt(maxCostMicros) * msPerHour - cost
  if (left < 0n) throw tooDear((cost + msPerHour - 1n) / msPerHour, maxCostMicros)
  const nodeMs = parts.reduce((sum, part) => sum + part.nodeMs, 0n)
  const more = nodeMs === 0n ? 0n : left / nodeMs
  return parts.map(({ workload, planned }) => withMaxPrice(workload, Number(planned + more)))
}

/** What a node of the dearest replica costs an hour that has a place; nothing where none has. */
function nodePrice(workload: string, decisions: Decision[]): bigint {
  const prices = decisions.flatMap((decision) =>
    decision.workload === workload && decision.placement
      ? [decision.placement.priceMicros / decision.placement.ranks.length]
      : [],
  )
  return BigInt(Math.ceil(prices.reduce((most, price) => Math.max(most, price), 0)))
}

function withMaxPrice<W extends Planned>(workload: W, micros: number): W {
  const { spec } = workload
  const maxPriceMicros = Math.min(spec.placement.maxPriceMicros ?? Infinity, micros)
  return { ...workload, spec: { ...spec, placement: { ...spec.placement, maxPriceMicros } } }
}

function tooDear(cost: bigint, maxCostMicros: number): Problem {
  const allowed = formatMoney(BigInt(maxCostMicros))
  const text = `All that was asked for costs ${formatMoney(cost)} at the price of what has a place, and ${allowed} is allowed.`
  return new Problem('over-budget', text, {
    next: [`isobar apply <plan> --max-cost ${(cost + 999_999n) / 1_000_000n}`],
  })
}

const byPrice = ({ refusal }: Decision) => refusal?.cause === 'price' && refusal.impossible === true

/** Refuses what would wait for ever: nothing that could hold it is as cheap as it has to be. */
export function refuseHopeless(workloads: Planned[], before: Decision[], after: Decision[]): void {
  const known = new Set(before.filter(byPrice).map(({ workload }) => workload))
  const hopeless = after.find((decision) => byPrice(decision) && !known.has(decision.workload))
  if (!hopeless) return
  const name = workloads.find(({ id }) => id === hopeless.workload)?.name ?? ''
  throw new Problem(
    'over-budget',
    `What --max-cost leaves for ${name} is too little. ${hopeless.refusal?.text ?? ''}`,
    {
      next: ['isobar offers'],
    },
  )
}
