import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'

import { addAccount, addNamespace, addNodes } from '#rigs/kubernetes/cluster.ts'
import { type ControlPlane, startControlPlane } from '#rigs/kubernetes/control-plane.ts'
import { aDatabase } from '#rigs/postgres.ts'
import { aHome, aServer, ask } from '#rigs/server.ts'

// A whole house, whose only site is a real Kubernetes; what the pods do, KWOK plays.

let plane: ControlPlane

before(async () => {
  plane = await startControlPlane(console.error)
  await addNodes(
    plane,
    [0, 1, 2, 3].map((at) => ({
      name: `n${at}`,
      has: { 'nvidia.com/gpu': '8' },
      labels: { 'nvidia.com/gpu.product': 'NVIDIA-H100-80GB-HBM3' },
      taints: [{ key: 'gpu', value: 'yes', effect: 'NoSchedule' }],
    })),
  )
})
after(() => plane.stop())

type Pod = {
  metadata: { name: string; labels: Record<string, string> }
  spec: { nodeName?: string }
  status: { phase: string }
}

let houses = 0

async function aHouse(t: TestContext) {
  const namespace = `house-${houses++}`
  await addNamespace(plane, namespace)
  const token = await addAccount(plane, { name: 'isobar', namespace })
  const kubeconfig = plane.kubeconfigFor(namespace, { token })
  const home = aHome(t)
  const site = {
    provider: 'kubernetes',
    name: 'east',
    kubeconfig,
    namespace,
    image: 'rig',
    price: '$20/h',
    patience: '10s',
  }
  writeFileSync(join(home, 'sites.yaml'), JSON.stringify({ sites: [site] }))
  const server = await aServer(t, { home, url: await aDatabase(), port: 0 })
  const objects = async (kind: string): Promise<Pod[]> => {
    const group = kind === 'jobs' ? '/apis/batch/v1' : '/api/v1'
    return ((await plane.ask('GET', `${group}/namespaces/${namespace}/${kind}`)) as { items: Pod[] }).items
  }
  return {
    server,
    namespace,
    async submit(text: string) {
      const { json } = await ask(server, 'POST /v1/workloads', { text })
      const { id } = json.workloads[0]
      return async () => (await ask(server, `GET /v1/workloads/${id}`)).json
    },
    pods: () => objects('pods'),
    /** Says of all pods how they end. */
    async end(exits: string) {
      for (const { metadata } of await objects('pods'))
        await plane.ask('PATCH', `/api/v1/namespaces/${namespace}/pods/${metadata.name}`, {
          metadata: { annotations: { 'rig.isobar.test/exits': exits } },
        })
    },
    /** All that is there of ours. */
    async left() {
      const all = await Promise.all(['jobs', 'pods', 'secrets', 'services'].map(objects))
      return all.flat().map(({ metadata }) => metadata.name)
    },
  }
}

const gang = `kind: job
name: gang
nodes: 2
resources: { cpus: 2, memory: 1GB, accelerators: H100:8 }
checkpoint: { grace: 1s }
placement: { tolerations: ['gpu=yes:NoSchedule'] }
env: { COLOUR: blue }
run: train
`

test('a gang runs on the nodes that were chosen, ends as its pods do, and leaves nothing', async (t) => {
  const house = await aHouse(t)
  const look = await house.submit(gang)
  await until('it runs', async () => (await look()).state === 'running')
  const pods = await house.pods()
  assert.equal(new Set(pods.map(({ spec }) => spec.nodeName)).size, 2)
  await house.end('0,0')
  await until('it has succeeded', async () => (await look()).state === 'succeeded')
  await until('nothing is left', async () => (await house.left()).length === 0)
})

test('a gang fails with the code of the rank that failed', async (t) => {
  const house = await aHouse(t)
  const look = await house.submit(gang)
  await until('it runs', async () => (await look()).state === 'running')
  await house.end('0,7')
  await until('it has failed', async () => (await look()).state === 'failed')
  assert.equal((await look()).exitCode, 7)
  await until('nothing is left', async () => (await house.left()).length === 0)
})

test('a gang that lost a node comes up again on others, and the old one is gone', async (t) => {
  const house = await aHouse(t)
  const look = await house.submit(gang)
  await until('it runs', async () => (await look()).state === 'running')
  const [pod] = await house.pods()
  const node = `/api/v1/nodes/${pod?.spec.nodeName}`
  await plane.ask('PATCH', node, { metadata: { annotations: { 'rig.isobar.test/down': 'true' } } })
  await until('a second attempt runs', async () => {
    const { state, attemptList } = await look()
    return state === 'running' && attemptList.length === 2
  })
  assert.ok(
    (await house.pods()).every(
      ({ spec, metadata }) =>
        metadata.labels['isobar.dev/attempt'] !== '2' || `/api/v1/nodes/${spec.nodeName}` !== node,
    ),
  )
  await plane.ask('PATCH', node, { metadata: { annotations: { 'rig.isobar.test/down': null } } })
})

async function until(what: string, condition: () => Promise<boolean>): Promise<void> {
  for (const deadline = performance.now() + 90_000; !(await condition()); await sleep(100))
    if (performance.now() > deadline) assert.fail(`waited in vain: ${what}`)
}
