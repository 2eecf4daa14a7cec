import { askOf } from '#engine/cell/ask.ts'
import { createAudit } from '#engine/cell/audit.ts'
import { createCell } from '#engine/cell/cell.ts'
import { isHeld } from '#engine/cell/gangs.ts'
import { nodesOf } from '#engine/cell/heads.ts'
import { release, take } from '#engine/cell/take.ts'
import { createRandom } from '#kit/random.ts'

import type { Ask, GangRequest } from '#engine/cell/ask.ts'
import type { CellPlan } from '#engine/cell/cell.ts'

import { cpuSeconds, rssMB } from './clock.ts'

export function cpuPlan(nodes: number, amounts: { cpuMilli: number; memoryMiB: number }): CellPlan {
  const classes = [{ shape: 'cpu', accelerators: 0, diskMiB: 0, ...amounts }]
  const all = Array.from({ length: nodes }, (_, i) => i)
  const domains = [all.map((i) => Math.floor(i / 40)), all.map((i) => Math.floor(i / 1600))]
  return { classes, classOf: all.map(() => 0), domains }
}

const cores = (cpu: number, memoryGiB: number): GangRequest => ({
  roles: [{ size: { cpuMilli: cpu * 1000, memoryMiB: memoryGiB * 1024 }, ranks: 1 }],
})

export const oneCore = { name: 'tasks of 1 core, 2 GiB', requests: [cores(1, 2)] }
export const mixedCores = {
  name: 'tasks of 1, 2, 4 and 8 cores with 1 to 4 GiB a core',
  requests: [cores(1, 4), cores(2, 2), cores(4, 16), cores(8, 8)],
}
type Tasks = { nodes: number; churned: number; checker?: boolean }

/** Fills nodes of 96 cores to 97 %, then gives back tasks at random and places others. Gives what fills it, to be kept. */
export function placeTasks({ name, requests }: typeof oneCore, { nodes, churned, checker = false }: Tasks) {
  const plan = cpuPlan(nodes, { cpuMilli: 96_000, memoryMiB: 393_216 })
  const cell = createCell(plan)
  const audit = checker ? createAudit(plan) : null
  const asks = requests.map((request) => ({ ask: askOf(cell, request), request }))
  const random = createRandom('tasks')
  const draws = Uint8Array.from({ length: 65_536 }, () => random.below(asks.length))
  const askAt = (i: number): { ask: Ask; request: GangRequest } | undefined => asks[draws[i & 65_535] ?? 0]
  const one = (i: number): number => {
    const asked = askAt(i)
    if (!asked) return 0
    const gang = take(cell, asked.ask)
    if (gang < 0) return 0
    must(audit?.taken(gang, asked.request, nodesOf(cell, gang)))
    return asked.ask.need / 1000
  }
  const limit = nodes * 96 * 0.97
  let [placed, used] = [0, 0]
  let start = cpuSeconds()
  for (; used < limit; placed++) used += one(placed)
  const filling = Math.round(placed / (cpuSeconds() - start))
  const times = new Float64Array(churned)
  let refused = 0
  const picks = Int32Array.from({ length: churned }, () => random.below(cell.gangs.used))
  start = cpuSeconds()
  for (let i = 0; i < churned; i++) {
    const begun = performance.now()
    let gang = picks[i] ?? 0
    while (!isHeld(cell.gangs, gang)) gang = random.below(cell.gangs.used)
    must(audit?.released(gang))
    release(cell, gang)
    if (one(i) === 0) refused++
    times[i] = performance.now() - begun
  }
  const churning = Math.round(churned / (cpuSeconds() - start))
  times.sort()
  const row = {
    tasks: `${name}${checker ? ', with checker' : ''}`,
    live: cell.gangs.held,
    'filling/s': filling,
    'release+place/s': churning,
    'p99 us': ((times[Math.floor(churned * 0.99)] ?? 0) * 1000).toFixed(2),
    refused,
    'rss MB': rssMB(),
  }
  return { cell, row }
}

function must(wrong: string | null | undefined): void {
  if (wrong) throw new Error(wrong)
}
