import { createCell } from '#engine/cell/cell.ts'
import { Line } from '#engine/queue/line.ts'
import { createShares } from '#engine/queue/share.ts'

import { cpuSeconds } from './clock.ts'
import { cpuPlan } from './tasks.ts'

/**
 * The shape of Armada's BenchmarkPreemptingQueueScheduler, without preemption: single jobs of 1 cpu from several queues
 * in one round on nodes of 32, ten times as many as have room. The queues end with equal shares.
 */
export function armadaRound({ nodes, queues, jobs }: { nodes: number; queues: number; jobs: number }) {
  const names = Array.from({ length: queues }, (_, i) => `q${i}`)
  const shares = createShares({
    nodes: names.map((name) => ({ name, parent: null, weight: 1 })),
    capacity: { cpu: 32 * nodes },
    halfLifeMs: 0,
  })
  const line = new Line({
    cells: [createCell(cpuPlan(nodes, { cpuMilli: 32_000, memoryMiB: 262_144 }))],
    quotas: names.map((name) => ({ name, parent: null, nominal: {}, borrowing: {}, lending: {} })),
    shares,
    overdueMs: Infinity,
  })
  const gang = { roles: [{ size: { cpuMilli: 1000 }, ranks: 1 }] }
  const options = [{ cell: 0, gang, amounts: { cpu: 1 } }]
  const wants = names.map((project) => ({ key: project, project, priority: 0, options }))
  const begun = cpuSeconds()
  for (let i = 0; i < jobs; i++) {
    const want = wants[i % queues]
    if (want) line.submit({ id: String(i), want, since: i, lastsMs: 3_600_000 })
  }
  const submitted = cpuSeconds()
  const placed = line.turn(jobs).filter((decision) => !('refused' in decision)).length
  const seconds = cpuSeconds() - submitted
  const each = names.map((name) => shares.share(name, jobs) * 32 * nodes)
  return {
    work: `Armada round: ${jobs} jobs of ${queues} queues on ${nodes} nodes of 32`,
    'submitted/s': Math.round(jobs / (submitted - begun)),
    placed,
    ms: (seconds * 1000).toFixed(0),
    'placed/s': Math.round(placed / seconds),
    'fewest and most of a queue': `${Math.round(Math.min(...each))}, ${Math.round(Math.max(...each))}`,
    published: 'no rate published (BenchmarkPreemptingQueueScheduler)',
  }
}
