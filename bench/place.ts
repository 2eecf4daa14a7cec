import { place } from '#engine/placement/place.ts'
import { aJob, aNow, aSite, aSnapshot, someNodes } from '#test/builders.ts'

/**
 * Decisions per second of one round of placement. Beside them the bound that any engine without an index has: looking
 * once at each node for each waiting job.
 */

const accelerators = ['H100:1', 'H100:2', 'H100:8'] as const

const sizes = [
  { nodes: 10, jobs: 1000 },
  { nodes: 100, jobs: 1000 },
  { nodes: 1000, jobs: 1000 },
  { nodes: 5000, jobs: 20_000 },
]
const rows = sizes.flatMap((size) => [
  measure(size, 'one accelerator each', () => ({ resources: { accelerators: 'H100:1' } })),
  measure(size, 'mixed sizes and gangs', (i) => ({
    nodes: i % 10 === 0 ? 4 : 1,
    resources: { accelerators: accelerators[i % 3] ?? 'H100:1' },
  })),
  measure(size, 'no two sizes alike', (i) => ({
    resources: { accelerators: 'H100:1', memory: `${(i % 1000) + 1}MB` },
  })),
  measure(size, 'no room for any', () => ({ nodes: size.nodes * 8, resources: { accelerators: 'H100:1' } })),
])
console.table(rows)

function measure(
  { nodes, jobs }: { nodes: number; jobs: number },
  queue: string,
  specOf: (index: number) => Parameters<typeof aJob>[0],
) {
  const sites = ['west', 'east'].map((name, i) =>
    aSite({ name, nodes: someNodes(nodes / 2, { gpus: 8 }, [4, 32]), offers: [{ gpus: 8, price: 20 + i }] }),
  )
  const waiting = Array.from({ length: jobs }, (_, i) =>
    aJob({ name: `j${i}`, ...specOf(i) }, { createdAt: aNow - jobs + i }),
  )
  const snapshot = aSnapshot({ waiting, sites })
  const decisions = place({ snapshot, now: aNow })
  const roundMs = bestOf(() => place({ snapshot, now: aNow }))
  const passMs = bestOf(() =>
    onePassEach(
      jobs,
      sites.map((site) => site.nodes ?? []),
    ),
  )
  return {
    nodes,
    waiting: jobs,
    queue,
    placed: decisions.filter(({ placement }) => placement).length,
    'round ms': roundMs.toFixed(1),
    'decisions/s': Math.round((jobs / roundMs) * 1000),
    'bound: one pass ms': passMs.toFixed(1),
    'bound: decisions/s': Math.round((jobs / passMs) * 1000),
  }
}

/** What the bound does: for each waiting job, read the free accelerators of each node once. */
function onePassEach(jobs: number, sites: { shape: { accelerators: number } }[][]): number {
  const free = sites.map((nodes) => Int32Array.from(nodes, ({ shape }) => shape.accelerators))
  let fitting = 0
  for (let job = 0; job < jobs; job++)
    for (const nodes of free) for (let i = 0; i < nodes.length; i++) if ((nodes[i] ?? 0) >= 1) fitting++
  return fitting
}

function bestOf(run: () => unknown): number {
  const times = Array.from({ length: 3 }, () => {
    const start = performance.now()
    run()
    return performance.now() - start
  })
  return Math.min(...times)
}
