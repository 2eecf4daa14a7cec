import { cpuSeconds } from '#bench/cell/measured.ts'
import type { GangRequest } from '#engine/cell/ask.ts'
import { askOf } from '#engine/cell/ask.ts'
import { createAudit } from '#engine/cell/audit.ts'
import { createCell, type CellPlan } from '#engine/cell/cell.ts'
import { take } from '#engine/cell/take.ts'
import { Line } from '#engine/queue/line.ts'
import { createShares } from '#engine/queue/share.ts'

export type InMemory = { placed: number; ms: number }

/** Nodes of 8 GPUs: `fanOut` of them under a leaf, as many leaves under a spine. */
export function planOf({ nodes, fanOut }: { nodes: number; fanOut: number }): CellPlan {
  const all = Array.from({ length: nodes }, (_, i) => i)
  const classes = [{ shape: 'n', accelerators: 8, cpuMilli: 96_000, memoryMiB: 1_000_000, diskMiB: 0 }]
  const domains = [fanOut, fanOut ** 2].map((size) => all.map((i) => Math.floor(i / size)))
  return { classes, classOf: all.map(() => 0), domains }
}

const gangOf = (ranks: number): GangRequest => ({ roles: [{ size: { whole: true }, ranks }] })

/** Decisions alone: each job takes its nodes of the tree, one after the other. */
export function decideAlone(jobs: number[], plan: CellPlan): InMemory {
  const cell = createCell(plan)
  const asks = new Map([...new Set(jobs)].map((ranks) => [ranks, askOf(cell, gangOf(ranks))]))
  let placed = 0
  const begun = cpuSeconds()
  for (const ranks of jobs) {
    const ask = asks.get(ranks)
    if (ask && take(cell, ask) >= 0) placed++
  }
  return { placed, ms: (cpuSeconds() - begun) * 1000 }
}

/** Through the queue: submitted, ordered by fair share, decided in one turn, each refusal with its reason, each decision checked. */
export function decideInLine(jobs: number[], plan: CellPlan): InMemory {
  const [cell, audit] = [createCell(plan), createAudit(plan)]
  const quotas = [{ name: 'all', parent: null, nominal: {}, borrowing: {}, lending: {} }]
  const capacity = { gpu: 8 * plan.classOf.length }
  const shares = createShares({ nodes: [{ name: 'all', parent: null, weight: 1 }], capacity, halfLifeMs: 0 })
  const line = new Line({ cells: [cell], quotas, shares, overdueMs: Infinity })
  const wants = new Map(
    [...new Set(jobs)].map((ranks) => {
      const options = [{ cell: 0, gang: gangOf(ranks), amounts: { gpu: 8 * ranks } }]
      return [ranks, { key: `${ranks}`, project: 'all', priority: 0, options }]
    }),
  )
  let placed = 0
  const begun = cpuSeconds()
  jobs.forEach((ranks, i) => {
    const want = wants.get(ranks)
    if (want) line.submit({ id: `j${i}`, want, since: i, lastsMs: 3_600_000 })
  })
  for (const decision of line.turn(jobs.length)) {
    if ('refused' in decision) continue
    const wrong = audit.taken(decision.gang, gangOf(decision.ranks.length), decision)
    if (wrong) throw new Error(`${decision.id}: ${wrong}`)
    placed++
  }
  return { placed, ms: (cpuSeconds() - begun) * 1000 }
}
