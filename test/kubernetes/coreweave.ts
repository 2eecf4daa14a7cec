import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test, type TestContext } from 'node:test'

import { callMain } from '#cli/captured.ts'
import { CoreweaveConfig } from '#providers/coreweave/config.ts'
import { createCoreweave } from '#providers/coreweave/coreweave.ts'
import { addAccount, addNamespace, addNodes } from '#rigs/kubernetes/cluster.ts'
import { type ControlPlane, startControlPlane } from '#rigs/kubernetes/control-plane.ts'
import {
  addPool,
  addRack,
  changePool,
  definePools,
  grantPools,
  poolAt,
  rackNodes,
  removePool,
  sayOfPool,
} from '#rigs/kubernetes/coreweave.ts'
import { aHouse, until } from '#rigs/kubernetes/house.ts'
import { aDatabase } from '#rigs/postgres.ts'
import { aHome, aServer, ask } from '#rigs/server.ts'

// A cluster as CoreWeave has them: two racks of GB200 and NodePools, on a real API server; what nodes and pods do, KWOK
// plays.

let plane: ControlPlane
const well = [
  { type: 'Quota', status: 'True', reason: 'Under' },
  { type: 'Capacity', status: 'True', reason: 'Sufficient' },
]
const both = { currentNodes: 2 * rackNodes, conditions: well }

before(async () => {
  plane = await startControlPlane(console.error)
  await definePools(plane)
  await addRack(plane, 'dh4-016', { leafgroup: '1' })
  await addRack(plane, 'dh4-017', { leafgroup: '2' })
  for (const namespace of ['house-0', 'house-1']) await grantPools(plane, { namespace })
  await addPool(plane, { name: 'gb200', spec: { instanceType: 'gb200-4x', targetNodes: 2 * rackNodes }, status: both })
})
after(() => plane.stop())

const soon = () => AbortSignal.timeout(20_000)
let sites = 0

/** A site of CoreWeave with an account of its own. */
async function aSite(t: TestContext, more: object = {}, may: 'all' | 'nothing' = 'all') {
  const namespace = `cw-${sites++}`
  await addNamespace(plane, namespace)
  const token = await addAccount(plane, { name: 'isobar', namespace })
  if (may === 'all') await grantPools(plane, { namespace })
  const kubeconfig = plane.kubeconfigFor(namespace, { token })
  const { sites: declared } = CoreweaveConfig.parse({
    sites: [{ name: 'east', kubeconfig, namespace, image: 'rig', ...more }],
  })
  const provider = createCoreweave({ sites: declared, house: 'rig' })
  t.after(() => provider.close())
  return {
    provider,
    async offers() {
      const offers = await provider.offers('east', soon())
      assert.ok(offers.ok, JSON.stringify(offers))
      return offers.value
    },
    async nodes() {
      const nodes = await provider.abilities.inventory('east', soon())
      assert.ok(nodes.ok, JSON.stringify(nodes))
      return nodes.value
    },
    reserve: (pool: string, nodes: number) => provider.abilities.reserve?.('east', { pool, nodes }, soon()),
  }
}

test('a rack is the accelerator domain of its nodes, with leaf group, superpod and fabric above it', async (t) => {
  const site = await aSite(t)
  const paths = (await site.nodes()).map(({ path }) => path.join(' < '))
  assert.deepEqual(
    Object.fromEntries([...Map.groupBy(paths, (path) => path)].map(([path, all]) => [path, all.length])),
    {
      'DH4-016-US-EAST-02A < 1 < 1 < us-east-02a-fabric-1 < US-EAST-02A < east': 18,
      'DH4-017-US-EAST-02A < 2 < 1 < us-east-02a-fabric-1 < US-EAST-02A < east': 18,
    },
  )
})

test('nodes cost what the list says, with the pool that they come from', async (t) => {
  const [offer, ...others] = await (await aSite(t)).offers()
  assert.deepEqual(others, [])
  const { provider, tier, shape, priceMicros, available, source, pools } = offer ?? assert.fail()
  assert.deepEqual(
    { provider, tier, shape: shape.name, priceMicros, available, source, pools },
    {
      provider: 'coreweave',
      tier: 'on-demand',
      shape: '4xGB200-gb200-4x',
      priceMicros: 42_000_000,
      available: 36,
      source: "CoreWeave's list of 2026-09-20",
      pools: [{ name: 'gb200', target: 36, current: 36, step: 18, added: 0 }],
    },
  )
})

const hgx = (name: string, pool: string) => ({
  name,
  has: { cpu: '128', memory: '2048Gi', 'nvidia.com/gpu': '8' },
  labels: {
    'nvidia.com/gpu.product': 'NVIDIA-H100-80GB-HBM3',
    'node.kubernetes.io/instance-type': 'gd-8xh100ib-i128',
    'compute.coreweave.com/node-pool': pool,
  },
})

test('what is bought differently has an offer of its own, by what its pool is and what is agreed on it', async (t) => {
  await addNodes(plane, [hgx('h0', 'h100'), hgx('h1', 'cheap'), hgx('h2', 'flex')])
  const instanceType = 'gd-8xh100ib-i128'
  const status = { currentNodes: 1 }
  await addPool(plane, { name: 'h100', spec: { instanceType, targetNodes: 1 }, status })
  await addPool(plane, { name: 'cheap', spec: { instanceType, targetNodes: 1, computeClass: 'spot' }, status })
  await addPool(plane, { name: 'flex', spec: { instanceType, targetNodes: 1 }, status })
  await addPool(plane, { name: 'gb300', spec: { instanceType: 'gb300-4x', targetRacks: 0 } })
  t.after(async () => {
    for (const node of ['h0', 'h1', 'h2']) await plane.ask('DELETE', `/api/v1/nodes/${node}`)
    for (const pool of ['h100', 'cheap', 'flex', 'gb300']) await removePool(plane, pool)
  })
  const flex = { tier: 'reserved', price: '$12/h', terms: { until: '2027-06-01T00:00:00Z' } }
  const site = await aSite(t, { pools: { flex, gb300: { price: '$60/h', most: 36 } } })
  const offers = (await site.offers()).map(({ tier, shape, priceMicros, available, until: end, pools }) => [
    shape.name,
    tier,
    priceMicros / 1e6,
    available,
    end,
    pools?.map(({ name }) => name),
  ])
  assert.deepEqual(
    offers.sort(([a], [b]) => String(a).localeCompare(String(b))),
    [
      ['4xGB200-gb200-4x', 'on-demand', 42, 36, undefined, ['gb200']],
      ['4xGB300-gb300-4x-gb300', 'on-demand', 60, 0, undefined, ['gb300']],
      ['8xH100-gd-8xh100ib-i128', 'on-demand', 49.24, 1, undefined, ['h100']],
      ['8xH100-gd-8xh100ib-i128-flex', 'reserved', 12, 1, Date.parse('2027-06-01'), ['flex']],
      ['8xH100-gd-8xh100ib-i128-spot', 'spot', 19.71, 1, undefined, ['cheap']],
    ],
  )
  const names = new Set((await site.nodes()).map(({ shape }) => shape.name))
  assert.equal(names.size, 4, 'nodes are called as their offers are')
})

test('a pool tells why its nodes do not come; one that may not be read is said to be so', async (t) => {
  const site = await aSite(t)
  await changePool(plane, 'gb200', { spec: { targetNodes: 54 } })
  const conditions = [
    { type: 'Quota', status: 'False', reason: 'Over', message: 'quota limit is 36 for instance type gb200-4x' },
    { type: 'Capacity', status: 'True', reason: 'Sufficient' },
    { type: 'AtTarget', status: 'False', reason: 'Pending' },
  ]
  await sayOfPool(plane, 'gb200', { ...both, queuedNodes: 18, conditions })
  t.after(async () => {
    await changePool(plane, 'gb200', { spec: { targetNodes: 36 } })
    await sayOfPool(plane, 'gb200', both)
  })
  assert.equal(
    (await site.offers())[0]?.pools?.[0]?.hindered,
    'Quota Over: quota limit is 36 for instance type gb200-4x',
  )
  const [blind] = await (await aSite(t, {}, 'nothing')).offers()
  assert.equal(blind?.pools, undefined)
  assert.match(blind?.source ?? '', /its NodePools are not for us to read \(403/)
  assert.equal(blind?.available, 36, 'and all else goes on')
})

test('a pool is asked for whole racks, up to what is allowed, and gives back only what we added', async (t) => {
  const site = await aSite(t, { pools: { gb200: { most: 72 } } })
  t.after(() => changePool(plane, 'gb200', { spec: { targetNodes: 36 } }))
  const refused = async (nodes: number, why: RegExp) => {
    const answer = await site.reserve('gb200', nodes)
    assert.ok(answer && !answer.ok)
    assert.match(answer.fault.detail, why)
  }
  await refused(40, /whole racks of 18 nodes, not 40/)
  await refused(90, /72 nodes, not 90/)
  await refused(18, /36 nodes of NodePool gb200 are not ours to give back/)
  assert.equal((await poolAt(plane, 'gb200')).spec.targetNodes, 36)

  const grown = await site.reserve('gb200', 54)
  assert.deepEqual(grown?.ok && [grown.value.target, grown.value.added], [54, 18])
  const changed = await poolAt(plane, 'gb200')
  assert.equal(changed.spec.targetNodes, 54)
  await site.reserve('gb200', 54)
  assert.equal((await poolAt(plane, 'gb200')).metadata.resourceVersion, changed.metadata.resourceVersion, 'a level')

  const back = await site.reserve('gb200', 36)
  assert.deepEqual(back?.ok && [back.value.target, back.value.added], [36, 0])
  assert.equal((await poolAt(plane, 'gb200')).metadata.annotations, undefined)

  await site.reserve('gb200', 54)
  await changePool(plane, 'gb200', { spec: { targetNodes: 72 } })
  await refused(36, /72 nodes of NodePool gb200 are not ours/)
})

test('a pool that somebody else sizes, or that would remove nodes at work, is left alone', async (t) => {
  const pools = { auto: { most: 9 }, racks: { most: 36 }, greedy: { most: 9 } }
  const site = await aSite(t, { pools })
  await addPool(plane, {
    name: 'auto',
    spec: { instanceType: 'b200-8x', targetNodes: 1, autoscaling: true, minNodes: 1, maxNodes: 4 },
  })
  await addPool(plane, { name: 'racks', spec: { instanceType: 'gb300-4x', targetRacks: 1 } })
  const lifecycle = { scaleDownStrategy: 'PreferIdle' }
  await addPool(plane, { name: 'greedy', spec: { instanceType: 'b200-8x', targetNodes: 2, lifecycle } })
  t.after(async () => {
    for (const pool of ['auto', 'racks', 'greedy']) await removePool(plane, pool)
  })
  const detail = async (pool: string, nodes: number) => {
    const answer = await site.reserve(pool, nodes)
    return answer?.ok === false ? answer.fault.detail : answer?.value.target
  }
  assert.equal(await detail('racks', 36), 36)
  assert.deepEqual((await poolAt(plane, 'racks')).spec, {
    computeClass: 'default',
    instanceType: 'gb300-4x',
    targetRacks: 2,
    autoscaling: false,
  })
  assert.match(String(await detail('auto', 2)), /has an autoscaler of its own/)
  assert.equal(await detail('greedy', 3), 3)
  assert.match(String(await detail('greedy', 2)), /may remove nodes at work \(scaleDownStrategy PreferIdle\)/)
  assert.match(String(await detail('gb200', 54)), /no `most` in sites.yaml lets NodePool gb200/)
  assert.match(String(await detail('nowhere', 2)), /404/)
})

const gang = `kind: job
name: gang
nodes: 16
resources: { cpus: 8, memory: 16GB, accelerators: GB200:4 }
topology: { within: nvlink, spares: { count: 2, within: nvlink } }
checkpoint: { grace: 1s }
run: train
`

const racksOf = (names: Set<string>) => [...new Set([...names].map((name) => name.slice(0, 7)))]

test('a rack that loses a node keeps its gang, with a spare in the place of the lost one', async (t) => {
  const house = await aHouse(t, plane, { provider: 'coreweave', price: undefined })
  const look = await house.submit(gang)
  await until('it runs', async () => (await look()).state === 'running')
  const at = async (attempt: string) => {
    const pods = await house.pods()
    const its = pods.filter(({ metadata }) => metadata.labels['isobar.dev/attempt'] === attempt)
    return new Set(its.map(({ spec }) => spec.nodeName ?? ''))
  }
  const first = await at('1')
  assert.deepEqual([first.size, racksOf(first).length], [16, 1])
  const [lost] = first
  const down = (is: 'true' | null) =>
    plane.ask('PATCH', `/api/v1/nodes/${lost}`, { metadata: { annotations: { 'rig.isobar.test/down': is } } })
  t.after(() => down(null))
  await down('true')
  await until('its second attempt runs', async () => {
    const { state, attemptList } = await look()
    return state === 'running' && attemptList.length === 2
  })
  const second = await at('2')
  assert.deepEqual([second.size, racksOf(second)], [16, racksOf(first)])
  assert.equal([...first].filter((name) => second.has(name)).length, 15)
  assert.ok(!second.has(lost ?? ''))
  await down(null)
  await ask(house.server, `POST /v1/workloads/${(await look()).id}/stop`)
  await until('nothing is left', async () => (await house.left()).length === 0)
})

test('a pool is asked for the rack that a gang waits for, and says why it does not come', async (t) => {
  const house = await aHouse(t, plane, { provider: 'coreweave', price: undefined, pools: { gb200: { most: 54 } } })
  t.after(async () => {
    await changePool(plane, 'gb200', { spec: { targetNodes: 36 } })
    await sayOfPool(plane, 'gb200', both)
  })
  const look = await house.submit(gang.replace('nodes: 16', 'nodes: 40').replace(/^topology.*\n/m, ''))
  await until('the pool was asked', async () => (await poolAt(plane, 'gb200')).spec.targetNodes === 54)
  const message = 'quota limit is 36 for instance type gb200-4x'
  const conditions = [{ type: 'Quota', status: 'False', reason: 'Over', message }]
  await sayOfPool(plane, 'gb200', { currentNodes: 36, queuedNodes: 18, conditions })
  await until('it says why it waits', async () =>
    /NodePool gb200 has 36 of 54 nodes \(Quota Over: quota limit is 36/.test((await look()).reason),
  )
  await addRack(plane, 'dh4-018', { leafgroup: '2' })
  await sayOfPool(plane, 'gb200', { currentNodes: 54, queuedNodes: 0, conditions: well })
  await until('it runs', async () => (await look()).state === 'running')
  assert.equal((await poolAt(plane, 'gb200')).spec.targetNodes, 54)
  const { json } = await ask(house.server, 'GET /v1/events')
  const asked = json.items.filter(({ type }: { type: string }) => type === 'pool.asked')
  assert.deepEqual(
    asked.map((event: { message: string }) => event.message),
    ['NodePool gb200 of coreweave/east was asked for 18 more nodes, 54 in all: gang waits for them'],
  )
  await house.end('0'.repeat(40).split('').join(','))
  await until('it has succeeded', async () => (await look()).state === 'succeeded')
})

test('it is joined by a command, which tells of its pools, and of what is missing to read them', async (t) => {
  const namespace = 'joining'
  const account = { name: 'isobar', namespace, devices: true }
  await addNamespace(plane, namespace)
  const kubeconfig = plane.kubeconfigFor(namespace, { token: await addAccount(plane, account) })
  const home = aHome(t)
  const none = { provider: 'simulated', name: 'none', shape: { cpus: 1, memory: '1GB' } }
  writeFileSync(join(home, 'sites.yaml'), JSON.stringify({ sites: [none] }))
  const server = await aServer(t, { home, url: await aDatabase(), port: 0 })
  const add = (...argv: string[]) => {
    const site = ['--kubeconfig', kubeconfig, '--namespace', namespace, '--name', 'east', '--image', 'rig']
    return callMain(['site', 'add', 'coreweave', ...site, ...argv], { env: { ISOBAR_HOME: home } })
  }
  const blind = JSON.parse((await add('--dry-run', '-o', 'json')).stdout)
  assert.deepEqual(blind.obstacles, [])
  assert.match(blind.notes.join(), /list nodepools: it works without.*are not for us to read \(403/)
  assert.match(blind.manifest, /apiGroups:\n\s+- compute.coreweave.com\n\s+resources:\n\s+- nodepools/)

  await grantPools(plane, { namespace, scales: false })
  const { declaration, nodes, topology, facts, unknown, manifest } = JSON.parse(
    (await add('--dry-run', '-o', 'json')).stdout,
  )
  assert.deepEqual([declaration.jurisdictions, declaration.price, unknown, manifest], [['US'], undefined, [], null])
  assert.deepEqual([nodes.length, nodes[0].accelerators, nodes[0].priceMicros], [1, 'GB200:4', 42_000_000])
  assert.deepEqual([topology[0].labels, topology[0].nodes], [['ds.coreweave.com/nvlink.domain'], nodes[0].nodes])
  const pool = facts.find(({ name }: { name: string }) => name.startsWith('NodePool'))
  assert.deepEqual(pool, { name: 'NodePool gb200', value: 'gb200-4x, 36 of 36 nodes' })

  const joined = await add()
  assert.equal(joined.code, 0, joined.stderr)
  await until('it offers', async () => {
    const { items } = (await ask(server, 'GET /v1/offers?site=coreweave/east')).json
    return items.some(({ pools }: { pools: { name: string }[] }) => pools[0]?.name === 'gb200')
  })
})
