import { askOf } from '#engine/cell/ask.ts'
import { release } from '#engine/cell/take.ts'

import type { GangRequest } from '#engine/cell/ask.ts'
import type { CellPlan } from '#engine/cell/cell.ts'

import { measure, takeAll, takeOne, times, type Measured, type Work } from './measured.ts'

/** Nodes of 4 cores and 32 GiB with one accelerator; 100 in a zone, 10 in a rack. */
export function nodesOfKubernetes(nodes: number): CellPlan {
  const all = Array.from({ length: nodes }, (_, i) => i)
  const classes = [{ shape: 'n', accelerators: 1, cpuMilli: 4000, memoryMiB: 32_768, diskMiB: 0 }]
  return { classes, classOf: all.map(() => 0), domains: [10, 100].map((size) => all.map((i) => Math.floor(i / size))) }
}

const [rack, zone] = [1, 2]
const none = 'none published for gangs'
type More = Partial<GangRequest> & { size?: GangRequest['roles'][number]['size'] }
const pods = (ranks: number, { size = { cpuMilli: 100 }, ...more }: More = {}): GangRequest => ({
  roles: [{ size, ranks }],
  ...more,
})

type Set = { what: string; published: string; nodes?: number; initial?: number; count: number; gang: GangRequest }

/** Groups of pods, each group in one rack (or zone where a rack is too small), all of them in one zone or anywhere. */
const composite = (count: number, size: number): Set => ({
  what: `cpg: ${count} x 2 x ${size}`,
  published: none,
  count,
  gang: pods(2 * size, {
    slices: { level: size > 400 ? zone : rack, ranks: size },
    ...(size <= 400 && { within: { level: zone } }),
  }),
})

const gangSets: Set[] = [
  ...[
    [1000, 3],
    [2000, 3],
    [3000, 3],
    [3, 1000],
    [6, 1000],
    [9, 1000],
    [10, 5000],
  ].map(([count = 0, size = 0]) => ({
    what: `podgroup/gangscheduling: ${count} x ${size}`,
    published: none,
    count,
    gang: pods(size),
  })),
  ...[
    [750, 4],
    [1500, 4],
    [2250, 4],
    [3, 1000],
    [6, 1000],
    [9, 1000],
  ].map(([count = 0, size = 0]) => ({
    what: `podgroup/tas: ${count} x ${size}`,
    published: none,
    count,
    gang: pods(size, { within: { level: size > 400 ? zone : rack } }),
  })),
  ...[
    [500, 3],
    [1000, 3],
    [1500, 3],
    [500, 4],
    [1000, 4],
    [1500, 4],
    [3, 500],
    [3, 1000],
    [3, 1500],
  ].map(([count = 0, size = 0]) => composite(count, size)),
]

const podSets: Set[] = [
  { what: 'SchedulingBasic, 10,000 pods', published: '680 pods/s', initial: 1000, count: 10_000, gang: pods(1) },
  { what: 'SchedulingBasic, 50,000 pods', published: '810 pods/s', initial: 5000, count: 50_000, gang: pods(1) },
  {
    what: 'Daemonset, 15,000 nodes',
    published: '1,100 pods/s',
    nodes: 15_000,
    count: 2,
    gang: pods(15_000, { spread: { level: 0, most: 1 } }),
  },
  {
    what: 'PodAntiAffinity, 2,000 pods',
    published: '60 pods/s',
    count: 1,
    gang: pods(2000, { spread: { level: 0, most: 1 } }),
  },
  {
    what: 'NodeAffinity, 10,000 pods',
    published: '220 pods/s',
    count: 10_000,
    gang: pods(1, { size: { cpuMilli: 100, allows: ({ shape }) => shape === 'n' } }),
  },
  {
    what: 'ExtendedResource, 5,000 pods',
    published: '180 pods/s',
    count: 5000,
    gang: pods(1, { size: { cpuMilli: 100, accelerators: 1 } }),
  },
]

const workOf =
  (share: number) =>
  ({ what, published, nodes = 5000, initial = 0, count, gang }: Set): Work => ({
    work: `Kubernetes ${what}`,
    published: published === none ? none : `${published}, the least in its CI`,
    plan: nodesOfKubernetes(nodes),
    asked: [[Math.ceil(count * share), gang]],
    begin: (cell) => {
      const ask = askOf(cell, gang)
      takeAll(times(initial, ask))({ decisions: 0, ranks: 0, refused: 0 })
      return takeAll(times(Math.ceil(count * share), ask))
    },
  })

/** Pods that fit nowhere wait while others are placed; they are asked once each, as a new pod is. */
const unschedulable = (share: number, initial: number, published: string): Work => ({
  work: `Kubernetes Unschedulable: ${initial} that fit nowhere, then 10,000`,
  published: `${published} pods/s, the least in its CI`,
  plan: nodesOfKubernetes(5000),
  begin: (cell) => {
    const [never, ask] = [askOf(cell, pods(1, { size: { cpuMilli: 8000 } })), askOf(cell, pods(1))]
    return takeAll([...times(Math.ceil(initial * share), never), ...times(Math.ceil(10_000 * share), ask)])
  },
})

/** 100 nodes are full of 1,000 pods; gangs that need all of them come. Victims go newest first until the gang fits. */
const preempting = (count: number, groups: number, size: number): Work => ({
  work: `Kubernetes cpg preemption, 100 nodes: 1,000 pods give way to ${count} x ${groups} x ${size}`,
  published: none,
  plan: nodesOfKubernetes(100),
  begin: (cell) => {
    const victims: number[] = []
    const low = askOf(cell, pods(1, { size: { cpuMilli: 400 } }))
    for (let i = 0; i < 1000; i++) victims.push(takeOne(low, { decisions: 0, ranks: 0, refused: 0 }))
    const high = askOf(cell, pods(groups * size, { size: { cpuMilli: 3970 }, slices: { level: rack, ranks: size } }))
    return (done) => {
      for (let i = 0; i < count; i++) {
        while (takeOne(high, done) < 0) {
          const victim = victims.pop()
          if (victim === undefined) throw new Error('all have given way, and the gang does not fit')
          release(cell, victim)
        }
      }
    }
  },
})

/** kube-scheduler's own workloads (test/integration/scheduler_perf), 5,000 nodes unless told. */
export function kubernetes(share: number): Measured[] {
  const all = [
    ...[...gangSets, ...podSets].map(workOf(share)),
    unschedulable(share, 100, '590'),
    unschedulable(share, 20_000, '600'),
    preempting(1, 10, 10),
    preempting(10, 2, 5),
  ]
  return all.map((work) => measure(work, share < 1 ? 1 : 5))
}
