import { createAudit } from '#engine/cell/audit.ts'
import { createCell, type CellPlan } from '#engine/cell/cell.ts'
import { Line } from '#engine/queue/line.ts'
import { createShares } from '#engine/queue/share.ts'

import type { GangRequest } from '#engine/cell/ask.ts'
import type { Want } from '#engine/queue/request.ts'

import { cpuSeconds } from './clock.ts'
import { gpuNodes } from './sets.ts'
import { nodesOfKubernetes } from './kubernetes.ts'

type Asked = readonly [count: number, gang: GangRequest]
type Case = { work: string; published: string; plan: CellPlan; low: Asked; high: Asked }

const cpu = (cpuMilli: number, ranks = 1, more: Partial<GangRequest> = {}): GangRequest => ({
  roles: [{ size: { cpuMilli }, ranks }],
  ...more,
})
const gpus = (accelerators: number, ranks = 1): GangRequest => ({ roles: [{ size: { accelerators }, ranks }] })
const kai = { plan: gpuNodes(500, [2, 16, 128]), low: [4000, gpus(1)] as const }
const groups = (count: number, size: number) => cpu(3970, count * size, { slices: { level: 1, ranks: size } })
const full = { plan: nodesOfKubernetes(100), low: [1000, cpu(400)] as const, published: 'none published' }

const cases: Case[] = [
  { work: 'KAI scale: 1 GPU', published: 'KAI 13.9 s', ...kai, high: [1, gpus(1)] },
  { work: 'KAI scale: one gang of 250 x 8 GPUs', published: 'KAI 102 s', ...kai, high: [1, gpus(8, 250)] },
  { work: 'KAI scale: 4,000 x 1 GPU', published: 'KAI 694 s', ...kai, high: [4000, gpus(1)] },
  { work: 'Kubernetes cpg preemption: 1 x 10 x 10', ...full, high: [1, groups(10, 10)] },
  { work: 'Kubernetes cpg preemption: 10 x 2 x 5', ...full, high: [10, groups(2, 5)] },
]

/** Work of higher priority comes to nodes that are full, and the queue makes whole gangs leave, least lost work first. */
export const preempting = (share: number) =>
  cases.map(({ high: [count, gang], ...rest }) => preempt({ ...rest, high: [Math.ceil(count * share), gang] }))

function preempt({ work, published, plan, low, high }: Case) {
  const audit = createAudit(plan)
  const node = { name: 'all', parent: null }
  const line = new Line({
    cells: [createCell(plan)],
    quotas: [{ ...node, nominal: {}, borrowing: {}, lending: {} }],
    shares: createShares({ nodes: [{ ...node, weight: 1 }], capacity: { nodes: plan.classOf.length }, halfLifeMs: 0 }),
    overdueMs: Infinity,
    preemption: new Map([['all', { within: 'lower-priority', reclaim: 'never', perHour: null }]]),
  })
  const gangs = new Map<string, number>()
  const start = ([count, gang]: Asked, { priority, now }: { priority: number; now: number }) => {
    const options = [{ cell: 0, gang, amounts: { nodes: 1 } }]
    const want: Want = { key: `${priority}`, project: 'all', priority, options }
    for (let i = 0; i < count; i++) line.submit({ id: `${priority} ${i}`, want, since: now, lastsMs: 3_600_000 })
    let [left, victims] = [count, 0]
    for (let isStuck = false; left > 0 && !isStuck;) {
      isStuck = true
      for (const decision of line.turn(now)) {
        if ('gang' in decision) {
          const wrong = audit.taken(decision.gang, gang, decision)
          if (wrong) throw new Error(`${decision.id}: ${wrong}`)
          gangs.set(decision.id, decision.gang)
          left--
        } else if (decision.refused.cause === 'preempts')
          for (const victim of decision.refused.victims) {
            line.ended(victim, now)
            audit.released(gangs.get(victim) ?? -1)
            victims++
          }
        else continue
        isStuck = false
      }
    }
    return { left, victims }
  }
  start(low, { priority: 0, now: 0 })
  const begun = cpuSeconds()
  const { left, victims } = start(high, { priority: 1, now: 60_000 })
  return {
    work: `${work} come to ${low[0]} that run`,
    started: high[0] - left,
    victims,
    'through the queue, ms': ((cpuSeconds() - begun) * 1000).toFixed(1),
    published,
  }
}
