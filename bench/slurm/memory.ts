import { decideInLine, type InMemory } from '#bench/cell/in-line.ts'
import { cpuSeconds } from '#bench/cell/clock.ts'
import { askOf, type GangRequest } from '#engine/cell/ask.ts'
import { createCell, type CellPlan } from '#engine/cell/cell.ts'
import { take } from '#engine/cell/take.ts'

/** So many jobs of so many nodes each. */
export type Jobs = readonly [count: number, nodes: number][]

/** Nodes of 8 GPUs: `fanOut` of them under a leaf, as many leaves under a spine. */
export function planOf({ nodes, fanOut }: { nodes: number; fanOut: number }): CellPlan {
  const all = Array.from({ length: nodes }, (_, i) => i)
  const classes = [{ shape: 'n', accelerators: 8, cpuMilli: 96_000, memoryMiB: 1_000_000, diskMiB: 0 }]
  const domains = [fanOut, fanOut ** 2].map((size) => all.map((i) => Math.floor(i / size)))
  return { classes, classOf: all.map(() => 0), domains }
}

const gangOf = (ranks: number): GangRequest => ({ roles: [{ size: { whole: true }, ranks }] })

/** Decisions alone: each job takes its nodes of the tree, one after the other. */
export function decideAlone(jobs: Jobs, plan: CellPlan): InMemory {
  const cell = createCell(plan)
  const asks = jobs.map(([count, nodes]) => ({ count, ask: askOf(cell, gangOf(nodes)) }))
  let placed = 0
  const begun = cpuSeconds()
  for (const { count, ask } of asks) for (let i = 0; i < count; i++) if (take(cell, ask) >= 0) placed++
  return { placed, ms: (cpuSeconds() - begun) * 1000 }
}

/** Through the queue, with the reason of each refusal and the checker of each start. */
export const decideQueued = (jobs: Jobs, plan: CellPlan): InMemory =>
  decideInLine(
    jobs.map(([count, nodes]) => [count, gangOf(nodes)]),
    plan,
  )
