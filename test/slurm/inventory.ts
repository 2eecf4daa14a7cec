import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, test } from 'node:test'

import type { Outcome } from '#model/fault.ts'
import type { CredentialedOrder } from '#model/order.ts'
import type { Node } from '#model/site.ts'
import { startCluster } from '#rigs/slurm/cluster.ts'
import { forever, openSite, orderOn, poll, type SiteRig, type Way } from '#rigs/slurm/site.ts'

const cluster = await startCluster({ nodes: 4 })
after(cluster.stop)
const topologyFile = join(cluster.folder, 'topology.conf')

const ways: [string, Way][] = [
  ['by its commands', { conf: cluster.conf }],
  ['over HTTP', { rest: cluster.rest, topologyFile }],
]

const valueOf = <T>(outcome: Outcome<T>): T => (outcome.ok ? outcome.value : assert.fail(JSON.stringify(outcome.fault)))

async function nodesOf({ provider, name }: SiteRig): Promise<Node[]> {
  return valueOf(await (provider.abilities.inventory ?? assert.fail())(name, forever))
}

const free = { cpuMilli: 0, memoryMiB: 0, diskMiB: 0, accelerators: 0 }
const foreignBy = (nodes: readonly Node[]) =>
  Object.fromEntries(nodes.map(({ name, foreign }) => [name, foreign ?? free]))

/** Ranks write down on which node and with which accelerators they are. */
function tellsWhere(rig: SiteRig, order: CredentialedOrder): () => string[] {
  const file = join(cluster.folder, 'shared', `${order.token}.where`)
  const where = "$(tr '\\0' '\\n' < /proc/$PPID/environ | sed -n 's/^SLURMD_NODENAME=//p')"
  rig.script(order, (rank) => `echo "${rank} ${where} $CUDA_VISIBLE_DEVICES" >> ${file}\nexec sleep 1000`)
  // A shell makes a file before it writes into it.
  const lines = () => readFileSync(file, 'utf8').split('\n')
  return () =>
    existsSync(file)
      ? lines()
          .filter((line) => line !== '')
          .sort()
      : []
}

for (const [way, site] of ways) {
  test(`${way}: nodes are told with where they stand and what of them is in use by others, and not by us`, async (t) => {
    const rig = await openSite(cluster, site)
    t.after(rig.close)
    await poll('nothing runs', async () =>
      Object.values(foreignBy(await nodesOf(rig))).every(({ cpuMilli }) => cpuMilli === 0),
    )
    const [first, , third] = await nodesOf(rig)
    assert.deepEqual(first?.path, ['n0', 'leaf0', 'core', rig.name])
    assert.deepEqual(third?.path, ['n2', 'leaf1', 'core', rig.name])
    assert.deepEqual([first?.usable, first?.shape.accelerator, first?.shape.accelerators], [true, 'H200', 8])
    assert.deepEqual(first?.labels, { h200: 'true', ib: 'true' })

    const order = orderOn(rig, ['n2', 'n1'], 2)
    const where = tellsWhere(rig, order)
    await rig.launched(order)
    const foreign = ['--parsable', '--nodelist=n1', '--cpus-per-task=3', '--mem=1000', '--gpus-per-node=h200:4']
    const job = await cluster.command('sbatch', ...foreign, '--chdir=/', '--output=/dev/null', '--wrap=sleep 1000')
    t.after(() => cluster.command('scancel', job.trim()))
    await poll('both run', async () => where().length === 2 && foreignBy(await nodesOf(rig))['n1']?.accelerators === 4)
    assert.deepEqual(where(), ['0 n2 0,1', '1 n1 0,1'])
    assert.deepEqual(foreignBy(await nodesOf(rig)), {
      n0: free,
      n1: { cpuMilli: 3000, memoryMiB: 1000, diskMiB: 0, accelerators: 4 },
      n2: free,
      n3: free,
    })
  })

  test(`${way}: ranks that share a node have accelerators of their own there`, async (t) => {
    const rig = await openSite(cluster, site)
    t.after(rig.close)
    const order = orderOn(rig, ['n3', 'n0', 'n3'], 3)
    const where = tellsWhere(rig, order)
    await rig.launched(order)
    await poll('all run', async () => where().length === 3)
    assert.deepEqual(where(), ['0 n3 0,1,2', '1 n0 0,1,2', '2 n3 3,4,5'])
    await rig.until(
      order,
      'all are seen to run',
      (seen) => seen?.ranks.every(({ state }) => state === 'running') ?? false,
    )
  })

  test(`${way}: a node that is drained, or reserved for others, is not usable, and an order for it is refused`, async (t) => {
    const rig = await openSite(cluster, site)
    t.after(rig.close)
    const mine = await openSite(cluster, { ...site, reservation: 'ours' })
    t.after(mine.close)
    await cluster.command('scontrol', 'update', 'NodeName=n3', 'State=DRAIN', 'Reason=a broken fan')
    const window = ['StartTime=now', 'Duration=60', `Users=${cluster.user}`]
    await cluster.command('scontrol', 'create', 'reservation', 'ReservationName=ours', 'Nodes=n0,n1', ...window)
    t.after(async () => {
      await cluster.command('scontrol', 'update', 'NodeName=n3', 'State=RESUME')
      await cluster.command('scontrol', 'delete', 'ReservationName=ours')
    })
    await poll('the node is drained', async () => (await nodesOf(rig))[3]?.usable === false)
    const usable = async (one: SiteRig) => (await nodesOf(one)).map((node) => node.usable)
    assert.deepEqual(await usable(rig), [false, false, true, false])
    assert.deepEqual(await usable(mine), [true, true, false, false])
    assert.match((await nodesOf(rig))[3]?.labels?.['reason'] ?? '', /^a broken fan/)
    const refused = await rig.provider.launch(orderOn(rig, ['n3'], 1), forever)
    assert.equal(refused.ok || refused.fault.kind, 'no-capacity')
    const order = orderOn(mine, ['n1'], 1)
    const where = tellsWhere(mine, order)
    await mine.launched(order)
    await poll('it runs in the reservation', async () => where().length === 1)
    assert.deepEqual(where(), ['0 n1 0'])
    await mine.gone(order.token)
  })

  test(`${way}: who has nodes alone keeps others off them`, async (t) => {
    const rig = await openSite(cluster, { ...site, exclusive: true })
    t.after(rig.close)
    const order = orderOn(rig, ['n1'], 1)
    const where = tellsWhere(rig, order)
    await rig.launched(order)
    await poll('it runs', async () => where().length === 1)
    assert.ok(valueOf(await rig.provider.offers(rig.name, forever)).every(({ divisible }) => !divisible))
    // The rest of the node is nobody's else either.
    const { n1 } = foreignBy(await nodesOf(rig))
    assert.equal(n1?.cpuMilli, 63_000)
  })
}

test('a node that sleeps, or is being woken, takes orders', async (t) => {
  const other = await startCluster({ nodes: 1, gpus: 0, imagined: 2 })
  const open = (way: Way) => openSite(other, { ...way, partition: 'imagined' })
  const rigs = await Promise.all([open({ conf: other.conf }), open({ rest: other.rest })])
  t.after(async () => {
    await other.command('scancel', '--user', other.user) // we would wait until it cannot be forgotten any more
    await Promise.all(rigs.map(({ close }) => close()))
    await other.stop()
  })
  const wake = async (rig: SiteRig, name: string) => {
    const stateOf = () => other.command('scontrol', '--oneliner', 'show', 'node', name)
    const isUsable = async () => (await nodesOf(rig)).find((node) => node.name === name)?.usable
    assert.match(await stateOf(), /POWERED_DOWN/)
    assert.equal(await isUsable(), true)
    await rig.launched(orderOn(rig, [name], 0))
    await poll('Slurm wakes it', async () => /POWERING_UP/.test(await stateOf()))
    assert.match(await stateOf(), /NOT_RESPONDING/)
    assert.equal(await isUsable(), true)
    const second = await rig.provider.launch(orderOn(rig, [name], 0), forever)
    assert.equal(second.ok || second.fault.detail, true)
  }
  await Promise.all(rigs.map((rig, at) => wake(rig, `c${at}`)))
})

test('a cluster without a topology has nodes that each stand alone, and one of blocks has domains of accelerators', async (t) => {
  for (const kind of ['default', 'block'] as const) {
    if (kind === 'block' && Number.parseFloat(cluster.version) < 23.11) continue
    const other = await startCluster({ nodes: 4, topology: kind })
    const rig = await openSite(other, { conf: other.conf })
    t.after(async () => {
      await rig.close()
      await other.stop()
    })
    const paths = (await nodesOf(rig)).map(({ path }) => path.slice(0, -1))
    assert.deepEqual(paths, kind === 'default' ? [['n0'], ['n1'], ['n2'], ['n3']] : [['b0'], ['b0'], ['b1'], ['b1']])
  }
})
