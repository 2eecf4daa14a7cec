import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test, type TestContext } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'

import type { Fault } from '#model/fault.ts'
import type { CredentialedOrder } from '#model/order.ts'
import { asLongAsItTakes, faultOf, handleOf, tokens, valueOf } from '#providers/conformance-looks.ts'
import { createClient } from '#providers/kubernetes/client.ts'
import { type Connection, inCluster, readKubeconfig } from '#providers/kubernetes/kubeconfig.ts'
import { objectName } from '#providers/kubernetes/names.ts'
import type { Provider } from '#providers/provider.ts'
import { addNodes, tokenOf } from '#rigs/kubernetes/cluster.ts'
import { type ControlPlane, startControlPlane } from '#rigs/kubernetes/control-plane.ts'
import { until } from '#rigs/kubernetes/house.ts'
import { openSite } from '#rigs/kubernetes/site.ts'

// What happens between us and a real API server: replies that are lost, a server that dies, strangers, credentials that
// end or say that we are somebody else.

let plane: ControlPlane

before(async () => {
  plane = await startControlPlane(console.error)
  await addNodes(
    plane,
    [0, 1, 2, 3].map((at) => ({ name: `n${at}` })),
  )
})
after(() => plane.stop())

const kinds = ['jobs', 'pods', 'secrets', 'services'] as const
type Stored = { kind: (typeof kinds)[number]; name: string; uid: string }

async function aSite(t: TestContext) {
  const site = await openSite(plane)
  t.after(site.close)
  return {
    ...site,
    running(ranks = 2): CredentialedOrder {
      const order = site.order({ ranks })
      site.script(
        order,
        order.ranks.map(() => ({ until: 'told' })),
      )
      return order
    },
    /** All that is there, whoever made it. */
    async objects(): Promise<Stored[]> {
      const all = await Promise.all(
        kinds.map(async (kind) => {
          const group = kind === 'jobs' ? '/apis/batch/v1' : '/api/v1'
          const { items } = (await plane.ask('GET', `${group}/namespaces/${site.namespace}/${kind}`)) as {
            items: { metadata: { name: string; uid: string } }[]
          }
          return items.map(({ metadata: { name, uid } }) => ({ kind, name, uid }))
        }),
      )
      return all.flat()
    },
  }
}

test('a pod and a Job that others hold up are told as such, and nothing is told before Kubernetes is done with them', async (t) => {
  const site = await aSite(t)
  const order = site.running(1)
  const { provider } = site
  const look = async () => valueOf(await provider.get(handleOf(order), asLongAsItTakes))
  assert.ok((await provider.launch(order, asLongAsItTakes)).ok)
  await until('it runs', async () => (await look())?.ranks[0]?.state === 'running')
  const hold = { metadata: { finalizers: ['stranger.example/hold'] } }
  const pod = (await site.objects()).find(({ kind }) => kind === 'pods')
  const podPath = `/api/v1/namespaces/${site.namespace}/pods/${pod?.name}`
  const { metadata } = (await plane.ask('GET', podPath)) as { metadata: { finalizers: string[] } }
  await plane.ask('PATCH', podPath, { metadata: { finalizers: [...metadata.finalizers, ...hold.metadata.finalizers] } })
  const jobPath = `/apis/batch/v1/namespaces/${site.namespace}/jobs/${objectName(order.token)}`
  await plane.ask('PATCH', jobPath, hold)
  const retired = async () => valueOf(await provider.retire(handleOf(order), 1000, asLongAsItTakes))
  const heldBy = (kind: string) => async () => {
    const told = await retired()
    assert.notEqual(told, 'gone')
    return typeof told !== 'string' && told.held.every(({ what }) => what.startsWith(`${kind} isobar-`))
  }
  assert.equal(await retired(), 'retiring')
  await until('its pod is told', heldBy('pod'))
  await plane.ask('PATCH', podPath, { metadata: { finalizers: null } })
  await until('its Job is told', heldBy('job'))
  assert.deepEqual(countsOf(await site.objects()), [1, 0, 0, 0])
  await plane.ask('PATCH', jobPath, { metadata: { finalizers: null } })
  await until('it is gone', async () => (await retired()) === 'gone')
  assert.deepEqual(countsOf(await site.objects()), [0, 0, 0, 0])
})

const countsOf = (objects: readonly Stored[]): number[] =>
  kinds.map((kind) => objects.filter((one) => one.kind === kind).length)

/** As the house does it: again and again with the same token. */
async function launched(provider: Provider, order: CredentialedOrder): Promise<void> {
  await plane.waitFor('it is launched', async () => valueOf(await provider.launch(order, asLongAsItTakes)))
}

const retired = (provider: Provider, order: CredentialedOrder): Promise<void> =>
  plane.waitFor('it is gone', async () =>
    assert.equal(valueOf(await provider.retire(handleOf(order), 1000, asLongAsItTakes)), 'gone'),
  )

const runs = (provider: Provider, order: CredentialedOrder): Promise<void> =>
  plane.waitFor('it runs', async () => {
    const seen = valueOf(await provider.get(handleOf(order), asLongAsItTakes))
    assert.ok(seen?.ranks.every(({ state }) => state === 'running'))
  })

const soon = (): AbortSignal => AbortSignal.timeout(20_000)

for (const afterBytes of [0, 1500, 3000, 4500, 6000, 8000, 10_000, 13_000])
  test(`a gang whose launch hears ${afterBytes} bytes of the answers and then nothing is there once`, async (t) => {
    const site = await aSite(t)
    // Before a gang of several is made the cluster is asked whether it knows groups.
    const ranks = afterBytes === 0 ? 1 : 2
    const order = site.running(ranks)
    valueOf(await site.provider.offers(site.site, asLongAsItTakes)) // on a connection that stands
    site.proxy.trouble([{ kind: 'cut', of: 'reply', afterBytes }])
    const cut = await site.provider.launch(order, soon())
    site.proxy.calm()
    assert.ok(site.proxy.met() > 0)
    // The first answer is that to its Job, which is there by then.
    if (afterBytes === 0) assert.deepEqual([cut.ok, countsOf(await site.objects())], [false, [1, 0, 0, 0]])
    if (!cut.ok) assert.deepEqual([cut.fault.kind, cut.fault.retry], ['unreachable', 'later'])
    await launched(site.provider, order)
    await runs(site.provider, order)
    assert.deepEqual(countsOf(await site.objects()), [1, ranks, 1, 1])
    site.proxy.trouble([{ kind: 'cut', of: 'reply', afterBytes }])
    await site.provider.retire(handleOf(order), 1000, soon())
    site.proxy.calm()
    await retired(site.provider, order)
    assert.deepEqual(countsOf(await site.objects()), [0, 0, 0, 0])
  })

test('an API server that is killed while a gang is launched, and while it is retired, neither loses nor doubles it', async (t) => {
  const site = await aSite(t)
  const [order, other] = [site.running(), site.running(1)]
  await launched(site.provider, other)
  const killedAfter = async (ms: number, call: Promise<unknown>) => {
    await pause(ms)
    plane.signal('kube-apiserver', 'SIGKILL')
    await call
    const away = faultOf(await site.provider.list(site.site, soon())).fault
    assert.deepEqual([away.kind, away.retry], ['unreachable', 'later'])
    await plane.start('kube-apiserver')
  }
  await killedAfter(5, site.provider.launch(order, soon()))
  await launched(site.provider, order)
  await runs(site.provider, order)
  assert.deepEqual(countsOf(await site.objects()), [2, 3, 2, 2])
  await killedAfter(10, site.provider.retire(handleOf(order), 1000, soon()))
  await retired(site.provider, order)
  assert.deepEqual(await tokens(site.provider, site.site), [other.token])
  // What the Job owned the cluster removes, once it is well again.
  await plane.waitFor('what the gang owned to go', async () =>
    assert.deepEqual(countsOf(await site.objects()), [1, 1, 1, 1]),
  )
  await retired(site.provider, other)
})

test('what a stranger has under the name of a gang is told and not touched', async (t) => {
  const site = await aSite(t)
  const order = site.running()
  const metadata = { name: objectName(order.token) }
  const template = { spec: { restartPolicy: 'Never', containers: [{ name: 'own', image: 'own' }] } }
  const path = `namespaces/${site.namespace}`
  await plane.ask('POST', `/apis/batch/v1/${path}/jobs`, { metadata, spec: { suspend: true, template } })
  await plane.ask('POST', `/api/v1/${path}/secrets`, { metadata, stringData: { start: 'own' } })
  await plane.ask('POST', `/api/v1/${path}/services`, { metadata, spec: { clusterIP: 'None' } })
  const strange = await site.objects()
  const { fault } = faultOf(await site.provider.launch(order, asLongAsItTakes))
  assert.deepEqual([fault.kind, fault.retry], ['conflict', 'elsewhere'])
  assert.match(fault.detail, new RegExp(`a Job ${metadata.name} of somebody else`))
  assert.equal(valueOf(await site.provider.retire(handleOf(order), 0, asLongAsItTakes)), 'gone')
  assert.deepEqual(await site.objects(), strange)
  assert.deepEqual(countsOf(strange), [1, 0, 1, 1])
})

test('an account whose token has ended is denied, starts nothing, and goes on with the next one', async (t) => {
  const site = await aSite(t)
  const [order, refused] = [site.running(), site.running(1)]
  await launched(site.provider, order)
  await site.token(-120)
  // What it has found to be good, an API server takes for good a few seconds longer.
  let fault: Fault | undefined
  await plane.waitFor('its token does not hold', async () => {
    fault = faultOf(await site.provider.list(site.site, asLongAsItTakes)).fault
  })
  assert.deepEqual([fault?.kind, fault?.retry], ['denied', 'elsewhere'])
  const denied = faultOf(await site.provider.launch(refused, asLongAsItTakes)).fault
  assert.deepEqual([denied.kind, denied.retry], ['denied', 'elsewhere'])
  await site.token(3600)
  assert.deepEqual(await tokens(site.provider, site.site), [order.token])
  await launched(site.provider, refused)
  for (const one of [order, refused]) await retired(site.provider, one)
})

/** Who a cluster takes us for. */
function whoIs(t: TestContext, connect: () => Promise<Connection>) {
  const client = createClient(connect)
  t.after(() => client.close())
  const path = '/apis/authentication.k8s.io/v1/selfsubjectreviews'
  return {
    client,
    async who(): Promise<string[] | string> {
      const told = await client.ask({ method: 'POST', path, body: {}, signal: t.signal })
      if (!told.ok) return told.fault.kind
      const { username, groups } = (told.body as Review).status.userInfo
      return [username, ...groups]
    },
  }
}
type Review = { status: { userInfo: { username: string; groups: string[] } } }

test('in a pod we are who its account is, by the files that are there, which are read anew when they do not hold', async (t) => {
  const site = await aSite(t)
  const { namespace } = site
  const folder = mkdtempSync(join(plane.folder, 'account-'))
  const write = (name: string, text: string) => writeFileSync(join(folder, name), text)
  write('namespace', namespace)
  write('ca.crt', readFileSync(join(plane.folder, 'pki', 'apiserver.crt'), 'utf8'))
  write('token', 'of-yesterday')
  const environment = { KUBERNETES_SERVICE_HOST: '127.0.0.1', KUBERNETES_SERVICE_PORT: String(plane.port) }
  const { who } = whoIs(t, () => inCluster(folder, environment))
  assert.equal(await who(), 'denied')
  write('token', await tokenOf(plane, { name: 'isobar', namespace, seconds: 3600 }))
  assert.equal((await who())[0], `system:serviceaccount:${namespace}:isobar`)
})

test('a context that acts as somebody else is that one, with his rights and no others', async (t) => {
  const path = join(plane.folder, 'acting.kubeconfig')
  const known = JSON.parse(readFileSync(plane.kubeconfig, 'utf8'))
  Object.assign(known.users[0].user, { as: 'guest', 'as-groups': ['visitors', 'readers'] })
  writeFileSync(path, JSON.stringify(known), { mode: 0o600 })
  const { who, client } = whoIs(t, () => readKubeconfig({ path }))
  assert.deepEqual(await who(), ['guest', 'visitors', 'readers', 'system:authenticated'])
  const told = await client.ask({ path: '/api/v1/nodes', signal: t.signal })
  assert.match(told.ok ? '' : told.fault.detail, /403 .*User "guest" cannot list resource "nodes"/)
})
