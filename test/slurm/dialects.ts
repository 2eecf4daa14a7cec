import assert from 'node:assert/strict'
import { after, test } from 'node:test'

import { dialects } from '#providers/slurm/rest.ts'
import { startCluster } from '#rigs/slurm/cluster.ts'
import { inOneVersion, offeredVersions } from '#rigs/slurm/one-dialect.ts'
import { forever, openSite, orderOn } from '#rigs/slurm/site.ts'

// Each version of slurmrestd's API that this release offers and we speak: else only the newest of them is ever asked.

const cluster = await startCluster({ nodes: 4 })
after(cluster.stop)
const spoken = new Set(dialects.map(({ version }) => version))
const offered = (await offeredVersions(cluster)).filter((version) => spoken.has(version))

test('of what this release offers something is spoken', () => assert.ok(offered.length > 0))

for (const version of offered)
  test(`${version}: nodes are told; a gang is sent as it was ordered, told of by its ranks, ended, and unknown after that`, async (t) => {
    const rest = await inOneVersion(cluster, version)
    const rig = await openSite(cluster, { rest: rest.address })
    t.after(async () => {
      await rig.close()
      await rest.close()
    })
    const nodes = await rig.provider.abilities.inventory?.(rig.name, forever)
    assert.ok(nodes?.ok)
    assert.deepEqual(
      nodes.value.map(({ name, usable, shape: { accelerator, accelerators } }) => [
        name,
        usable,
        accelerator,
        accelerators,
      ]),
      ['n0', 'n1', 'n2', 'n3'].map((name) => [name, true, 'H200', 8]),
    )
    const order = { ...orderOn(rig, ['n2', 'n1'], 2), maximumMs: 7_200_000, graceMs: 90_000 }
    rig.script(order, (rank) => (rank === 0 ? 'exit 255' : 'exec sleep 1000'))
    await rig.launched(order)
    await rig.until(
      order,
      'one has ended and the other runs',
      (seen) => seen?.ranks[0]?.state === 'exited' && seen.ranks[1]?.state === 'running',
    )
    const job = await cluster.command('scontrol', '--oneliner', 'show', 'job', '--details')
    const mine = job.split('\n').find((line) => line.includes(` JobName=isobar-${order.token} `)) ?? ''
    const field = (name: string) => new RegExp(` ${name}=(\\S*)`).exec(mine)?.[1]
    assert.deepEqual(
      ['NumNodes', 'ReqNodeList', 'TimeLimit', 'Requeue', 'Comment', 'CPUs/Task', 'Dependency'].map(field),
      ['2', 'n[1-2]', '02:05:00', '0', `isobar-${order.token}`, '1', '(null)'],
    )
    assert.match(mine, /gres[/:]gpu:h200:2/)
    await rig.gone(order.token)
    assert.deepEqual(await rig.provider.get({ site: rig.name, token: order.token }, forever), { ok: true, value: null })
    const nobodys = rig.order({ ranks: 5 })
    const refused = await rig.provider.launch(nobodys, forever)
    assert.equal(refused.ok || refused.fault.kind, 'no-capacity')
  })
