import assert from 'node:assert/strict'
import { after, before, test, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'

import type { CredentialedOrder } from '#model/order.ts'
import { clusterRights, namespaceRights, type Right } from '#providers/kubernetes/rights.ts'
import { addNodes } from '#rigs/kubernetes/cluster.ts'
import { type ControlPlane, startControlPlane } from '#rigs/kubernetes/control-plane.ts'
import { openSite } from '#rigs/kubernetes/site.ts'

// What a real API server does to those who follow it.

let plane: ControlPlane

before(async () => {
  plane = await startControlPlane(console.error)
  await addNodes(
    plane,
    [0, 1].map((at) => ({ name: `n${at}` })),
  )
})
after(() => plane.stop())

const { signal } = new AbortController()

async function aFollowed(t: TestContext) {
  const rig = await openSite(plane)
  t.after(() => rig.close())
  const { provider, site } = rig
  const { watch, inventory } = provider.abilities
  if (!watch || !inventory) return assert.fail('it has both')
  const mark = async (since: string | null): Promise<string> => {
    const told = await watch(site, since, signal)
    return told.ok ? told.value : assert.fail(`${told.fault.kind}: ${told.fault.detail}`)
  }
  const listed = async () => {
    const seen = await provider.list(site, signal)
    return seen.ok ? seen.value : assert.fail(seen.fault.detail)
  }
  return {
    ...rig,
    watch,
    mark,
    listed,
    inventory: async () => {
      const found = await inventory(site, signal)
      return found.ok ? found.value : assert.fail(found.fault.detail)
    },
    /** A gang that runs until somebody says how it ends; what it did to what is followed has been told. */
    async running(): Promise<CredentialedOrder> {
      const order = rig.order()
      rig.script(order, [{ until: 'told' }])
      assert.ok((await provider.launch(order, signal)).ok)
      for (let at = await mark(null); stateOf(await listed(), order) !== 'running';) at = await mark(at)
      return order
    },
    /** Its only pod ends so, as its node sees it. */
    async end({ token }: CredentialedOrder, code: number) {
      const pods = `/api/v1/namespaces/${site}/pods`
      const [pod] = await podsOf(site, token)
      const annotations = { 'rig.isobar.test/exits': String(code) }
      await plane.ask('PATCH', `${pods}/${pod?.metadata.name}`, { metadata: { annotations } })
      await until('it has ended', async () => (await podsOf(site, token))[0]?.status.phase === 'Failed')
    },
  }
}

type Pod = { metadata: { name: string }; status: { phase: string } }

async function podsOf(namespace: string, token: string): Promise<Pod[]> {
  const path = `/api/v1/namespaces/${namespace}/pods?labelSelector=isobar.dev%2Ftoken%3D${token}`
  return ((await plane.ask('GET', path)) as { items: Pod[] }).items
}

const stateOf = (seen: { token: string; ranks: { state: string }[] }[], { token }: CredentialedOrder) =>
  seen.find((one) => one.token === token)?.ranks[0]?.state

test('a pod that ends between a list and the watch after it is told of at once', async (t) => {
  const site = await aFollowed(t)
  const order = await site.running()
  const since = await site.mark(null)
  await site.listed()
  await site.end(order, 7)
  assert.notEqual(await site.mark(since), since)
  const seen = (await site.listed()).find(({ token }) => token === order.token)
  assert.deepEqual([seen?.ranks[0]?.state, seen?.ranks[0]?.exitCode], ['exited', 7])
})

test('a watch whose connections break goes on where it was', async (t) => {
  const site = await aFollowed(t)
  const order = await site.running()
  const since = await site.mark(null)
  const waits = site.mark(since)
  site.sever()
  await site.end(order, 3)
  assert.notEqual(await waits, since)
  await until('it is listed as ended', async () => stateOf(await site.listed(), order) === 'exited')
})

test('an API server that is killed is unreachable; once it is back all is listed anew, and told again', async (t) => {
  const site = await aFollowed(t)
  const order = await site.running()
  let since = await site.mark(null)
  const watched = async () => {
    const told = await site.watch(site.site, since, signal)
    if (told.ok) since = told.value
    return told.ok || told.fault.kind
  }
  const waits = watched()
  plane.signal('kube-apiserver', 'SIGKILL')
  const told = await waits // something may have changed just before
  assert.equal(told === true ? await watched() : told, 'unreachable')
  const listed = await site.provider.list(site.site, signal)
  assert.deepEqual(listed.ok || listed.fault.kind, 'unreachable')
  await plane.start('kube-apiserver')
  await until('it is watched again', async () => (await site.watch(site.site, null, signal)).ok)
  const again = await site.mark(since)
  assert.notEqual(again, since)
  assert.equal(stateOf(await site.listed(), order), 'running')
  await site.end(order, 1)
  assert.notEqual(await site.mark(again), again)
  await until('it is listed as ended', async () => stateOf(await site.listed(), order) === 'exited')
})

test('what the pods of others take is followed, and comes back when they go', async (t) => {
  const site = await aFollowed(t)
  await site.mark(null)
  const takenOf = async () => (await site.inventory()).find(({ name }) => name === 'n0')?.foreign?.cpuMilli ?? 0
  assert.equal(await takenOf(), 0)
  const pods = `/api/v1/namespaces/${site.site}/pods`
  const container = { name: 'main', image: 'none', resources: { requests: { cpu: '1500m', memory: '1Gi' } } }
  const spec = { nodeName: 'n0', containers: [container], terminationGracePeriodSeconds: 0 }
  await plane.ask('POST', pods, { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'stranger' }, spec })
  await until('it is seen', async () => (await takenOf()) === 1500)
  await plane.ask('DELETE', `${pods}/stranger`)
  await until('it is gone', async () => (await takenOf()) === 0)
})

test('what our house takes in one namespace its site in another does not offer, listed and followed, until it is over', async (t) => {
  const [site, other] = [await aFollowed(t), await aFollowed(t)]
  const takenBy = async (from: typeof site) =>
    (await from.inventory()).reduce((sum, { foreign }) => sum + (foreign?.cpuMilli ?? 0), 0)
  const order = await site.running() // `site` is followed from now on, and `other` lists
  assert.equal(await takenBy(other), 1000)
  await other.mark(null)
  await until('both are followed', async () => (await takenBy(other)) === 1000)
  assert.equal(await takenBy(site), 0, 'what is leased there is not taken twice')
  const second = await other.running()
  await until('each sees the other', async () => (await takenBy(site)) === 1000 && (await takenBy(other)) === 1000)
  await site.end(order, 1)
  await other.end(second, 1)
  await until('nothing is taken', async () => (await takenBy(site)) + (await takenBy(other)) === 0)
})

test('who may not watch is told so, and lists as before', async (t) => {
  const site = await aFollowed(t)
  const group = '/apis/rbac.authorization.k8s.io/v1'
  await plane.ask('PATCH', `${group}/namespaces/${site.site}/roles/isobar`, { rules: unwatched(namespaceRights) })
  await plane.ask('PATCH', `${group}/clusterroles/isobar-${site.site}`, { rules: unwatched(clusterRights) })
  await until('it may not', async () => {
    const told = await site.watch(site.site, null, signal)
    if (!told.ok) assert.deepEqual([told.fault.kind, (told.fault.retryAfterMs ?? 0) > 60_000], ['denied', true])
    return !told.ok
  })
  const order = site.order()
  site.script(order, [{ until: 0 }])
  assert.ok((await site.provider.launch(order, signal)).ok)
  await until('it has ended', async () => stateOf(await site.listed(), order) === 'exited')
  assert.equal((await site.inventory()).length, 2)

  const stays = site.order()
  site.script(stays, [{ until: 'told' }])
  assert.ok((await site.provider.launch(stays, signal)).ok)
  await until('it runs', async () => stateOf(await site.listed(), stays) === 'running')
  const taints = (all: object[]) =>
    Promise.all(['n0', 'n1'].map((name) => plane.ask('PATCH', `/api/v1/nodes/${name}`, { spec: { taints: all } })))
  t.after(() => taints([]))
  await taints([{ key: 'aws-node-termination-handler/spot-itn', effect: 'NoSchedule' }])
  const noticed = async () => (await site.listed()).find(({ token }) => token === stays.token)?.ranks[0]?.leavesAt
  assert.ok((await site.inventory()).every(({ usable }) => !usable))
  assert.notEqual(await noticed(), undefined, 'it was seen with the inventory')
})

const unwatched = (rights: readonly Right[]): Right[] =>
  rights.map((right) => ({ ...right, verbs: right.verbs.filter((verb) => verb !== 'watch') }))

async function until(what: string, condition: () => Promise<boolean>): Promise<void> {
  for (const deadline = performance.now() + 60_000; !(await condition()); await sleep(50))
    if (performance.now() > deadline) assert.fail(`waited in vain: ${what}`)
}
