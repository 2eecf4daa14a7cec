import assert from 'node:assert/strict'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'

import { WorkloadDetail } from '#api/views.ts'
import type { Sighting } from '#providers/provider.ts'
import { aMinuteOff, setOff } from '#rigs/clock.ts'
import { aDatabase } from '#rigs/postgres.ts'
import { aHome, aServer, ask } from '#rigs/server.ts'
import { startCluster } from '#rigs/slurm/cluster.ts'
import { openSite, poll, startsIn, tellStarts } from '#rigs/slurm/site.ts'

// Our clock is a minute off from those of slurmctld, of the nodes, and of the agents in its jobs.

const cluster = await startCluster({ nodes: 2 })
after(cluster.stop)

const tokenFile = join(cluster.folder, 'house.jwt')
writeFileSync(tokenFile, cluster.token(), { mode: 0o600 })
const directory = join(cluster.folder, 'shared')

for (const [off, milliseconds] of aMinuteOff)
  for (const [way, how] of [
    ['by its commands', { conf: cluster.conf }],
    ['over HTTP', { rest: cluster.rest, tokenFile }],
  ] as const)
    test(`${way}, ${off}: a gang runs once, ends with its code, and its times and its bill lie within its order and now`, async (t) => {
      setOff(t, milliseconds)
      const home = aHome(t)
      const site = { provider: 'slurm', name: 'jobs', partition: 'main', directory, price: '$3600/h', patience: '20s' }
      writeFileSync(join(home, 'sites.yaml'), JSON.stringify({ sites: [{ ...site, ...how }] }))
      const server = await aServer(t, { home, url: await aDatabase(), port: 0 })
      const starts = join(directory, `${milliseconds}-${way.replaceAll(' ', '-')}.starts`)
      const began = Date.now()
      const run = `echo $ISOBAR_RANK >> ${starts}; sleep 2; exit $((7 * ISOBAR_RANK))`
      const spec = { kind: 'job', name: 'gang', nodes: 2, resources: { cpus: 1, memory: '64MB' }, run }
      const { json } = await ask(server, 'POST /v1/workloads', { text: JSON.stringify(spec) })
      const id = json.workloads?.[0]?.id ?? assert.fail(JSON.stringify(json))
      const look = async () => WorkloadDetail.parse((await ask(server, `GET /v1/workloads/${id}`)).json)
      await poll('it has ended', async () => (await look()).endedAt !== null)
      await poll('its lease is gone', async () => (await look()).attemptList[0]?.lease?.state === 'gone')
      await poll('it is in the ledger', async () => Number((await look()).spent.micros) > 0)
      const { state, exitCode, attempts, attemptList, spent } = await look()
      assert.deepEqual([state, exitCode, attempts], ['failed', 7, 1])
      const [attempt = assert.fail('it has one')] = attemptList
      const times = [attempt.createdAt, attempt.startedAt, attempt.endedAt].map((at) => Date.parse(at ?? ''))
      const [, started = 0, ended = 0] = times
      const all = [began, ...times, Date.now()]
      assert.deepEqual(
        all,
        all.toSorted((a, b) => a - b),
      )
      assert.ok(ended - started >= 1_500, `it ran for 2 s, and not for ${ended - started} ms`)
      const costOf = (ms: number) => (Number(attempt.pricePerHour.micros) * ms) / 3_600_000
      const [least, most] = [costOf(1_500), costOf(Date.now() - began)]
      assert.ok(Number(spent.micros) >= least && Number(spent.micros) <= most, `${spent.text}, not ${least} to ${most}`)
    })

const isRunning = (seen: Sighting | null): boolean => seen?.ranks.every(({ state }) => state === 'running') ?? false

for (const [off, milliseconds] of aMinuteOff)
  test(`${off}: a gang that Slurm forgot is not given up while its leader lives`, async (t) => {
    const rig = await openSite(cluster, { conf: cluster.conf })
    t.after(rig.close)
    const order = rig.order({ ranks: 2 })
    tellStarts(cluster, rig, order)
    await rig.launched(order)
    await rig.until(order, 'it runs', isRunning)
    const nodes = ['slurmd.n0', 'slurmd.n1'] as const
    for (const name of nodes) await cluster.kill(name)
    t.after(async () => {
      for (const name of nodes) await cluster.start(name)
    })
    await forgetAll()
    setOff(t, milliseconds)
    const fresh = await rig.open() // it has watched nobody yet
    for (const end = performance.now() + 8_000; performance.now() < end; await pause(500))
      for (const provider of [rig.provider, fresh]) {
        const seen = await provider.get({ site: rig.name, token: order.token }, AbortSignal.timeout(5_000))
        assert.ok(seen.ok && isRunning(seen.value), JSON.stringify(seen))
      }
    assert.deepEqual(startsIn(cluster, order), ['0', '1'])
    await rig.gone(order.token, 1_000)
  })

for (const [off, milliseconds] of aMinuteOff)
  test(`${off} when it is submitted: an order whose job Slurm forgets is neither given up nor run twice by who looks next`, async (t) => {
    const rig = await openSite(cluster, { conf: cluster.conf })
    t.after(rig.close)
    await cluster.command('scontrol', 'update', 'PartitionName=main', 'State=DOWN')
    const order = rig.order({ ranks: 2 })
    tellStarts(cluster, rig, order)
    setOff(t, milliseconds)
    await rig.launched(order)
    t.mock.restoreAll()
    await forgetAll()
    await cluster.command('scontrol', 'update', 'PartitionName=main', 'State=UP')
    const planes = [rig.provider, await rig.open()]
    await poll('it runs', async () => {
      const seen = await Promise.all(
        planes.map((one) => one.get({ site: rig.name, token: order.token }, AbortSignal.timeout(5_000))),
      )
      const shown = seen.flatMap((one) => (one.ok && one.value ? [one.value] : []))
      assert.ok(
        shown.every(({ ranks }) => ranks.every(({ state }) => state !== 'lost')),
        JSON.stringify(shown),
      )
      return shown.length === 2 && shown.every(isRunning)
    })
    assert.deepEqual(startsIn(cluster, order), ['0', '1'])
  })

/** slurmctld is killed, and knows nothing of any job when it is back. */
async function forgetAll(): Promise<void> {
  await cluster.kill('slurmctld')
  rmSync(join(cluster.folder, 'state'), { recursive: true })
  mkdirSync(join(cluster.folder, 'state'))
  await cluster.start('slurmctld')
  assert.equal((await cluster.command('squeue', '-h', '-t', 'all')).trim(), '', 'Slurm knows no job')
}
