import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'

import type { Sighting } from '#providers/provider.ts'
import { openFaultProxy } from '#rigs/fault-proxy.ts'
import { startCluster } from '#rigs/slurm/cluster.ts'
import { openSite, startsIn, tellStarts, type Way } from '#rigs/slurm/site.ts'

// A controller that is there and does not answer for a while, as when the disk with its state hangs, and one that answers
// late.

const cluster = await startCluster({ nodes: 2 })
after(cluster.stop)

const ways: [string, Way][] = [
  ['by its commands', { conf: cluster.conf }],
  ['over HTTP', { rest: cluster.rest }],
]

/** slurmctld stands still while something is done, and for so long. */
async function stoppedFor<T>(milliseconds: number, doing: () => Promise<T>): Promise<T> {
  await cluster.kill('slurmctld', 'SIGSTOP')
  const over = pause(milliseconds).then(() => cluster.kill('slurmctld', 'SIGCONT'))
  try {
    return await doing()
  } finally {
    await over
  }
}

const aCall = (): AbortSignal => AbortSignal.timeout(5_000)
const isRunning = (seen: Sighting | null): boolean => seen?.ranks.every(({ state }) => state === 'running') ?? false

for (const [way, site] of ways)
  test(`${way}: a controller that stands still while a gang is submitted, runs and is retired has one gang, which is gone when it is`, async (t) => {
    const rig = await openSite(cluster, site)
    t.after(rig.close)
    const order = rig.order({ ranks: 2 })
    const handle = { site: rig.name, token: order.token }
    tellStarts(cluster, rig, order)
    const submitted = await stoppedFor(10_000, () => rig.provider.launch(order, aCall()))
    assert.ok(submitted.ok || submitted.fault.retry === 'later', JSON.stringify(submitted))
    await rig.launched(order)
    await rig.until(order, 'it runs', isRunning)
    await stoppedFor(10_000, async () => {
      for (const end = performance.now() + 8_000; performance.now() < end; await pause(500)) {
        const [got, listed] = await Promise.all([
          rig.provider.get(handle, aCall()),
          rig.provider.list(rig.name, aCall()),
        ])
        const seen = [
          ...(got.ok ? [got.value] : []),
          ...(listed.ok ? [listed.value.find(({ token }) => token === order.token) ?? null] : []),
        ]
        assert.ok(seen.every(isRunning), JSON.stringify(seen))
        for (const answer of [got, listed])
          if (!answer.ok) assert.deepEqual([answer.fault.kind, answer.fault.retry], ['unreachable', 'later'])
      }
    })
    await rig.until(order, 'it still runs', isRunning)
    const told = await stoppedFor(10_000, () => rig.provider.retire(handle, 1_000, aCall()))
    if (told.ok) assert.equal(told.value, 'retiring')
    else assert.deepEqual([told.fault.kind, told.fault.retry], ['unreachable', 'later'])
    await rig.gone(order.token, 1_000)
    assert.deepEqual(startsIn(cluster, order), ['0', '1'])
  })

test('a slurmrestd that is two seconds away: a gang is launched, seen and retired once', async (t) => {
  const { port } = new URL(cluster.rest)
  const proxy = await openFaultProxy({ target: { host: '127.0.0.1', port: Number(port) }, draw: () => 0 })
  t.after(() => proxy.close())
  const rig = await openSite(cluster, { rest: `http://127.0.0.1:${proxy.port}` })
  t.after(rig.close)
  const order = rig.order({ ranks: 2 })
  tellStarts(cluster, rig, order)
  proxy.trouble([{ kind: 'far', ms: 1_000 }])
  await rig.launched(order)
  await rig.until(order, 'it runs', isRunning)
  await rig.launched(order)
  await rig.gone(order.token, 1_000)
  assert.deepEqual(startsIn(cluster, order), ['0', '1'])
})
