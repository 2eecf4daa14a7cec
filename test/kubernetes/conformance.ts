import { after, before } from 'node:test'

import { describeProvider } from '#providers/conformance.ts'
import { addNodes } from '#rigs/kubernetes/cluster.ts'
import { type ControlPlane, startControlPlane } from '#rigs/kubernetes/control-plane.ts'
import { openCoreweaveSite, openSite } from '#rigs/kubernetes/site.ts'

let plane: ControlPlane

before(async () => {
  plane = await startControlPlane(console.error)
  await addNodes(
    plane,
    [0, 1, 2, 3].map((at) => ({ name: `n${at}` })),
  )
})
after(() => plane.stop())

const left = {
  logs: 'the nodes that KWOK plays run no containers',
  full: 'the scheduler decides after a Job was made',
}

describeProvider('kubernetes', () => openSite(plane), left)
describeProvider('coreweave', () => openCoreweaveSite(plane), left)
