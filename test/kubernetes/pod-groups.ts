import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'

import { asLongAsItTakes } from '#providers/conformance-looks.ts'
import { addNodes } from '#rigs/kubernetes/cluster.ts'
import { type ControlPlane, startControlPlane } from '#rigs/kubernetes/control-plane.ts'
import { aHouse, until } from '#rigs/kubernetes/house.ts'
import { openSite } from '#rigs/kubernetes/site.ts'

// A whole house on a cluster whose scheduler knows gangs (alpha in 1.36).

let plane: ControlPlane

before(async () => {
  plane = await startControlPlane(console.error, { gangs: true })
  await addNodes(
    plane,
    [0, 1, 2].map((at) => ({ name: `n${at}` })),
  )
})
after(() => plane.stop())

const groups = async (namespace: string) => {
  const path = `/apis/scheduling.k8s.io/v1alpha2/namespaces/${namespace}/podgroups`
  const { items } = (await plane.ask('GET', path)) as { items: Group[] }
  return items.map(({ spec }) => spec.schedulingPolicy.gang.minCount)
}
type Group = { spec: { schedulingPolicy: { gang: { minCount: number } } } }

const rollouts = `kind: job
name: rollouts
checkpoint: { grace: 1s }
run: work
roles:
  - { name: head, resources: { cpus: 1, memory: 1GB } }
  - { name: worker, nodes: 2, resources: { cpus: 12, memory: 2GB } }
`

test('all roles of a gang are one group, which goes with it', async (t) => {
  const house = await aHouse(t, plane)
  const look = await house.submit(rollouts)
  await until('it runs', async () => (await look()).state === 'running')
  assert.deepEqual(await groups(house.namespace), [3])
  await house.end('0,0,0')
  await until('it has succeeded', async () => (await look()).state === 'succeeded')
  await until('nothing is left', async () => (await house.left()).length === 0)
  await until('nor the group', async () => (await groups(house.namespace)).length === 0)
})

test('a gang of which one pod finds no room does not hold any, until there is room for all', async () => {
  const rig = await openSite(plane)
  try {
    const strangers = `/api/v1/namespaces/${rig.site}/pods`
    const containers = [{ name: 'c', image: 'rig', resources: { requests: { cpu: '8' } } }]
    await plane.ask('POST', strangers, {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'stranger' },
      spec: { nodeName: 'n1', terminationGracePeriodSeconds: 0, containers },
    })
    const asked = rig.order({ ranks: 3 })
    const order = {
      ...asked,
      ranks: asked.ranks.map((rank, at) => ({ ...rank, node: `n${at}`, shape: { ...rank.shape, cpuMilli: 12_000 } })),
    }
    assert.ok((await rig.provider.launch(order, asLongAsItTakes)).ok)
    const ranks = async () => {
      const seen = await rig.provider.get(order, asLongAsItTakes)
      return (seen.ok && seen.value?.ranks) || []
    }
    await until('all say why they wait', async () =>
      (await ranks()).every(({ state, cause }) => state === 'expected' && cause?.kind === 'unschedulable'),
    )
    const { items } = (await plane.ask('GET', strangers)) as { items: { spec: { nodeName?: string } }[] }
    assert.deepEqual(
      items.flatMap(({ spec }) => spec.nodeName ?? []),
      ['n1'],
    )
    await plane.ask('DELETE', `${strangers}/stranger`)
    await until('all run', async () => (await ranks()).every(({ state }) => state === 'running'))
  } finally {
    await rig.close()
  }
})
