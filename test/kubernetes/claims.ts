import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'

import { asLongAsItTakes } from '#providers/conformance-looks.ts'
import { addNamespace, addNodes } from '#rigs/kubernetes/cluster.ts'
import { type ControlPlane, startControlPlane } from '#rigs/kubernetes/control-plane.ts'
import {
  addDeviceClass,
  addSlice,
  answerComputeDomain,
  channels,
  claimedIn,
  claimForOthers,
  computeDomainsIn,
  defineComputeDomains,
  gpus,
  nvidia,
} from '#rigs/kubernetes/drivers.ts'
import { aHouse, until } from '#rigs/kubernetes/house.ts'
import { openSite } from '#rigs/kubernetes/site.ts'
import { ask } from '#rigs/server.ts'

// Accelerators and channels that pods claim, on a cluster whose nodes have no device plug-in: drivers are played, by what
// they write; who gets which device is the scheduler's decision.

let plane: ControlPlane

before(async () => {
  plane = await startControlPlane(console.error)
  const inDomain = {
    has: { 'rdma/ib': '63', 'vpc.amazonaws.com/efa': '32' },
    labels: { 'nvidia.com/gpu.clique': 'rack-1.0' },
  }
  await addNodes(plane, [{ name: 'n0', ...inDomain }, { name: 'n1', ...inDomain }, { name: 'n2' }])
  await addDeviceClass(plane, nvidia.driver, nvidia.class)
  await addDeviceClass(plane, channels.name, channels.class)
  for (const node of ['n0', 'n1', 'n2']) await addSlice(plane, { driver: nvidia.driver, node, devices: gpus(8) })
  for (const node of ['n0', 'n1'])
    await addSlice(plane, { driver: channels.driver, node, devices: [...channels.devices] })
  await defineComputeDomains(plane)
})
after(() => plane.stop())

const gang = (resources: string) => `kind: job
name: gang
nodes: 2
resources: { cpus: 2, memory: 1GB, ${resources} }
checkpoint: { grace: 1s }
run: train
`
const withClaims = { devices: true, domains: true }

test('accelerators that only a driver tells of are counted, claimed by a gang and given back', async (t) => {
  const house = await aHouse(t, plane, { rights: withClaims })
  const look = await house.submit(gang('accelerators: H100:8'))
  await until('it runs', async () => (await look()).state === 'running')
  const pods = await house.pods()
  const nodes = new Set(pods.map(({ spec }) => spec.nodeName))
  assert.equal(nodes.size, 2)
  const claimed = await claimedIn(plane, house.namespace)
  assert.deepEqual(
    claimed.map((devices) => devices.length),
    [8, 8],
  )
  assert.deepEqual(new Set(claimed.flat()), new Set([...nodes].map((node) => `gpu.nvidia.com ${node}`)))
  await house.end('0,0')
  await until('it has succeeded', async () => (await look()).state === 'succeeded')
  await until('nothing is left', async () => (await house.left()).length === 0)
  await until('nor a claim', async () => (await claimedIn(plane, house.namespace)).length === 0)
})

test('what others have claimed is not offered, and what is told anew replaces what was', async () => {
  const rig = await openSite(plane, withClaims)
  try {
    const seen = async () => {
      const found = await rig.provider.abilities.inventory?.(rig.site, asLongAsItTakes)
      const node = found?.ok ? found.value.find(({ name }) => name === 'n2') : undefined
      return [node?.shape.accelerator, node?.shape.accelerators, node?.foreign?.accelerators ?? 0]
    }
    assert.deepEqual(await seen(), ['H100', 8, 0])
    await addNamespace(plane, 'strangers')
    await claimForOthers(plane, { namespace: 'strangers', node: 'n2', devices: ['gpu-0', 'gpu-1', 'gpu-2'] })
    assert.deepEqual(await seen(), ['H100', 8, 3])
    await plane.ask('DELETE', '/api/v1/namespaces/strangers')
    await until('they are free again', async () => (await seen())[2] === 0)
  } finally {
    await rig.close()
  }
})

test('what a site of ours in another namespace has claimed is not offered either', async () => {
  const [rig, other] = [await openSite(plane, withClaims), await openSite(plane, withClaims)]
  try {
    const takenAt = async ({ provider, site }: typeof rig) => {
      const found = await provider.abilities.inventory?.(site, asLongAsItTakes)
      return found?.ok ? found.value.reduce((sum, { foreign }) => sum + (foreign?.accelerators ?? 0), 0) : null
    }
    const order = rig.order()
    for (const rank of order.ranks) {
      rank.node = 'n2'
      rank.shape = { ...rank.shape, accelerators: 4 }
    }
    rig.script(order, [{ until: 'told' }])
    assert.deepEqual([await takenAt(rig), await takenAt(other)], [0, 0])
    assert.ok((await rig.provider.launch(order, asLongAsItTakes)).ok)
    await until('it has claimed them', async () => (await claimedIn(plane, rig.namespace)).flat().length === 4)
    assert.deepEqual([await takenAt(rig), await takenAt(other)], [0, 4])
  } finally {
    await rig.close()
    await other.close()
  }
})

test('an account that may not see such devices sees nodes without them, and works', async () => {
  const rig = await openSite(plane)
  try {
    const found = await rig.provider.abilities.inventory?.(rig.site, asLongAsItTakes)
    assert.deepEqual(found?.ok && found.value.map(({ shape }) => shape.accelerators), [0, 0, 0])
  } finally {
    await rig.close()
  }
})

test('a gang has RDMA and memory of other nodes as its spec asks, and its ComputeDomain goes with it', async (t) => {
  const house = await aHouse(t, plane, { rights: withClaims })
  const look = await house.submit(gang('accelerators: H100:4, sharedMemory: 512MB, network: [rdma, imex]'))
  await until(
    'it has asked for a ComputeDomain',
    async () => (await computeDomainsIn(plane, house.namespace)).length > 0,
  )
  const [domain] = await computeDomainsIn(plane, house.namespace)
  assert.ok(domain)
  assert.equal((await look()).state, 'starting')
  await answerComputeDomain(plane, house.namespace, domain)
  await until('it runs', async () => (await look()).state === 'running')
  const [pod] = await house.pods()
  const { containers = [], volumes = [] } = pod?.spec ?? {}
  const { 'rdma/ib': shared, 'vpc.amazonaws.com/efa': cards } = containers[0]?.resources.requests ?? {}
  assert.deepEqual([shared, cards], ['1', '16'])
  assert.deepEqual(containers[0]?.securityContext?.capabilities?.add, ['IPC_LOCK'])
  assert.equal(volumes.find(({ name }) => name === 'shared-memory')?.emptyDir?.sizeLimit, '512Mi')
  const claimed = (await claimedIn(plane, house.namespace)).flat()
  for (const node of ['n0', 'n1']) {
    assert.ok(claimed.includes(`compute-domain.nvidia.com ${node}`))
    assert.equal(claimed.filter((device) => device === `gpu.nvidia.com ${node}`).length, 4)
  }
  await house.end('0,0')
  await until('it has succeeded', async () => (await look()).state === 'succeeded')
  await until('nothing is left', async () => (await house.left()).length === 0)
  await until('nor its domain', async () => (await computeDomainsIn(plane, house.namespace)).length === 0)
})

test('a network that no node tells of keeps a site out, and why says so; one that is only preferred does not', async (t) => {
  const house = await aHouse(t, plane, { rights: withClaims })
  const three = gang('accelerators: H100:8, network: imex').replace('nodes: 2', 'nodes: 3')
  const required = await house.submit(three)
  await until('it is told', async () => /no offer can hold/.test((await required()).reason))
  const { id } = await required()
  const { json } = await ask(house.server, `GET /v1/workloads/${id}/why`)
  assert.match(JSON.stringify(json), /needs 3 nodes with 8 H100, connected by imex; there are 2 when all is free/)
  const blind = await aHouse(t, plane)
  const nowhere = await blind.submit(gang('network: imex'))
  await until('it is told, too', async () => (await nowhere()).state === 'queued' && (await nowhere()).reason !== '')
  const { json: why } = await ask(blind.server, `GET /v1/workloads/${(await nowhere()).id}/why`)
  assert.match(JSON.stringify(why), /it tells of no imex at its nodes, asked for imex/)
  const preferred = await house.submit(
    three.replace('imex', '{ imex: preferred, rdma: preferred }').replace('gang', 'b'),
  )
  await until('it runs', async () => (await preferred()).state === 'running')
  assert.deepEqual(await computeDomainsIn(plane, house.namespace), [])
})
