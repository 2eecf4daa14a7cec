import { after, before } from 'node:test'

import { describeProvider } from '#providers/conformance.ts'
import { addNodes } from '#rigs/kubernetes/cluster.ts'
import { startControlPlane } from '#rigs/kubernetes/control-plane.ts'
import { startNode } from '#rigs/kubernetes/node.ts'
import { openRealSite } from '#rigs/kubernetes/site.ts'
import { describeForwarding } from './on-a-node/forwarding.ts'
import type { Here } from './on-a-node/here.ts'
import { describeProxied } from './on-a-node/proxied.ts'
import { describeRest } from './on-a-node/rest.ts'
import { describeRestricted } from './on-a-node/restricted.ts'
import { describeTraining } from './on-a-node/training.ts'
import { describeCauses, describeEnds, describeReplicas, describeRotation, describeSilence } from './on-a-node/truth.ts'

// What only a real kubelet and real containers can tell. One control plane with one node serves all of it.

let here: Here

before(async () => {
  const plane = await startControlPlane(console.error)
  here = { plane, node: await startNode(plane) }
  // Where all nodes are silent, a cluster takes itself for the one that is cut off and gives nobody up.
  await addNodes(plane, [{ name: 'other', taints: [{ key: 'played', effect: 'NoSchedule' }] }])
})
after(async () => {
  await here.node.stop()
  await here.plane.stop()
})

describeProvider('kubernetes on a real node', () => openRealSite(here.plane, here.node), {
  notice: 'ranks of the suite end as soon as they are told to; truth.ts drains one that takes its time',
  full: 'the scheduler decides after a Job was made',
})
describeCauses(() => here)
describeEnds(() => here)
describeReplicas(() => here)
describeRestricted(() => here)
describeRotation(() => here)
describeForwarding(() => here)
describeProxied(() => here)
describeTraining(() => here)
describeSilence(() => here)
describeRest(() => here)
