import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { after, test, type TestContext } from 'node:test'

import type { CredentialedOrder } from '#model/order.ts'
import { startCluster } from '#rigs/slurm/cluster.ts'
import { forever, openSite, orderOn, type SiteRig, startsIn, tellStarts } from '#rigs/slurm/site.ts'
import { watchRest } from '#rigs/slurm/watched-rest.ts'

// What a submit asks of slurmrestd, where a list of all jobs is what costs most.

const cluster = await startCluster({ nodes: 4, imagined: 2 })
after(cluster.stop)

async function aWatchedSite(t: TestContext) {
  const rest = await watchRest(cluster.rest)
  t.after(rest.close)
  const rig = await openSite(cluster, { rest: rest.address })
  t.after(rig.close)
  return { rest, rig }
}

const runs = (rig: SiteRig, order: CredentialedOrder) =>
  rig.until(order, 'it runs', (seen) => seen?.ranks.every(({ state }) => state === 'running') ?? false)

const jobsNamed = async ({ token }: CredentialedOrder): Promise<number> =>
  (await cluster.command('squeue', '-h', '-t', 'all', `--name=isobar-${token}`, '-o', '%A')).match(/^\d/gm)?.length ?? 0

test('an order that is submitted, seen and retired lists no jobs', async (t) => {
  const { rest, rig } = await aWatchedSite(t)
  const orders = [rig.order({ ranks: 2 }), rig.order()]
  for (const order of orders) {
    tellStarts(cluster, rig, order)
    await rig.launched(order)
  }
  for (const order of orders) await runs(rig, order)
  assert.ok((await rig.provider.list(rig.name, forever)).ok)
  for (const { token } of orders) await rig.gone(token)
  const asked = rest.asked()
  assert.equal(asked.filter((one) => one.endsWith('/job/submit')).length, 2)
  assert.deepEqual(
    asked.filter((one) => /\/jobs\b/.test(one)),
    [],
  )
})

test('by its commands an order asks for its own job, and not for all of ours', async (t) => {
  const rig = await openSite(cluster, { conf: cluster.conf })
  t.after(rig.close)
  /** How often the controller was asked for all jobs, or for all of a user's. */
  const lists = async (): Promise<number> => {
    const counted = (await cluster.command('sdiag')).matchAll(/REQUEST_JOB_(?:USER_)?INFO +\( *\d+\) +count:(\d+)/g)
    return [...counted].reduce((sum, [, count]) => sum + Number(count), 0)
  }
  const before = await lists()
  const order = rig.order()
  tellStarts(cluster, rig, order)
  await rig.launched(order)
  await runs(rig, order)
  await rig.gone(order.token)
  assert.equal(await lists(), before)
  const others = [rig.order(), rig.order()]
  for (const one of others) {
    tellStarts(cluster, rig, one)
    await rig.launched(one)
  }
  assert.ok((await rig.provider.list(rig.name, forever)).ok)
  assert.equal(await lists(), before + 1, 'several are asked for together')
})

test('one that no job can carry yet lists none either, however often it is tried, nor when it is retired', async (t) => {
  const { rest, rig } = await aWatchedSite(t)
  const order = rig.order()
  tellStarts(cluster, rig, order)
  for (let tries = 0; tries < 3; tries++) {
    rest.lose('question', '/ping') // its folder is there by then
    const tried = await rig.provider.launch(order, forever)
    assert.equal(tried.ok || tried.fault.kind, 'unreachable')
  }
  assert.ok(existsSync(join(rig.folder, 'orders', order.token)))
  await rig.gone(order.token)
  assert.equal(rest.lists(), 0)
  assert.equal(await jobsNamed(order), 0)
})

test('an order for a chosen node is taken, though the first node of the cluster is of another partition', async (t) => {
  const { rest, rig } = await aWatchedSite(t)
  const order = orderOn(rig, ['n3'], 0)
  tellStarts(cluster, rig, order)
  const taken = await rig.provider.launch(order, forever)
  assert.ok(taken.ok, JSON.stringify(taken))
  const asked = rest.asked()
  for (const what of ['partition', 'reservations', 'node'])
    assert.equal(asked.filter((one) => new RegExp(`/${what}\\b`).test(one)).length, 1, what)
  await runs(rig, order)
})

for (const lost of ['question', 'reply'] as const)
  test(`a submit whose ${lost} is lost is looked for once, by whichever control plane comes next, and the gang runs once`, async (t) => {
    const { rest, rig } = await aWatchedSite(t)
    const other = await rig.open()
    const order = rig.order()
    tellStarts(cluster, rig, order)
    rest.lose(lost, '/job/submit')
    const first = await rig.provider.launch(order, forever)
    assert.equal(first.ok || first.fault.kind, 'unreachable')
    assert.equal(rest.lists(), 0)
    const again = await other.launch(order, forever)
    assert.ok(again.ok, JSON.stringify(again))
    await runs(rig, order)
    assert.equal(rest.lists(), 1)
    assert.deepEqual([startsIn(cluster, order), await jobsNamed(order)], [['0'], 1])
  })

test('of control planes that submit the same order at once, one looks for nothing, and the gang runs once', async (t) => {
  const { rest, rig } = await aWatchedSite(t)
  const planes = [rig.provider, await rig.open(), await rig.open()]
  const orders = Array.from({ length: 4 }, () => rig.order())
  for (const order of orders) {
    tellStarts(cluster, rig, order)
    await Promise.all(planes.map((plane) => plane.launch(order, forever)))
  }
  assert.ok(rest.lists() <= orders.length * (planes.length - 1))
  for (const order of orders) {
    await rig.launched(order)
    await runs(rig, order)
  }
  // A second job waits until the first has ended, and runs nothing.
  for (const order of orders) assert.deepEqual(startsIn(cluster, order), ['0'])
})
