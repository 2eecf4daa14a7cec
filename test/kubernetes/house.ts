import assert from 'node:assert/strict'
import { after, before, test, type TestContext } from 'node:test'

import { addNodes } from '#rigs/kubernetes/cluster.ts'
import { type ControlPlane, startControlPlane } from '#rigs/kubernetes/control-plane.ts'
import { aHouse, until } from '#rigs/kubernetes/house.ts'
import { ask } from '#rigs/server.ts'

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

const gang = `kind: job
name: gang
nodes: 2
resources: { cpus: 2, memory: 1GB, accelerators: H100:8 }
checkpoint: { grace: 1s }
placement: { tolerations: ['gpu=yes:NoSchedule'] }
env: { COLOUR: blue }
run: train
`

type Attempt = { number: number; state: string; reason: string; site: string }
const none: Attempt = { number: 0, state: '', reason: '', site: '' }
const attempt = ({ attemptList }: { attemptList: Attempt[] }, number: number): Attempt =>
  attemptList.find((one) => one.number === number) ?? none

test('a gang runs on the nodes that were chosen, ends as its pods do, and leaves nothing', async (t) => {
  const house = await aHouse(t, plane)
  const look = await house.submit(gang)
  await until('it runs', async () => (await look()).state === 'running')
  const pods = await house.pods()
  assert.equal(new Set(pods.map(({ spec }) => spec.nodeName)).size, 2)
  await house.end('0,0')
  await until('it has succeeded', async () => (await look()).state === 'succeeded')
  await until('nothing is left', async () => (await house.left()).length === 0)
})

test('a gang fails with the code of the rank that failed', async (t) => {
  const house = await aHouse(t, plane)
  const look = await house.submit(gang)
  await until('it runs', async () => (await look()).state === 'running')
  await house.end('0,7')
  await until('it has failed', async () => (await look()).state === 'failed')
  assert.equal((await look()).exitCode, 7)
  await until('nothing is left', async () => (await house.left()).length === 0)
})

test('a gang whose pods the cluster does not let in says why, and what helps', async (t) => {
  const house = await aHouse(t, plane)
  const path = `/api/v1/namespaces/${house.namespace}/resourcequotas`
  await plane.ask('POST', path, { metadata: { name: 'gpus' }, spec: { hard: { 'requests.nvidia.com/gpu': '8' } } })
  const look = await house.submit(gang)
  await until('it is told', async () => /exceeded quota/.test((await look()).reason))
  const { reason } = await look()
  assert.match(
    reason,
    /rank \d does not start on kubernetes\/east: what it may use there is used up \(exceeded quota: gpus,/,
  )
  assert.match(reason, /; wait, ask for less, or for another site$/)
  await plane.ask('DELETE', `${path}/gpus`)
  await until('it runs after all', async () => (await look()).state === 'running')
  await house.end('0,0')
  await until('it has succeeded', async () => (await look()).state === 'succeeded')
  await until('nothing is left', async () => (await house.left()).length === 0)
})

test('a gang whose node is said to go soon has its grace, and comes up again on others', async (t) => {
  const house = await aHouse(t, plane)
  const look = await house.submit(gang)
  await until('it runs', async () => (await look()).state === 'running')
  const [pod] = await house.pods()
  const node = pod?.spec.nodeName
  const path = `/api/v1/nodes/${node}`
  const gpu = { key: 'gpu', value: 'yes', effect: 'NoSchedule' }
  const key = 'cloud.google.com/impending-node-termination'
  t.after(() => plane.ask('PATCH', path, { spec: { taints: [gpu] } }))
  await plane.ask('PATCH', path, { spec: { taints: [gpu, { key, effect: 'NoSchedule' }] } })
  await until('a second attempt runs', async () => {
    const { state, attemptList } = await look()
    return state === 'running' && attemptList.length === 2
  })
  const first = attempt(await look(), 1)
  assert.equal(first.state, 'stopped', 'nothing was lost: it was told to end')
  assert.ok(first.reason.endsWith(`it was preempted there (taint ${key}); kubectl describe node ${node}`), first.reason)
  const anew = (await house.pods()).filter(({ metadata }) => metadata.labels['isobar.dev/attempt'] === '2')
  assert.deepEqual([anew.length, anew.some(({ spec }) => spec.nodeName === node)], [2, false])
  await house.end('0,0')
  await until('it has succeeded', async () => (await look()).state === 'succeeded')
  await until('nothing is left', async () => (await house.left()).length === 0)
})

/** A pod of somebody else, until the test ends. */
async function aStranger(t: TestContext, namespace: string, spec: object) {
  const pods = `/api/v1/namespaces/${namespace}/pods`
  t.after(() => plane.ask('DELETE', `${pods}/stranger`))
  await plane.ask('POST', pods, {
    metadata: { name: 'stranger', labels: { app: 'stranger' } },
    spec: {
      terminationGracePeriodSeconds: 0,
      tolerations: [{ operator: 'Exists' }],
      containers: [{ name: 'c', image: 'rig' }],
      ...spec,
    },
  })
}

test('a gang of which not every pod comes up in time is withdrawn whole, with what the scheduler counted', async (t) => {
  const house = await aHouse(t, plane, { upWithin: '15s' })
  // It wants to be alone on its node: no inventory tells that, only the scheduler.
  const alone = { topologyKey: 'kubernetes.io/hostname', labelSelector: {} }
  const affinity = { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [alone] } }
  await aStranger(t, house.namespace, { nodeName: 'n2', affinity })
  const look = await house.submit(gang.replace('nodes: 2', 'nodes: 4'))
  const ofGang = async () => (await house.pods()).filter(({ metadata }) => metadata.name !== 'stranger')
  await until(
    'the others run',
    async () => (await ofGang()).filter(({ status }) => status.phase === 'Running').length === 3,
  )
  await until('it is withdrawn', async () => attempt(await look(), 1).state === 'refused')
  const { reason } = attempt(await look(), 1)
  assert.match(
    reason,
    /^not all nodes were up after 15 s on kubernetes\/east; rank \d: nothing there takes it \(0\/4 nodes are available: /,
  )
  assert.match(
    reason,
    /1 node\(s\) didn't satisfy existing pods anti-affinity rules.*\); ask for less, or for another site$/,
  )
  await until('nothing is left', async () => (await house.left()).join() === 'stranger')
  assert.equal((await look()).state, 'queued')
})

test('a gang that the scheduler preempts for a higher class has not failed: it comes up again elsewhere', async (t) => {
  const house = await aHouse(t, plane)
  const classes = '/apis/scheduling.k8s.io/v1/priorityclasses'
  t.after(() => plane.ask('DELETE', `${classes}/urgent`))
  await plane.ask('POST', classes, { metadata: { name: 'urgent' }, value: 1000 })
  const look = await house.submit(gang)
  await until('it runs', async () => (await look()).state === 'running')
  const [pod] = await house.pods()
  const node = pod?.spec.nodeName
  // As long as a program takes to save what it has: so it is seen to go.
  await plane.ask('PATCH', `/api/v1/namespaces/${house.namespace}/pods/${pod?.metadata.name}`, {
    metadata: { annotations: { 'rig.isobar.test/stops-after': '2s' } },
  })
  const resources = { limits: { 'nvidia.com/gpu': '8' } }
  await aStranger(t, house.namespace, {
    priorityClassName: 'urgent',
    nodeSelector: { 'kubernetes.io/hostname': node },
    containers: [{ name: 'c', image: 'rig', resources }],
  })
  await until('a second attempt runs', async () => {
    const { state, attemptList } = await look()
    return state === 'running' && attemptList.length === 2
  })
  const first = attempt(await look(), 1)
  // Told to end for its notice, if that is seen before it has ended.
  assert.match(first.state, /^(lost|stopped)$/)
  assert.match(first.reason, /: it was preempted there \(.*preempting to accommodate a higher priority pod\)$/)
  const anew = (await house.pods()).filter(({ metadata }) => metadata.labels['isobar.dev/attempt'] === '2')
  assert.deepEqual([anew.length, anew.some(({ spec }) => spec.nodeName === node)], [2, false])
  await house.end('0,0')
  await until('it has succeeded', async () => (await look()).state === 'succeeded')
  await until('nothing is left', async () => (await house.left()).join() === 'stranger')
})

const onCpu = (name: string, more = '') => `kind: job
name: ${name}
resources: { cpus: 1, memory: 64MB }
checkpoint: { grace: 1s }
placement: { tolerations: ['gpu=yes:NoSchedule']${more} }
run: 'true'
`
const far = { provider: 'local', name: 'far', price: '$999/h', shape: { cpus: 1, memory: '256MB' } }

type House = Awaited<ReturnType<typeof aHouse>>
const bindings = ({ namespace }: House) => `/apis/rbac.authorization.k8s.io/v1/namespaces/${namespace}/rolebindings`
const denials: [what: string, refused: RegExp, take: (house: House) => unknown, giveBack: (house: House) => unknown][] =
  [
    [
      'token does not hold any more',
      /401 Unauthorized/,
      (house) => house.identify('nobody'),
      (house) => house.identify(house.token),
    ],
    [
      'rights were taken',
      /403 Forbidden: .*cannot list resource/,
      (house) => plane.ask('DELETE', `${bindings(house)}/isobar`),
      ({ namespace, ...house }) =>
        plane.ask('POST', bindings({ namespace, ...house }), {
          metadata: { name: 'isobar' },
          subjects: [{ kind: 'ServiceAccount', name: 'isobar', namespace }],
          roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'isobar' },
        }),
    ],
  ]
for (const [what, refused, take, giveBack] of denials)
  test(`a site where our ${what} gets no new work, which goes elsewhere, and says so; what runs there goes on`, async (t) => {
    const house = await aHouse(t, plane, { others: [far] })
    const first = await house.submit(onCpu('first'))
    await until('it runs', async () => (await first()).state === 'running')
    await take(house)
    const site = async () => (await ask(house.server, 'GET /v1/sites/kubernetes/east')).json
    await until('it is denied', async () => (await site()).reach === 'denied')
    assert.match((await site()).detail, refused)
    await until('what runs there says so', async () =>
      /^kubernetes\/east refuses our credential since .*; what runs there is left alone$/.test((await first()).reason),
    )
    const [other, pinned] = [
      await house.submit(onCpu('other')),
      await house.submit(onCpu('pinned', ', sites: [kubernetes/east]')),
    ]
    await until('it went elsewhere', async () => (await other()).state === 'succeeded')
    assert.equal(attempt(await other(), 1).site, 'local/far')
    await until('it waits, and says for what', async () =>
      /refuses our credential: 40[13] /.test((await pinned()).reason),
    )
    assert.deepEqual([(await pinned()).state, (await first()).attemptList.length], ['queued', 1])
    await giveBack(house)
    await until('both run there', async () =>
      [await first(), await pinned()].every(({ state, reason }) => state === 'running' && reason === ''),
    )
    await house.end('0')
    await until('both have succeeded', async () =>
      [await first(), await pinned()].every(({ state }) => state === 'succeeded'),
    )
    await until('nothing is left', async () => (await house.left()).length === 0)
  })

test('a gang whose end others hold up says for whom it waits, and is gone once they let go', async (t) => {
  const house = await aHouse(t, plane)
  const look = await house.submit(gang)
  await until('it runs', async () => (await look()).state === 'running')
  const name = (await house.left()).find((one) => /^isobar-l-[a-z0-9]+$/.test(one))
  const secret = `/api/v1/namespaces/${house.namespace}/secrets/${name}`
  await plane.ask('PATCH', secret, { metadata: { finalizers: ['stranger.example/hold'] } })
  await house.end('0,0')
  const told = async () => {
    const { json } = await ask(house.server, 'GET /v1/events')
    return (json.items as { type: string; message: string }[]).find(({ type }) => type === 'lease.stuck')?.message
  }
  await until('it is told', async () => (await told()) !== undefined)
  const held =
    /: secret isobar-\S+ is deleted, and waits for stranger\.example\/hold, which others set; next: kubectl -n /
  assert.match((await told()) ?? '', held)
  assert.deepEqual(await house.left(), [name, name], 'its Secret, and the Job that waits for that')
  await plane.ask('PATCH', secret, { metadata: { finalizers: null } })
  await until('nothing is left', async () => (await house.left()).length === 0)
})

test('a gang that lost a node comes up again on others, and the old one is gone', async (t) => {
  const house = await aHouse(t, plane)
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

test('a head with more memory than any node with accelerators stands on another, and its workers on these', async (t) => {
  await addNodes(plane, [{ name: 'm0', has: { memory: '512Gi' } }])
  t.after(() => plane.ask('DELETE', '/api/v1/nodes/m0'))
  const house = await aHouse(t, plane)
  const look = await house.submit(`${gang.replace('nodes: 2\n', '')}roles:
  - { name: head, resources: { cpus: 1, memory: 256GB } }
  - { name: worker, nodes: 2 }
`)
  await until('it runs', async () => (await look()).state === 'running')
  const pods = await house.pods()
  const [head, ...workers] = pods
    .map(({ spec: { nodeName = '', containers } }) => [nodeName, containers[0]?.resources.requests['nvidia.com/gpu']])
    .sort()
  assert.deepEqual(head, ['m0', undefined])
  assert.deepEqual(
    workers.map(([node = '', gpus]) => [node[0], gpus]),
    [
      ['n', '8'],
      ['n', '8'],
    ],
  )
  // Half of a node for the head, and two whole ones.
  assert.equal((await look()).attemptList[0]?.pricePerHour.text, '$50.00')
  await house.end('0,0,0')
  await until('it has succeeded', async () => (await look()).state === 'succeeded')
  await until('nothing is left', async () => (await house.left()).length === 0)
})
