import { askOf } from '#engine/cell/ask.ts'
import { largestFree } from '#engine/cell/heads.ts'
import { release } from '#engine/cell/take.ts'

import type { GangRequest } from '#engine/cell/ask.ts'
import type { Cell, CellPlan } from '#engine/cell/cell.ts'

import { measure, takeAll, takeOne, times, type Asked, type Count, type Measured, type Work } from './measured.ts'
import { cpuPlan } from './tasks.ts'

const single = (size: GangRequest['roles'][number]['size']): GangRequest => ({ roles: [{ size, ranks: 1 }] })
const gang = (ranks: number, size: GangRequest['roles'][number]['size']): GangRequest => ({ roles: [{ size, ranks }] })

type Set = Pick<Work, 'work' | 'published' | 'plan'> & { asked: Asked }

function workOf({ asked, ...rest }: Set, share: number): Work {
  const some: Asked = asked.map(([count, request]) => [Math.ceil(count * share), request])
  const begin: Work['begin'] = (cell) => takeAll(some.flatMap(([count, request]) => times(count, askOf(cell, request))))
  return { ...rest, asked: some, begin }
}

/** Nodes of 8 GPUs, in the given sizes of domains, tightest first. */
export function gpuNodes(nodes: number, sizes: number[]): CellPlan {
  const all = Array.from({ length: nodes }, (_, i) => i)
  const classes = [{ shape: 'n', accelerators: 8, cpuMilli: 96_000, memoryMiB: 1_000_000, diskMiB: 0 }]
  return { classes, classOf: all.map(() => 0), domains: sizes.map((size) => all.map((i) => Math.floor(i / size))) }
}

const nodes = (cpus: number, count: number): CellPlan => cpuPlan(count, { cpuMilli: cpus * 1000, memoryMiB: 262_144 })
const cpu = { cpuMilli: 1000 }
const tiny = { cpuMilli: 100 }
const gpu = { accelerators: 1 }
const all = { whole: true }

const volcano = 'Volcano 40 jobs/s; 55 without its webhooks (10,000 x 1)'
const armada = 'no rate published (BenchmarkScheduleMany)'
const kai = 'KAI: sizes of its Go benchmark, no rate published'

const plain: Set[] = [
  {
    work: 'Slurm: 1,000 x 1, 400 x 8, 12 x 256 nodes of 10,000',
    published: 'Slurm 22.05 50 jobs/s; in the same run: bench/slurm.ts',
    plan: gpuNodes(10_000, [16, 256]),
    asked: [
      [1000, gang(1, all)],
      [400, gang(8, all)],
      [12, gang(256, all)],
    ],
  },
  {
    work: 'Nomad C1M: 1,000 jobs x 1,000 on 5,000 hosts',
    published: 'Nomad 3,750 containers/s',
    plan: nodes(32, 5000),
    asked: [[1_000_000, single(tiny)]],
  },
  {
    work: 'Nomad C2M: 2,000 jobs x 1,000 on 6,100 hosts',
    published: 'Nomad 1,500 containers/s',
    plan: nodes(36, 6100),
    asked: [[2_000_000, single(tiny)]],
  },
  ...[
    [10_000, 1],
    [500, 20],
    [20, 500],
    [1, 10_000],
  ].map(([count = 0, size = 0]) => ({
    work: `kube-scheduling-perf: ${count} x ${size} pods on 1,000 nodes`,
    published: volcano,
    plan: nodes(32, 1000),
    asked: [[count, gang(size, cpu)]] satisfies Asked,
  })),
  ...[
    [10, 320],
    [1000, 32_000],
    [10_000, 64_000],
  ].map(([count = 0, jobs = 0]) => ({
    work: `Armada: ${jobs} jobs of 1 cpu on ${count} nodes of 32`,
    published: armada,
    plan: nodes(32, count),
    asked: [[jobs, single(cpu)]] satisfies Asked,
  })),
  ...[
    [10, 50],
    [50, 200],
    [100, 500],
  ].map(([count = 0, jobs = 0]) => ({
    work: `KAI: ${jobs} jobs of 1 GPU on ${count} nodes of 8`,
    published: kai,
    plan: gpuNodes(count, [16]),
    asked: [[jobs, single(gpu)]] satisfies Asked,
  })),
  {
    work: 'KAI: 100 gangs of 4 GPUs on 100 nodes of 8',
    published: kai,
    plan: gpuNodes(100, [16]),
    asked: [[100, gang(4, gpu)]],
  },
  {
    work: 'KAI scale: 4,000 jobs of 1 GPU fill 500 nodes',
    published: 'KAI 398 s (10/s)',
    plan: gpuNodes(500, [2, 16, 128]),
    asked: [[4000, single(gpu)]],
  },
  {
    work: 'KAI scale: one gang of 512 nodes in a tree of 4 x 8 x 8 x 2',
    published: 'KAI 48.7 s',
    plan: gpuNodes(512, [2, 16, 128]),
    asked: [[1, gang(512, all)]],
  },
  {
    work: 'KAI scale: a gang of 513 nodes is told that it can never fit',
    published: 'KAI 249.5 s',
    plan: gpuNodes(512, [2, 16, 128]),
    asked: [[1, gang(513, all)]],
  },
]

/** Nodes full of 1-GPU jobs; victims go newest first, until those that reclaim have room. */
const reclaiming = (work: string, published: string, { nodes: count, wants }: Reclaim): Work => ({
  work: `${work} reclaimed from ${8 * count} jobs of 1 GPU`,
  published,
  plan: gpuNodes(count, [2, 16, 128]),
  begin: (cell) => {
    const full = { decisions: 0, ranks: 0, refused: 0 }
    const victims = times(8 * count, askOf(cell, single(gpu))).map((ask) => takeOne(ask, full))
    const ask = askOf(cell, wants[1])
    return (done) => {
      for (let i = 0; i < wants[0]; i++) untilRoom(cell, victims, () => takeOne(ask, done) >= 0)
    }
  },
})

type Reclaim = { nodes: number; wants: Asked[number] }

function untilRoom(cell: Cell, victims: number[], hasRoom: () => boolean): void {
  while (!hasRoom()) {
    const victim = victims.pop()
    if (victim === undefined) throw new Error('all have given way, and it does not fit')
    release(cell, victim)
  }
}

/**
 * 65,000 nodes in five phases: training takes all; inference takes 15,000 from it; inference takes all; training takes
 * 50,000 back; inference takes 15,000 of these. What must go is released, newest first, before its successor is placed.
 */
const gke = (share: number): Work => ({
  work: 'GKE: five phases on 65,000 nodes',
  published: 'GKE 1,000 pods/s sustained; 65,000 in 150 s',
  plan: cpuPlan(Math.ceil(65_000 * share), { cpuMilli: 16_000, memoryMiB: 65_536 }),
  begin: (cell) => {
    const ask = askOf(cell, single({ cpuMilli: 15_000 }))
    const [training, inference]: [number[], number[]] = [[], []]
    const swap = (done: Count, from: number[], { to, count }: { to: number[]; count: number }) => {
      for (let i = 0; i < Math.floor(count * share); i++) {
        const victim = from.pop()
        if (victim !== undefined) release(cell, victim)
        const taken = takeOne(ask, done)
        if (taken >= 0) to.push(taken)
      }
    }
    return (done) => {
      swap(done, [], { to: training, count: 65_000 })
      swap(done, training, { to: inference, count: 15_000 })
      swap(done, training, { to: inference, count: 50_000 })
      swap(done, inference, { to: training, count: 50_000 })
      swap(done, training, { to: inference, count: 15_000 })
      if (largestFree(ask, 0) > 0) throw new Error('the cell must be full')
    }
  },
})

/** The work of others: how much of it was decided, in how long, and what is published of it. */
export function sets(share: number): Measured[] {
  const works = [
    ...plain.map((set) => workOf(set, share)),
    reclaiming('KAI scale: 1 GPU', 'KAI 13.9 s', { nodes: 500, wants: [1, single(gpu)] }),
    reclaiming('KAI scale: one gang of 250 x 8 GPUs', 'KAI 102 s', { nodes: 500, wants: [1, gang(250, all)] }),
    reclaiming('KAI scale: 4,000 x 1 GPU', 'KAI 694 s', { nodes: 500, wants: [4000, single(gpu)] }),
    ...[10, 100, 1000].map((count) =>
      reclaiming(`KAI: ${count / 10} x 8 GPUs`, kai, { nodes: count, wants: [count / 10, gang(1, all)] }),
    ),
    gke(share),
  ]
  return works.map((work) => measure(work, share < 1 ? 1 : 5))
}
