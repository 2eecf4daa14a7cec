import { startControlPlane } from '#rigs/kubernetes/control-plane.ts'
import { images } from '#rigs/kubernetes/images.ts'
import { startNode } from '#rigs/kubernetes/node.ts'

// A program of its own, to be killed: starts a node with a container that runs, and tells what there would be left of it.

const plane = await startControlPlane()
const node = await startNode(plane)
const containers = [{ name: 'rank', image: images.busybox, command: ['sleep', '1000'] }]
await plane.ask('POST', '/api/v1/namespaces/default/pods', { metadata: { name: 'one' }, spec: { containers } })
await plane.waitFor('its container runs', async () => {
  if ((await node.runs('default')) !== 1) throw new Error('it does not run')
})
console.log(JSON.stringify({ id: node.id, folders: [node.folder, plane.folder] }))
