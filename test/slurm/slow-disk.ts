import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'

import type { Sighting } from '#providers/provider.ts'
import { noSlowDisk, openSlowDisk, type SlowDisk } from '#rigs/slow-disk.ts'
import { type Cluster, startCluster } from '#rigs/slurm/cluster.ts'
import { openSite, poll, startsIn, tellStarts } from '#rigs/slurm/site.ts'

// A real controller whose disk with its state takes writes late, or none for a while. It is there, and answers late itself
// or not at all: a submit that it has not answered may have been taken. `still.ts` has one that stands still as a whole.

const skip = noSlowDisk() ?? false

let cluster: Cluster
let disk: SlowDisk

before(async () => {
  if (skip !== false) return
  cluster = await startCluster({ nodes: 2, gpus: 0 })
  await cluster.kill('slurmctld', 'SIGTERM')
  disk = await openSlowDisk(join(cluster.folder, 'state'))
  await cluster.start('slurmctld')
  const idle = () => cluster.command('sinfo', '-h', '-N', '-p', 'main', '-t', 'idle', '-o', '%N')
  await poll('it knows its nodes again', async () => (await idle()).match(/^n/gm)?.length === 2)
})
after(async () => {
  if (skip !== false) return
  await cluster.kill('slurmctld')
  await disk.close()
  await cluster.stop()
})

const aCall = (): AbortSignal => AbortSignal.timeout(2_000)
const isRunning = (seen: Sighting | null): boolean => seen?.ranks.every(({ state }) => state === 'running') ?? false

for (const [way, siteAt] of [
  ['by its commands', () => ({ conf: cluster.conf })],
  ['over HTTP', () => ({ rest: cluster.rest })],
] as const)
  test(
    `${way}: a gang that is submitted, seen and cancelled while the disk of the controller is slow is there once, and gone`,
    { skip },
    async (t) => {
      const rig = await openSite(cluster, siteAt())
      t.after(rig.close)
      const order = rig.order({ ranks: 2 })
      const handle = { site: rig.name, token: order.token }
      tellStarts(cluster, rig, order)
      const submitted = await disk.hangsWhile(() => rig.provider.launch(order, aCall()))
      assert.ok(submitted.ok || submitted.fault.retry === 'later', JSON.stringify(submitted))
      const jobs = async () =>
        (await cluster.command('squeue', '-h', '-t', 'R,PD', '-o', '%j')).split(order.token).length - 1
      await disk.isSlowWhile(async () => {
        await rig.launched(order)
        await rig.until(order, 'it runs', isRunning)
        assert.equal(await jobs(), 1)
        for (let look = 0; look < 5; look++) {
          const [got, listed] = await Promise.all([
            rig.provider.get(handle, aCall()),
            rig.provider.list(rig.name, aCall()),
          ])
          for (const answer of [got, listed])
            if (!answer.ok) assert.deepEqual([answer.fault.kind, answer.fault.retry], ['unreachable', 'later'])
          if (got.ok) assert.ok(isRunning(got.value), JSON.stringify(got))
          if (listed.ok) assert.ok(isRunning(listed.value.find(({ token }) => token === order.token) ?? null))
          await pause(100)
        }
      })
      const told = await disk.hangsWhile(() => rig.provider.retire(handle, 1_000, aCall()))
      if (told.ok) assert.equal(told.value, 'retiring')
      else assert.deepEqual([told.fault.kind, told.fault.retry], ['unreachable', 'later'])
      await disk.isSlowWhile(() => rig.gone(order.token, 1_000))
      assert.deepEqual(startsIn(cluster, order), ['0', '1'])
      assert.equal(await jobs(), 0)
    },
  )
