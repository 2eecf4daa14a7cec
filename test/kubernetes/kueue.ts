import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'

import { addNodes } from '#rigs/kubernetes/cluster.ts'
import { type ControlPlane, startControlPlane } from '#rigs/kubernetes/control-plane.ts'
import { defineKueue } from '#rigs/kubernetes/definitions.ts'
import type { Outcome } from '#model/fault.ts'
import { asLongAsItTakes } from '#providers/conformance-looks.ts'
import { aHouse, until } from '#rigs/kubernetes/house.ts'
import { playKueue } from '#rigs/kubernetes/kueue.ts'
import { ask } from '#rigs/server.ts'
import { openSite } from '#rigs/kubernetes/site.ts'

// A whole house as a guest of Kueue: a real API server checks the objects, and the test plays Kueue's controller.

const gang = `kind: job
name: gang
nodes: 2
resources: { cpus: 2, memory: 1GB }
checkpoint: { grace: 1s }
run: train
`

let plane: ControlPlane
let version: Awaited<ReturnType<typeof defineKueue>>

/** The Job of an attempt, once it stands in the queue. */
async function jobOf(kueue: ReturnType<typeof playKueue>, attempt: number) {
  const jobs = async () =>
    (await kueue.queued('team')).filter(({ metadata }) => metadata.labels['isobar.dev/attempt'] === String(attempt))
  await until(`the Job of attempt ${attempt} stands in line`, async () => (await jobs()).length === 1)
  const [job] = await jobs()
  return job ?? assert.fail()
}

const addQueue = (namespace: string) =>
  plane.ask('POST', `/apis/kueue.x-k8s.io/${version}/namespaces/${namespace}/localqueues`, {
    apiVersion: `kueue.x-k8s.io/${version}`,
    kind: 'LocalQueue',
    metadata: { name: 'team' },
    spec: { clusterQueue: 'all' },
  })

before(async () => {
  plane = await startControlPlane(console.error)
  await addNodes(
    plane,
    [0, 1].map((at) => ({ name: `n${at}` })),
  )
  version = await defineKueue(plane, ['localqueues', 'workloads'])
})
after(() => plane?.stop())

test('a gang waits for its admission, says what Kueue says, and runs when it is let go', async (t) => {
  const house = await aHouse(t, plane, { queue: 'team', queuePriority: 'urgent', queueTopology: 'rack' })
  await addQueue(house.namespace)
  const kueue = playKueue(plane, house.namespace, version)
  const look = await house.submit(gang)
  const job = await jobOf(kueue, 1)
  assert.deepEqual([job.spec.suspend, job.metadata.labels['kueue.x-k8s.io/priority-class']], [true, 'urgent'])
  await kueue.keepWaiting(job, 'insufficient unused quota for cpu in flavor default, 1 more needed')
  await until('it says why it waits', async () =>
    /stands in line there \(Kueue: insufficient/.test((await look()).reason),
  )
  assert.deepEqual([(await look()).state, (await house.pods()).length], ['starting', 0])
  // Kueue tells times in whole seconds.
  const admittedAt = new Date(Math.floor(Date.now() / 1000) * 1000).toISOString()
  await kueue.admit(job)
  await until('it runs', async () => (await look()).state === 'running')
  const [pod] = await house.pods()
  assert.equal(pod?.metadata.annotations['kueue.x-k8s.io/podset-preferred-topology'], 'rack')
  await house.end('0,0')
  await until('it has succeeded', async () => (await look()).state === 'succeeded')
  await until('nothing is left', async () => (await house.left()).length === 0)
  const { id } = await look()
  const cost = async (part = '') =>
    BigInt((await ask(house.server, `GET /v1/cost?workload=${id}${part}`)).json.total.micros)
  await until('it is billed', async () => (await cost()) > 0n)
  assert.equal(await cost(`&to=${admittedAt}`), 0n, 'before it was admitted it held nothing')
})

test('a gang whose quota Kueue takes back is lost, not failed, and never started twice', async (t) => {
  const house = await aHouse(t, plane, { queue: 'team' })
  await addQueue(house.namespace)
  const kueue = playKueue(plane, house.namespace, version)
  const look = await house.submit(gang)
  const job = await jobOf(kueue, 1)
  await kueue.keepWaiting(job, 'first come, first served')
  await kueue.admit(job)
  await until('it runs', async () => (await look()).state === 'running')
  await kueue.evict(job, 'Preempted', 'Preempted to accommodate a workload of somebody else')
  const next = await jobOf(kueue, 2)
  await kueue.keepWaiting(next, 'waits for who came before')
  const { state, attemptList } = await look()
  const first = attemptList.find(({ number }: { number: number }) => number === 1)
  assert.notEqual(state, 'failed')
  assert.match(first.reason, /preempted there \(Kueue: Preempted to accommodate/)
  assert.equal(first.exitCode, null)
  assert.ok((await house.pods()).every(({ metadata }) => metadata.labels['isobar.dev/attempt'] === '2'))
  await kueue.admit(next)
  await until('it runs again', async () => (await look()).state === 'running')
  await house.end('0,0')
  await until('it has succeeded', async () => (await look()).state === 'succeeded')
  await until('nothing is left', async () => (await house.left()).length === 0)
})

test('a queue that is not there is told, and nothing is made', async (t) => {
  const house = await aHouse(t, plane, { queue: 'taem' })
  const look = await house.submit(gang)
  await until('it was refused', async () => (await look()).attemptList[0]?.state === 'refused')
  assert.match((await look()).attemptList[0].reason, /has no LocalQueue taem; correct `queue` of the site,/)
  assert.deepEqual(await house.left(), [])
})

test('what Kueue says is told of as it says it, and no end that it brought about looks like one of its own', async (t) => {
  const rig = await openSite(plane, { queue: true }, { queue: 'team' })
  t.after(() => rig.close())
  const { provider, site, namespace } = rig
  await addQueue(namespace)
  const kueue = playKueue(plane, namespace, version)
  const order = rig.order()
  rig.script(order, [{ until: 'told' }])
  assert.ok((await provider.launch(order, asLongAsItTakes)).ok)
  const [job] = await kueue.queued('team')
  assert.ok(job)
  const rank = async () => {
    const seen = await provider.list(site, asLongAsItTakes)
    return seen.ok ? seen.value[0]?.ranks[0] : assert.fail(seen.fault.detail)
  }
  /** Looks whenever it is told of something, until that is so. */
  const told = async (isSo: (seen: Awaited<ReturnType<typeof rank>>) => boolean) => {
    for (let mark: string | null = null; ;) {
      const next: Outcome<string> | undefined = await provider.abilities.watch?.(site, mark, asLongAsItTakes)
      if (!next?.ok) return assert.fail(next?.fault.detail)
      mark = next.value
      const seen = await rank()
      assert.notEqual(seen?.state, 'exited')
      if (isSo(seen)) return
    }
  }
  const waits = told((seen) => /1 more needed/.test(seen?.cause?.detail ?? ''))
  await kueue.keepWaiting(job, 'insufficient unused quota for cpu, 1 more needed')
  await waits
  const runs = told((seen) => seen?.state === 'running')
  await kueue.admit(job)
  await runs
  const leaves = told((seen) => seen?.state === 'lost' && seen.cause?.kind === 'preempted')
  await kueue.evict(job, 'Preempted', 'Preempted to accommodate a workload of somebody else')
  await leaves
})
