import assert from 'node:assert/strict'
import { after, test } from 'node:test'

import { startCluster } from '#rigs/slurm/cluster.ts'
import { forever, openSite, poll, startsIn, tellStarts } from '#rigs/slurm/site.ts'
import { sshHere, startSsh } from '#rigs/slurm/ssh.ts'

const cluster = await startCluster({ nodes: 2 })
after(cluster.stop)

const skip = sshHere() || process.env['ISOBAR_RIGS'] === 'required' ? false : 'there is no sshd on this machine'

for (const afar of [false, true] as const)
  test(
    `over SSH${afar ? ', without a shared disk' : ''}: a gang runs, is seen, ends and goes as it does by commands on this machine`,
    { skip },
    async (t) => {
      const server = await startSsh(cluster)
      t.after(server.stop)
      const way = { conf: cluster.conf, ssh: server.host, sshConfig: server.config, ...(afar && { afar }) }
      const rig = await openSite(cluster, way)
      const order = rig.order({ ranks: 2 })
      tellStarts(cluster, rig, order)
      await poll('it answers', async () => (await rig.provider.offers(rig.name, forever)).ok)
      await rig.launched(order)
      await rig.until(order, 'it runs', (seen) => seen?.ranks.every(({ state }) => state === 'running') ?? false)
      assert.deepEqual(startsIn(cluster, order), ['0', '1'])
      const nodes = await rig.provider.abilities.inventory?.(rig.name, forever)
      assert.deepEqual(nodes?.ok && nodes.value.map(({ path }) => path), [
        ['n0', 'leaf0', 'core', rig.name],
        ['n1', 'leaf0', 'core', rig.name],
      ])
      await rig.gone(order.token)
      await rig.close()
    },
  )

test('over SSH: a server that is not there, or lets nobody in, is never read as nothing there', { skip }, async (t) => {
  const server = await startSsh(cluster)
  t.after(server.stop)
  const rig = await openSite(cluster, { conf: cluster.conf, ssh: server.host, sshConfig: server.config })
  await poll('it answers', async () => (await rig.provider.list(rig.name, forever)).ok)
  const other = await openSite(cluster, { conf: cluster.conf, ssh: `nobody@${server.host}`, sshConfig: server.config })
  const refused = await other.provider.list(other.name, forever)
  assert.equal(refused.ok || refused.fault.kind, 'denied')
  await server.stop()
  const gone = await rig.provider.list(rig.name, forever)
  assert.equal(gone.ok || gone.fault.kind, 'unreachable')
  for (const one of [rig, other]) await one.controlPlane.down()
})
