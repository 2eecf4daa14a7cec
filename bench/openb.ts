import { existsSync } from 'node:fs'
import { join } from 'node:path'

import type { Judge } from '#engine/sharing/judge.ts'
import { createRandom } from '#kit/random.ts'
import { fill, sharedCell, type Filled } from '#simulator/sharing/fill.ts'
import { bestFit, fgd } from '#simulator/sharing/published.ts'
import { readInput } from '#simulator/traces/input.ts'
import { inflate, readOpenbNodes, readOpenbPods, type SharedNode, type SharedTask } from '#simulator/traces/openb.ts'
import { readTable } from '#simulator/traces/table.ts'

/**
 * GPU allocated of a cluster that shares its GPUs, in percent, beside what FGD published (Weng et al., USENIX ATC 2023;
 * openb: Alibaba clusterdata, cluster-trace-gpu-v2023). Their protocol: 1,213 nodes with 6,212 GPUs, pods in random order
 * until they ask for 130 % of the GPUs, arrivals only, the mean of ten seeds.
 *
 * All of it is asked of a cell, as the queue asks: tasks with whole GPUs, with a share of one and with none, by `take`.
 *
 * FGD knows the pods of the trace before the first arrives. Isobar knows none, and learns the mix from what has arrived.
 */

const seeds = Array.from({ length: 10 }, (_, index) => 42 + index)
const demand = 1.3
const movesPerArrival = 0.01

const folder = join(process.env.ISOBAR_DATA ?? '../shared/data', 'openb')
if (existsSync(folder)) show()
else console.log(`skipped: there is no ${folder}; set ISOBAR_DATA to the folder that holds openb/`)

type Fill = (nodes: readonly SharedNode[], arrivals: readonly SharedTask[], seed: number) => Filled

function show(): void {
  const published = new Map<string, [string, string]>()
  for (const row of readTable(readInput(join(folder, 'published.csv')), { required: ['trace', 'policy'] }))
    published.set(`${row.text('trace')} ${row.text('policy')}`, [
      row.text('gpu_allocation_pct_at_100pct_demand'),
      row.text('gpu_allocation_pct_at_130pct_demand'),
    ])
  const nodes = readOpenbNodes(readInput(join(folder, 'openb_node_list_gpu_node.csv')))
  const rows = ['default', 'cpu100', 'gpushare40', 'multigpu20'].flatMap((trace) => {
    const pods = readOpenbPods(readInput(join(folder, `openb_pod_list_${trace}.csv`)))
    return policiesFor(pods).map(({ policy, beside, run }) => {
      const [at100, at130] = published.get(`${trace} ${beside}`) ?? []
      return { trace, policy, ...measure(nodes, pods, run), 'published at 100 %': at100, 'published at 130 %': at130 }
    })
  })
  console.table(rows)
}

function policiesFor(pods: readonly SharedTask[]): { policy: string; beside: string; run: Fill }[] {
  const told = fgd(pods)
  return [
    { policy: 'best fit, as published', beside: '05-BestFit', run: judged(bestFit) },
    { policy: 'FGD, as published', beside: '06-FGD', run: judged(told) },
    { policy: 'Isobar', beside: '06-FGD', run: learning(0) },
    { policy: 'Isobar, moves up to 1 % of arrivals', beside: '06-FGD', run: learning(movesPerArrival) },
  ]
}

/** The published policies break ties by an order of the nodes that the seed draws. */
function judged(judge: Judge): Fill {
  return (nodes, arrivals, seed) => {
    const random = createRandom(`ties ${seed}`)
    const drawn = nodes.map((node) => ({ node, by: random.next() })).sort((x, y) => x.by - y.by)
    return fill(
      sharedCell(
        drawn.map(({ node }) => node),
        judge,
      ),
      arrivals,
    )
  }
}

function learning(perArrival: number): Fill {
  return (nodes, arrivals) => fill(sharedCell(nodes), arrivals, { moves: Math.floor(arrivals.length * perArrival) })
}

function measure(nodes: readonly SharedNode[], pods: readonly SharedTask[], run: Fill) {
  const totalMilli = nodes.reduce((sum, { gpus }) => sum + gpus * 1000, 0)
  let decisions = 0
  let ms = 0
  const runs = seeds.map((seed) => {
    const arrivals = inflate(pods, { seed, targetMilli: demand * totalMilli })
    const begun = performance.now()
    const filled = run(nodes, arrivals, seed)
    ms += performance.now() - begun
    decisions += arrivals.length
    return filled
  })
  const mean = (of: (filled: Filled) => number) => runs.reduce((sum, filled) => sum + of(filled), 0) / runs.length
  return {
    'at 100 % of demand': ((100 * mean((filled) => filled.allocatedAtFullDemandMilli)) / totalMilli).toFixed(3),
    'at 130 %': ((100 * mean((filled) => filled.allocatedMilli)) / totalMilli).toFixed(3),
    moves: mean((filled) => filled.moves).toFixed(1),
    's a run': (ms / 1000 / runs.length).toFixed(2),
    'decisions/s': Math.round((decisions / ms) * 1000),
  }
}
