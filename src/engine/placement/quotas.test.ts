import assert from 'node:assert/strict'
import { test } from 'node:test'

import { aJob, aLease, aNow, aProject, aSite, aSnapshot, someNodes } from '#test/builders.ts'

import { check } from './check.ts'
import { place } from './place.ts'

type Job = NonNullable<Parameters<typeof aJob>[0]>
type Project = NonNullable<Parameters<typeof aProject>[0]>

/** Sixteen nodes of eight accelerators, four in an NVLink domain. */
const nodes = someNodes(16, { gpus: 8 }, [4, 16])

/** What becomes of jobs that come one after another: on how many nodes each stands, or why it waits. */
function told(jobs: Job[], projects: Project[], leases: ReturnType<typeof aLease>[] = []): (number | string)[] {
  const waiting = jobs.map((job, i) =>
    aJob({ name: `j${i}`, resources: { accelerators: 'H100:8' }, ...job }, { createdAt: aNow - 100 + i }),
  )
  const given = { waiting, projects: projects.map(aProject), sites: [aSite({ nodes })], leases }
  const snapshot = aSnapshot(given)
  const decisions = place({ snapshot, now: aNow })
  assert.deepEqual(check({ snapshot, now: aNow }, decisions), [])
  return waiting.map(({ id }) => {
    const decision = decisions.find(({ workload }) => workload === id)
    return decision?.placement?.ranks.length ?? decision?.refusal?.best?.detail ?? ''
  })
}

const labs = { name: 'labs', quota: { accelerators: 64 } }
const vision = { name: 'vision', parent: 'labs', quota: { accelerators: 32 }, lending: { accelerators: 16 } }
const speech = { name: 'speech', parent: 'labs' }

test('who has no quota of its own borrows what its tree leaves, but not what others keep back', () => {
  const projects = [labs, vision, speech]
  assert.deepEqual(told([{ project: 'speech', nodes: 10 }], projects), [10]) // 64 of the labs and 16 that vision lends
  assert.deepEqual(told([{ project: 'speech', nodes: 11 }], projects), [
    'needs 88 accelerators; the quota of labs leaves 80 to project speech',
  ])
})

test('nobody borrows more than it may, and what is its own it always gets', () => {
  const bounded = { ...speech, borrowing: { accelerators: 16 } }
  const jobs = [
    { project: 'speech', nodes: 2 },
    { project: 'speech', nodes: 1 },
    { project: 'vision', nodes: 4 },
  ]
  assert.deepEqual(told(jobs, [labs, vision, bounded]), [
    2,
    'needs 8 accelerators; what speech may borrow leaves 0 to project speech',
    4,
  ])
})

test('a quota of domains counts parts of them, and whole ones where nobody else may be in them', () => {
  const project = { quota: { domains: { nvlink: 2 } } }
  assert.deepEqual(told([{ nodes: 8 }], [project]), [8])
  assert.deepEqual(told([{ nodes: 9 }], [project]), [
    'needs 2.25 NVLink domains; project default may hold 2 and holds 0',
  ])
  const alone = { nodes: 1, topology: { exclusive: 'nvlink' as const } }
  assert.deepEqual(told([alone, alone, { nodes: 1 }], [project]), [
    1,
    1,
    'needs 0.25 NVLink domains; project default may hold 2 and holds 2',
  ])
})

test('spare nodes count once they are held', () => {
  const ranks = [{ rank: 0, node: 'n0', cpuMilli: 96_000, memoryMiB: 1024, diskMiB: 0, accelerators: 8 }]
  const lease = aLease({ ranks, beside: { spares: ['n1', 'n2'] } })
  assert.deepEqual(told([{ nodes: 2 }], [{ quota: { nodes: 4 } }], [lease]), [
    'needs 2 nodes; project default may hold 4 and holds 3',
  ])
})
