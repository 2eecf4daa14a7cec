import { askOf } from '#engine/cell/ask.ts'
import { createCell } from '#engine/cell/cell.ts'
import { largestFree, nodesOf } from '#engine/cell/heads.ts'
import { release, take } from '#engine/cell/take.ts'

import type { Ask, GangRequest } from '#engine/cell/ask.ts'
import type { Cell } from '#engine/cell/cell.ts'

export function cpuCell(nodes: number, amounts: { cpuMilli: number; memoryMiB: number }): Cell {
  const classes = [{ shape: 'cpu', accelerators: 0, diskMiB: 0, ...amounts }]
  const all = Array.from({ length: nodes }, (_, i) => i)
  const domains = [all.map((i) => Math.floor(i / 40)), all.map((i) => Math.floor(i / 1600))]
  return createCell({ classes, classOf: all.map(() => 0), domains })
}

export const cores = (cpu: number, memoryGiB: number): GangRequest => ({
  roles: [{ size: { cpuMilli: cpu * 1000, memoryMiB: memoryGiB * 1024 }, ranks: 1 }],
})

type Row = {
  work: string
  decisions: number
  ranks: number
  refused: number
  ms: string
  'ranks/s': number
  published: string
}

/** Takes all of a list one after the other, in a new cell each time; the best of five. */
function measure(
  work: string,
  published: string,
  { cell, todo }: { cell: () => Cell; todo: (cell: Cell) => Ask[] },
): Row {
  let [best, refused, ranks, decisions] = [Infinity, 0, 0, 0]
  for (let round = 0; round < 5; round++) {
    const fresh = cell()
    const asks = todo(fresh)
    refused = 0
    const start = performance.now()
    for (const ask of asks) if (take(fresh, ask) < 0) refused++
    best = Math.min(best, performance.now() - start)
    ranks = asks.reduce((sum, ask) => sum + ask.ranks, 0)
    decisions = asks.length
  }
  return {
    work,
    decisions,
    ranks,
    refused,
    ms: best.toFixed(1),
    'ranks/s': Math.round((ranks / best) * 1000),
    published,
  }
}

const times = (count: number, ask: Ask): Ask[] => Array.from({ length: count }, () => ask)

const kubernetes = (rack: number) => () => {
  const all = Array.from({ length: 5000 }, (_, i) => i)
  const classes = [{ shape: 'n', accelerators: 0, cpuMilli: 4000, memoryMiB: 32_768, diskMiB: 0 }]
  const domains = [all.map((i) => Math.floor(i / rack)), all.map((i) => Math.floor(i / 100))]
  return createCell({ classes, classOf: all.map(() => 0), domains })
}
const pods = (ranks: number, more: Partial<GangRequest> = {}): GangRequest => ({
  roles: [{ size: { cpuMilli: 100 }, ranks }],
  ...more,
})

/** The work of others, decided by the core alone. */
export function sets(): void {
  const floor = 'kube-scheduler CI floor 680 to 810 pods/s without gangs'
  const rows = [
    ...[
      [1000, 3],
      [2000, 3],
      [3000, 3],
      [3, 1000],
      [6, 1000],
      [9, 1000],
      [10, 5000],
    ].map(([count = 0, size = 0]) =>
      measure(`Kubernetes gangs: ${count} x ${size}`, floor, {
        cell: kubernetes(10),
        todo: (cell) => times(count, askOf(cell, pods(size))),
      }),
    ),
    ...[
      [750, 4],
      [1500, 4],
      [2250, 4],
      [3, 1000],
      [6, 1000],
      [9, 1000],
    ].map(([count = 0, size = 0]) =>
      measure(`Kubernetes topology: ${count} x ${size}`, floor, {
        cell: kubernetes(10),
        todo: (cell) => times(count, askOf(cell, pods(size, { within: { level: size > 400 ? 2 : 1 } }))),
      }),
    ),
    measure('Nomad C1M: 1,000 jobs x 1,000 on 5,000 hosts', '3,750 containers/s', {
      cell: () => cpuCell(5000, { cpuMilli: 32_000, memoryMiB: 120_000 }),
      todo: (cell) => times(1_000_000, askOf(cell, pods(1))),
    }),
    measure('Nomad C2M: 2,000 jobs x 1,000 on 6,100 hosts', '1,500 containers/s', {
      cell: () => cpuCell(6100, { cpuMilli: 36_000, memoryMiB: 73_728 }),
      todo: (cell) => times(2_000_000, askOf(cell, pods(1))),
    }),
    measure('Slurm: 1,000 x 1, 400 x 8, 12 x 256 nodes of 10,000', '50 jobs/s (topology/tree, 22.05, measured)', {
      cell: slurmCell,
      todo: (cell) =>
        [
          [1000, 1],
          [400, 8],
          [12, 256],
        ].flatMap(([count = 0, ranks = 0]) => times(count, askOf(cell, { roles: [{ size: { whole: true }, ranks }] }))),
    }),
    gke(),
  ]
  console.log('\nThe work of others. OURS ARE DECISIONS ALONE; THEIRS INCLUDE API AND BINDS')
  console.table(rows)
}

function slurmCell(): Cell {
  const all = Array.from({ length: 10_000 }, (_, i) => i)
  const classes = [{ shape: 'n', accelerators: 8, cpuMilli: 96_000, memoryMiB: 1_000_000, diskMiB: 0 }]
  return createCell({ classes, classOf: all.map(() => 0), domains: [all.map((i) => Math.floor(i / 40))] })
}

/**
 * 65,000 nodes in five phases: training takes all; inference takes 15,000 from it; inference takes all; training takes
 * 50,000 back; inference takes 15,000 of these. What must go is released, newest first, before its successor is placed.
 */
function gke(): Row {
  const cell = cpuCell(65_000, { cpuMilli: 16_000, memoryMiB: 65_536 })
  const ask = askOf(cell, { roles: [{ size: { cpuMilli: 15_000 }, ranks: 1 }] })
  const [training, inference]: [number[], number[]] = [[], []]
  let [decisions, refused] = [0, 0]
  const swap = (from: number[], to: number[], count: number) => {
    for (let i = 0; i < count; i++) {
      const gang = from.pop()
      if (gang !== undefined) release(cell, gang)
      const taken = take(cell, ask)
      decisions++
      if (taken < 0) refused++
      else to.push(taken)
    }
  }
  const start = performance.now()
  swap([], training, 65_000)
  swap(training, inference, 15_000)
  swap(training, inference, 50_000)
  swap(inference, training, 50_000)
  swap(training, inference, 15_000)
  const ms = performance.now() - start
  if (largestFree(ask, 0) > 0 || nodesOf(cell, training[0] ?? 0).ranks.length !== 1)
    throw new Error('the cell must be full')
  const published = '1,000 pods/s sustained; 65,000 in 150 s'
  const rate = Math.round((decisions / ms) * 1000)
  return {
    work: 'GKE: five phases on 65,000 nodes',
    decisions,
    ranks: decisions,
    refused,
    ms: ms.toFixed(1),
    'ranks/s': rate,
    published,
  }
}
