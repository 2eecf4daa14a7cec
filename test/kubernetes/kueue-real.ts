import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'

import { asLongAsItTakes, valueOf } from '#providers/conformance-looks.ts'
import { mostNodes } from '#providers/kubernetes/groups.ts'
import { paths } from '#providers/kubernetes/names.ts'
import { addNodes } from '#rigs/kubernetes/cluster.ts'
import { type ControlPlane, startControlPlane } from '#rigs/kubernetes/control-plane.ts'
import { aHouse, until } from '#rigs/kubernetes/house.ts'
import { addPriorities, addQuota, jobsOnly, startKueue, workloadsIn } from '#rigs/kubernetes/kueue-controller.ts'
import { openSite } from '#rigs/kubernetes/site.ts'
import { ask } from '#rigs/server.ts'

// A whole house as a guest of the real Kueue (0.8, which serves v1beta1), with its webhooks.

const gang = (name: string) => `kind: job
name: ${name}
nodes: 2
resources: { cpus: 2, memory: 1GB }
checkpoint: { grace: 1s }
run: train
`

let plane: ControlPlane
let kueue: Awaited<ReturnType<typeof startKueue>>

before(async () => {
  plane = await startControlPlane(console.error)
  kueue = await startKueue(plane, console.error)
  await addNodes(
    plane,
    Array.from({ length: mostNodes + 10 }, (_, at) => ({ name: `n${at}` })),
  )
  await addPriorities(plane, { high: 100, low: 1 })
})
after(async () => {
  await kueue?.stop()
  await plane?.stop()
})

type House = Awaited<ReturnType<typeof aHouse>>

const stateOf = async (look: () => Promise<{ state: string }>) => (await look()).state

/** Nothing of ours is left, and nothing of Kueue's for it. */
const isEmpty = async ({ left, namespace }: House): Promise<boolean> =>
  (await left()).length === 0 && (await workloadsIn(plane, namespace)).length === 0

test('a gang is admitted by the real Kueue, another waits for its quota and is let in when it frees: why tells both quotas', async (t) => {
  const house = await aHouse(t, plane, { queue: 'team' })
  await addQuota(plane, { namespace: house.namespace, queue: 'team', cpus: 6 })
  const set = await ask(house.server, 'PUT /v1/projects/default', { quota: { nodes: 4 } })
  assert.equal(set.status, 200)
  const first = await house.submit(gang('first'))
  await until('the first runs', async () => (await stateOf(first)) === 'running')
  const second = await house.submit(gang('second'))
  const third = await house.submit(gang('third'))
  const whyOf = async (look: typeof first) =>
    (await ask(house.server, `GET /v1/workloads/${(await look()).id}/why`)).json.text as string
  await until("it waits for Kueue's quota", async () => /Kueue: .*insufficient/.test(await whyOf(second)))
  assert.match(
    await whyOf(second),
    /Kueue: couldn't assign flavors .* insufficient unused quota for cpu .* 2 more needed/,
  )
  assert.match(await whyOf(third), /project default may hold 4 and holds 4/)
  assert.equal((await house.pods()).length, 2)
  await house.end('0,0')
  await until('the first has succeeded', async () => (await stateOf(first)) === 'succeeded')
  await until('the second is let in', async () => (await stateOf(second)) === 'running')
  await until("the third has Isobar's quota and waits for Kueue's", async () => /Kueue: /.test(await whyOf(third)))
  await house.end('0,0')
  await until('the third is let in', async () => (await stateOf(third)) === 'running')
  await house.end('0,0')
  await until('all has succeeded', async () => (await stateOf(third)) === 'succeeded')
  await until('nothing is left', () => isEmpty(house))
})

test('a gang of lower priority leaves for one of higher, is told why, and runs again after it', async (t) => {
  const house = await aHouse(t, plane, {
    queue: 'team',
    queuePriority: 'low',
  })
  await addQuota(plane, { namespace: house.namespace, queue: 'team', cpus: 4 })
  const low = await house.submit(gang('low'))
  await until('it runs', async () => (await stateOf(low)) === 'running')
  await addJob(house.namespace, 'stranger')
  await until('it has lost its place', async () => (await attemptOf(low, 1))?.state === 'lost')
  const { reason = '', exitCode } = (await attemptOf(low, 1)) ?? {}
  assert.match(reason, /preempted there \(Kueue: Preempted to accommodate a workload .*\); .*queuePriority/)
  assert.equal(exitCode, null)
  await until('it stands in line again', () => waits(low))
  await removeJob(house.namespace, 'stranger')
  await until('it runs again', async () => (await stateOf(low)) === 'running')
  await house.end('0,0')
  await until('it has succeeded', async () => (await stateOf(low)) === 'succeeded')
  await until('nothing is left', () => isEmpty(house))
})

const rollouts = `kind: job
name: rollouts
checkpoint: { grace: 1s }
run: work
roles:
  - { name: head, resources: { cpus: 1, memory: 1GB } }
  - { name: worker, nodes: 2, resources: { cpus: 2, memory: 2GB } }
`

test('roles of several sizes are admitted as one, or none of them; they leave as one, and none is left', async (t) => {
  const house = await aHouse(t, plane, { queue: 'team', queuePriority: 'low' })
  const { namespace } = house
  await addQuota(plane, { namespace, queue: 'team', cpus: 5 })
  await addJob(namespace, 'stranger')
  await until('a stranger has some of the quota', async () => (await house.pods()).length === 1)
  const gated = async () =>
    (await house.pods()).filter(({ spec }) => spec.schedulingGates?.some(({ name }) => name.startsWith('kueue')))
  const stopped = await house.submit(rollouts)
  await until('it waits', () => waits(stopped))
  assert.equal((await gated()).length, 3, 'none of them starts')
  await ask(house.server, `POST /v1/workloads/${(await stopped()).id}/stop`)
  await until('of what never started nothing is left', async () => (await house.pods()).length === 1)
  const look = await house.submit(rollouts)
  await until('it waits', () => waits(look))
  await removeJob(namespace, 'stranger')
  await until('it runs', async () => (await stateOf(look)) === 'running')
  const pods = await house.pods()
  const sizes = pods.map(({ metadata, spec }) => [
    metadata.labels['batch.kubernetes.io/job-completion-index'],
    spec.containers[0]?.resources.requests['cpu'],
  ])
  assert.deepEqual(sizes.sort(), [
    ['0', '1'],
    ['1', '2'],
    ['2', '2'],
  ])
  await addJob(namespace, 'again')
  await until('it has lost its place', async () => (await attemptOf(look, 1))?.state === 'lost')
  assert.match((await attemptOf(look, 1))?.reason ?? '', /preempted there \(Kueue: Preempted to accommodate/)
  await until('it stands in line again', () => waits(look))
  await removeJob(namespace, 'again')
  await until('it runs again', async () => (await stateOf(look)) === 'running')
  await house.end('0,0,0')
  await until('it has succeeded', async () => (await stateOf(look)) === 'succeeded')
  await until('nothing is left', () => isEmpty(house))
})

test('where Kueue leaves pods alone, roles of several sizes are refused, and nothing is made', async (t) => {
  const house = await aHouse(t, plane, { queue: 'team' })
  await plane.ask('PATCH', `/api/v1/namespaces/${house.namespace}`, { metadata: { labels: { [jobsOnly]: 'true' } } })
  await addQuota(plane, { namespace: house.namespace, queue: 'team', cpus: 5 })
  const look = await house.submit(rollouts)
  await until('it was refused', async () => (await attemptOf(look, 1))?.state === 'refused')
  assert.match(
    (await attemptOf(look, 1))?.reason ?? '',
    /as pods of one group: Kueue leaves pods alone there; add `pod` to integrations\.frameworks/,
  )
  assert.deepEqual(await house.left(), [])
})

test('a gang on many nodes stands in line as one, and each of its pods names one node', async (t) => {
  const count = mostNodes + 6
  const rig = await openSite(plane, { queue: true }, { queue: 'team' })
  t.after(rig.close)
  const { provider, namespace, script } = rig
  await addQuota(plane, { namespace, queue: 'team', cpus: count })
  const order = rig.order({ ranks: count })
  const asked = { ...order, ranks: order.ranks.map((rank) => ({ ...rank, node: `n${rank.rank}` })) }
  const last = count - 1
  script(
    asked,
    asked.ranks.map(({ rank }) => ({ until: rank === last ? 7 : 'told' })),
  )
  const handle = valueOf(await provider.launch(asked, t.signal))
  await plane.waitFor('all to run but the last, which has ended', async () => {
    const seen = valueOf(await provider.get(handle, t.signal))
    assert.deepEqual(
      seen?.ranks.map(({ state, exitCode, node }) => `${state} ${exitCode} ${node}`),
      asked.ranks.map(({ rank, node }) => (rank === last ? `exited 7 ${node}` : `running null ${node}`)),
    )
  })
  const { items } = (await plane.ask('GET', paths.pods(namespace))) as { items: object[] }
  for (const pod of items) assert.equal(JSON.stringify(pod).match(/metadata\.name/g)?.length, 1)
  assert.deepEqual(valueOf(await provider.launch(asked, t.signal)), handle, 'it is not made a second time')
  await plane.waitFor('its end', async () =>
    assert.equal(valueOf(await provider.retire(handle, 1000, asLongAsItTakes)), 'gone'),
  )
  assert.deepEqual(await workloadsIn(plane, namespace), [])
})

const waits = async (look: () => Promise<{ reason: string }>) =>
  /stands in line there \(Kueue: .*insufficient/.test((await look()).reason)

const attemptOf = async (look: () => Promise<{ attemptList: Attempt[] }>, number: number) =>
  (await look()).attemptList.find((one) => one.number === number)
type Attempt = { number: number; state: string; reason: string; exitCode: number | null }

const removeJob = (namespace: string, name: string) =>
  plane.ask('DELETE', `/apis/batch/v1/namespaces/${namespace}/jobs/${name}?propagationPolicy=Background`)

/** Somebody else's work in the same queue, which outranks ours. */
const addJob = (namespace: string, name: string) =>
  plane.ask('POST', `/apis/batch/v1/namespaces/${namespace}/jobs`, {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: {
      name,
      labels: { 'kueue.x-k8s.io/queue-name': 'team', 'kueue.x-k8s.io/priority-class': 'high' },
    },
    spec: {
      suspend: true,
      template: {
        spec: {
          restartPolicy: 'Never',
          containers: [{ name: 'main', image: 'rig', resources: { requests: { cpu: '3' } } }],
        },
      },
    },
  })
