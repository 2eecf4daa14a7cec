import { createAudit } from '#engine/cell/audit.ts'
import { createCell, type CellPlan } from '#engine/cell/cell.ts'
import { Line } from '#engine/queue/line.ts'
import { createShares } from '#engine/queue/share.ts'

import type { GangRequest } from '#engine/cell/ask.ts'

import { cpuSeconds } from './clock.ts'

export type InMemory = { placed: number; ms: number }

/** So many of each gang, through the queue: submitted and decided in one turn, refusals with their reason, starts checked. */
export function decideInLine(asked: readonly [count: number, gang: GangRequest][], plan: CellPlan): InMemory {
  const audit = createAudit(plan)
  const line = new Line({
    cells: [createCell(plan)],
    quotas: [{ name: 'all', parent: null, nominal: {}, borrowing: {}, lending: {} }],
    shares: createShares({
      nodes: [{ name: 'all', parent: null, weight: 1 }],
      capacity: { nodes: plan.classOf.length },
      halfLifeMs: 0,
    }),
    overdueMs: Infinity,
  })
  const rows = asked.map(([count, gang], i) => {
    const options = [{ cell: 0, gang, amounts: { nodes: 1 } }]
    return { count, gang, want: { key: `${i}`, project: 'all', priority: 0, options } }
  })
  const gangs: GangRequest[] = []
  let placed = 0
  const begun = cpuSeconds()
  for (const { count, gang, want } of rows)
    for (let i = 0; i < count; i++) {
      const since = gangs.push(gang)
      line.submit({ id: String(since - 1), want, since, lastsMs: 3_600_000 })
    }
  for (const decision of line.turn(gangs.length)) {
    const gang = gangs[Number(decision.id)]
    if (!('gang' in decision) || !gang) continue
    const wrong = audit.taken(decision.gang, gang, decision)
    if (wrong) throw new Error(`${decision.id}: ${wrong}`)
    placed++
  }
  return { placed, ms: (cpuSeconds() - begun) * 1000 }
}
