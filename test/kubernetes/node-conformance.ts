import { after, before } from 'node:test'

import { describeProvider } from '#providers/conformance.ts'
import { type ControlPlane, startControlPlane } from '#rigs/kubernetes/control-plane.ts'
import { type RealNode, startNode } from '#rigs/kubernetes/node.ts'
import { openRealSite } from '#rigs/kubernetes/site.ts'

let plane: ControlPlane
let node: RealNode

before(async () => {
  plane = await startControlPlane(console.error)
  node = await startNode(plane)
})
after(async () => {
  await node.stop()
  await plane.stop()
})

describeProvider('kubernetes on a real node', () => openRealSite(plane), {
  notice: 'ranks of the suite end as soon as they are told to; one that takes its time is drained below',
  retryAfter: 'no API server is busy at a word (faults.ts)',
  full: 'the scheduler decides after a Job was made',
})
