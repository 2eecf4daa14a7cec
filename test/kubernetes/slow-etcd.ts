import assert from 'node:assert/strict'
import { after, before, beforeEach, test, type TestContext } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'

import { handleOf } from '#providers/conformance-looks.ts'
import { type FaultProxy, openFaultProxy } from '#rigs/fault-proxy.ts'
import { addNodes } from '#rigs/kubernetes/cluster.ts'
import { type ControlPlane, startControlPlane } from '#rigs/kubernetes/control-plane.ts'
import { aHouse, until } from '#rigs/kubernetes/house.ts'
import { openSite } from '#rigs/kubernetes/site.ts'
import { orderMs } from '#reconcilers/pace.ts'

// A real API server whose etcd answers late, or not at all for a while: it answers late itself, gives up some requests
// that are carried out all the same, and shows what it remembers. A gang is there once, and is never taken for gone.

let plane: ControlPlane
let way: FaultProxy

before(async () => {
  plane = await startControlPlane(console.error, {
    async wayToEtcd(port) {
      way = await openFaultProxy({ target: { host: '127.0.0.1', port }, draw: () => 0 })
      return way.port
    },
  })
  await addNodes(
    plane,
    [0, 1, 2, 3].map((at) => ({ name: `n${at}` })),
  )
})
beforeEach(() => way.calm())
after(async () => {
  await plane.stop()
  await way.close()
})

/** How long a launch may take, and any other call: as the house lets them where a site is slow. */
const aLaunch = (): AbortSignal => AbortSignal.timeout(30_000)
const aCall = (): AbortSignal => AbortSignal.timeout(6_000)

async function aSite(t: TestContext) {
  const site = await openSite(plane)
  t.after(site.close)
  const order = site.order({ ranks: 2 })
  site.script(
    order,
    order.ranks.map(() => ({ until: 'told' })),
  )
  const { provider } = site
  return {
    launched: () => until('it is launched', async () => (await provider.launch(order, aLaunch())).ok),
    retired: () =>
      until('it is gone', async () => {
        const told = await provider.retire(handleOf(order), 1000, aCall())
        return told.ok && told.value === 'gone'
      }),
    /** Asks in all ways, once: nobody answers that it is not there. Gives how many answered at all. */
    async isThere(): Promise<number> {
      const [got, listed] = await Promise.all([
        provider.get(handleOf(order), aCall()),
        provider.list(site.site, aCall()),
      ])
      if (got.ok) assert.ok(got.value !== null, 'it is not there, says get')
      if (listed.ok)
        assert.deepEqual(
          listed.value.map(({ token }) => token),
          [order.token],
          'it is not there, says list',
        )
      for (const answer of [got, listed])
        if (!answer.ok) assert.deepEqual([answer.fault.kind, answer.fault.retry], ['unreachable', 'later'])
      return [got, listed].filter(({ ok }) => ok).length
    },
    async runs(): Promise<boolean> {
      const seen = await provider.get(handleOf(order), aCall())
      return (seen.ok && seen.value?.ranks.every(({ state }) => state === 'running')) ?? false
    },
    /** Kinds and identities of all that is there. */
    objects: () => objectsIn(site.namespace),
    launch: (signal: AbortSignal) => provider.launch(order, signal),
    retire: (signal: AbortSignal) => provider.retire(handleOf(order), 1000, signal),
  }
}

async function objectsIn(namespace: string): Promise<string[]> {
  const kinds = ['apis/batch/v1 jobs', 'api/v1 pods', 'api/v1 secrets', 'api/v1 services']
  const all = await Promise.all(
    kinds.map(async (kind) => {
      const path = `/${kind.replace(' ', `/namespaces/${namespace}/`)}`
      const { items } = (await plane.ask('GET', path)) as { items: { metadata: { name: string; uid: string } }[] }
      return items.map(({ metadata: { name, uid } }) => `${kind.replace(/.* /, '')} ${name} ${uid}`)
    }),
  )
  return all.flat().sort()
}

const kindsOf = (objects: readonly string[]): string[] => objects.map((one) => one.replace(/ .*/, ''))
const whole = ['jobs', 'pods', 'pods', 'secrets', 'services']

/** etcd stands still while something is done, and for so long. */
async function stoppedFor<T>(milliseconds: number, doing: () => Promise<T>): Promise<T> {
  plane.signal('etcd', 'SIGSTOP')
  const over = pause(milliseconds).then(() => plane.signal('etcd', 'SIGCONT'))
  try {
    return await doing()
  } finally {
    await over
  }
}

test('an etcd that is 200 ms away, each way: a gang is launched, seen and retired once', async (t) => {
  const site = await aSite(t)
  way.trouble([{ kind: 'far', ms: 200 }])
  await site.launched()
  await until('it runs', site.runs)
  const made = await site.objects()
  assert.deepEqual(kindsOf(made), whole)
  for (let look = 0; look < 5; look++) await site.isThere()
  await site.launched() // as after a reply that was lost
  assert.deepEqual(await site.objects(), made)
  await site.retired()
  assert.deepEqual(await site.objects(), [])
})

test('an etcd that stands still while a gang is launched: it is launched once, and never gone', async (t) => {
  const site = await aSite(t)
  const first = await stoppedFor(8_000, () => site.launch(aCall()))
  assert.ok(first.ok || first.fault.retry === 'later', 'a launch that nobody answered may come true')
  await site.launched()
  await until('it runs', site.runs)
  assert.deepEqual(kindsOf(await site.objects()), whole)
  await site.retired()
  assert.deepEqual(await site.objects(), [])
})

test('an etcd that stands still while a gang runs, and while it is retired: nothing is read as gone before it is', async (t) => {
  const site = await aSite(t)
  await site.launched()
  await until('it runs', site.runs)
  const made = await site.objects()
  await stoppedFor(12_000, async () => {
    for (const end = performance.now() + 10_000; performance.now() < end; await pause(200)) await site.isThere()
  })
  await until('both answer', async () => (await site.isThere()) === 2)
  assert.deepEqual(await site.objects(), made)
  const told = await stoppedFor(8_000, () => site.retire(aCall()))
  if (told.ok) assert.equal(told.value, 'retiring')
  else assert.equal(told.fault.retry, 'later')
  await site.retired()
  assert.deepEqual(await site.objects(), [])
})

test('a house whose cluster has an etcd that is late, and stands still for a while, runs a gang once and ends it as it ended', async (t) => {
  const house = await aHouse(t, plane, { patience: '120s' })
  way.trouble([{ kind: 'far', ms: 100 }])
  const look = await house.submit('kind: job\nname: gang\nnodes: 2\nresources: { cpus: 1, memory: 1GB }\nrun: train\n')
  await until('it runs', async () => (await look()).state === 'running')
  const pods = (await house.pods()).map(({ metadata }) => metadata.name).sort()
  await stoppedFor(8_000, () => pause(0)) // less than a node may be silent
  await until('it answers', async () => (await house.pods()).length === 2)
  await house.end('0,7')
  await until('it has failed', async () => (await look()).state === 'failed')
  const ended = await look()
  assert.deepEqual([ended.exitCode, ended.attempts, pods.length], [7, 1, 2])
  way.calm() // how long the cluster takes to clear up is no business of ours
  await until('nothing is left', async () => (await house.left()).length === 0)
})

test('an etcd half a second away, each way: a retirement that has the time of the slowest orders comes through', async (t) => {
  const site = await aSite(t)
  await site.launched()
  await until('it runs', site.runs)
  way.trouble([{ kind: 'far', ms: 500 }])
  // A house gives the first tries less, and each more than the one before (`reconcilers/retire.test.ts`).
  await until('it is told', async () => (await site.retire(AbortSignal.timeout(orderMs({ slowMs: Infinity })))).ok)
  way.calm() // how long the cluster takes to clear up is no business of ours
  await site.retired()
  assert.deepEqual(await site.objects(), [])
})
