import assert from 'node:assert/strict'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'

import { identify, lives } from '#kit/processes.ts'
import { agentFiles } from '#model/agent-folder.ts'
import { gangFiles } from '#model/gang-folder.ts'
import type { CredentialedOrder } from '#model/order.ts'
import type { Sighting } from '#providers/provider.ts'
import { linesOf } from '#rigs/lines.ts'
import { startCluster } from '#rigs/slurm/cluster.ts'
import { forever, openSite, poll, type SiteRig, type Way } from '#rigs/slurm/site.ts'

const cluster = await startCluster({ nodes: 4 })
after(cluster.stop)

const ways: [string, Way][] = [
  ['by its commands', { conf: cluster.conf }],
  ['over HTTP', { rest: cluster.rest }],
]

const runs = (seen: Sighting | null): boolean => seen?.ranks.every(({ state }) => state === 'running') ?? false
const isLost = (seen: Sighting | null): boolean => seen?.ranks.some(({ state }) => state === 'lost') ?? false

type Job = { id: number }

const jobOf = (rig: SiteRig, { token }: CredentialedOrder): string =>
  String((JSON.parse(readFileSync(join(rig.folder, 'orders', token, 'job.json'), 'utf8')) as Job).id)

const fieldsOf = async (job: string, ...names: string[]): Promise<(string | undefined)[]> => {
  const shown = await cluster.command('scontrol', '--oneliner', 'show', 'job', job)
  return names.map((name) => new RegExp(` ${name}=(\\S*)`).exec(shown)?.[1])
}

/** A job of somebody else that takes all four nodes. */
async function takeAll(...more: string[]): Promise<string> {
  const argv = ['--parsable', '--nodes=4', '--exclusive', '--chdir=/', '--output=/dev/null', ...more]
  return (await cluster.command('sbatch', ...argv, '--wrap=sleep 1000')).trim()
}

for (const [way, site] of ways) {
  test(`${way}: a job may run as long as its spec allows and a little longer, and is never requeued`, async (t) => {
    const rig = await openSite(cluster, site)
    t.after(rig.close)
    const order = rig.order({ maximumMs: 7_200_000, graceMs: 90_000 })
    rig.script(order, () => 'exec sleep 1000')
    await rig.launched(order)
    const job = jobOf(rig, order)
    assert.deepEqual(await fieldsOf(job, 'TimeLimit', 'Requeue', 'Partition'), ['02:05:00', '0', 'main'])
    const running = await rig.until(order, 'it runs', runs)
    const heldMs = Date.now() - (running?.heldSince ?? 0)
    assert.ok(heldMs > -1_000 && heldMs < 60_000, `it has been held for ${heldMs} ms`)
    await assert.rejects(cluster.command('scontrol', 'requeue', job))
  })

  test(`${way}: what waits in the queue of Slurm says why and until when, and what can never start says so`, async (t) => {
    const rig = await openSite(cluster, site)
    t.after(rig.close)
    const other = await takeAll('--time=30')
    t.after(() => cluster.command('scancel', other))
    const order = rig.order()
    rig.script(order, () => 'exec sleep 1000')
    await rig.launched(order)
    const waits = await rig.until(order, 'it is told until when', (seen) =>
      /expects/.test(seen?.ranks[0]?.cause?.detail ?? ''),
    )
    assert.equal(waits?.ranks[0]?.state, 'expected')
    assert.equal(waits?.ranks[0]?.cause?.kind, 'queued')
    assert.equal(waits?.heldSince, null, 'nothing is held for it, so nothing is billed')
    assert.match(
      waits?.ranks[0]?.cause?.detail ?? '',
      /^Slurm says (Resources|Priority), and expects to start it at 20/,
    )
    await cluster.command('scontrol', 'hold', jobOf(rig, order))
    const held = await rig.until(order, 'it is held', (seen) => seen?.ranks[0]?.cause?.kind === 'unschedulable')
    assert.match(held?.ranks[0]?.cause?.detail ?? '', /Held/)
  })

  test(`${way}: a gang that others preempt is lost whole, as preempted, and not requeued`, async (t) => {
    const rig = await openSite(cluster, { ...site, partition: 'spot' })
    t.after(rig.close)
    const order = rig.order({ ranks: 2 })
    rig.script(order, () => 'exec sleep 1000')
    await rig.launched(order)
    await rig.until(order, 'it runs', (seen) => seen?.ranks.every(({ state }) => state === 'running') ?? false)
    const job = jobOf(rig, order)
    const other = await takeAll('--partition=main')
    t.after(() => cluster.command('scancel', other))
    const seen = await rig.until(order, 'it is lost', isLost)
    const lost = ['lost', null, 'preempted']
    assert.deepEqual(
      seen?.ranks.map(({ state, exitCode, cause }) => [state, exitCode, cause?.kind]),
      [lost, lost],
    )
    assert.deepEqual(await fieldsOf(job, 'JobState', 'Restarts'), ['PREEMPTED', '0'])
  })
}

for (const [way, site] of ways) {
  test(`${way}: a gang whose node lost its daemon for a moment goes on, also when Slurm has noticed, and ends as it would have`, async (t) => {
    const rig = await openSite(cluster, site)
    t.after(rig.close)
    const end = join(cluster.folder, 'shared', `${rig.name}.end`)
    const { order, started } = placedOn(rig, ['n0', 'n1'], `while [ ! -e ${end} ]; do sleep 0.1; done; exit 7`)
    await rig.launched(order)
    await rig.until(order, 'it runs', runs)
    const there = started().map((one) => one.process ?? assert.fail('it has begun'))
    const looksFor = lookAt(rig, order, runs)
    await cluster.kill('slurmd.n1')
    await poll('Slurm has noticed', async () => (await stateOf('n1')) === 'mixed*')
    const nodes = await rig.provider.abilities.inventory?.(rig.name, forever)
    assert.equal(nodes?.ok && nodes.value.find(({ name }) => name === 'n1')?.usable, false, 'nothing new comes there')
    await cluster.start('slurmd.n1')
    await poll('it answers', async () => (await stateOf('n1')) === 'mixed')
    await looksFor(slurmdTimeoutMs + 2_000)
    assert.deepEqual([there.map(lives), started().length], [[true, true], 2])
    writeFileSync(end, '')
    const over = await rig.until(order, 'it has ended', (seen) => !runs(seen))
    const ended = await rig.until(
      order,
      'all of it',
      (seen) => seen?.ranks.every(({ state }) => state !== 'running') ?? false,
    )
    assert.ok(!isLost(over) && !isLost(ended))
    assert.deepEqual(
      ended?.ranks.map(({ state, exitCode }) => [state, exitCode]),
      [
        ['exited', 7],
        ['exited', 7],
      ],
    )
  })

  test(`${way}: a gang that an administrator requeues after all is lost, and its job runs nothing when it starts again`, async (t) => {
    const rig = await openSite(cluster, site)
    t.after(rig.close)
    const { order, started } = placedOn(rig, ['n0', 'n1'])
    await rig.launched(order)
    await rig.until(order, 'it runs', runs)
    const there = started().map((one) => one.process ?? assert.fail('it has begun'))
    const job = jobOf(rig, order)
    const folder = join(rig.folder, 'orders', order.token)
    await requeue(job, 'requeue')
    const seen = await rig.until(order, 'it is lost', isLost)
    assert.deepEqual(
      seen?.ranks.map(({ state, exitCode, cause }) => [state, exitCode, cause?.kind, cause?.fix]),
      [requeued, requeued],
    )
    assert.deepEqual(there.map(lives), [false, false], 'Slurm has ended them')
    assert.equal(existsSync(join(folder, gangFiles.stop)), false, 'we told nobody to stop')
    // What keeps each rank from starting twice by itself is taken away: the claim is to be enough.
    for (const rank of ['0', '1']) rmSync(join(folder, rank), { recursive: true })
    await poll('its job is over once more', async () => {
      const [state, restarts] = await fieldsOf(job, 'JobState', 'Restarts')
      return started().length > 2 || (state === 'COMPLETED' && restarts === '1')
    })
    assert.equal(started().length, 2, 'no rank was started twice')
    for (const rank of ['0', '1']) assert.equal(existsSync(join(folder, rank)), false, 'no agent came')
    await rig.until(order, 'it is still lost', isLost)
    await rig.gone(order.token)
  })
}

test('a gang that is requeued and kept in the queue is known to be lost, though its ranks could not say so', async (t) => {
  const rig = await openSite(cluster, { conf: cluster.conf })
  t.after(rig.close)
  const { order, started } = placedOn(rig, ['n0', 'n1'])
  await rig.launched(order)
  await rig.until(order, 'it runs', runs)
  const there = started().map((one) => one.process ?? assert.fail('it has begun'))
  const job = jobOf(rig, order)
  await requeue(job, 'requeuehold')
  await poll('it waits', async () => (await fieldsOf(job, 'JobState'))[0] === 'PENDING')
  assert.deepEqual(there.map(lives), [false, false])
  const folder = join(rig.folder, 'orders', order.token)
  // As where the disk was full when they ended.
  for (const rank of ['0', '1']) for (const file of [agentFiles.taken, agentFiles.end]) rmSync(join(folder, rank, file))
  rmSync(join(folder, gangFiles.over), { force: true })
  const seen = await rig.until(order, 'it is lost', isLost)
  assert.deepEqual(
    seen?.ranks.map(({ state, exitCode, cause }) => [state, exitCode, cause?.kind, cause?.fix]),
    [requeued, requeued],
  )
  await rig.gone(order.token)
  assert.equal(started().length, 2)
})

test('gangs of which a node lost its daemon are lost whole: a rank there ends when it is fenced or the daemon is back, and never runs again', async (t) => {
  const rig = await openSite(cluster, { conf: cluster.conf })
  t.after(rig.close)
  const gangs = [placedOn(rig, ['n1', 'n2']), placedOn(rig, ['n3', 'n2'])]
  for (const { order } of gangs) await rig.launched(order)
  for (const { order } of gangs)
    await rig.until(order, 'it runs', (seen) => seen?.ranks.every(({ state }) => state === 'running') ?? false)
  const there = gangs.map(({ started }) => started()[1]?.process ?? assert.fail('it has begun'))
  const alive = () => there.map(lives)
  await cluster.kill('slurmd.n2')
  t.after(() => cluster.start('slurmd.n2'))
  for (const { order } of gangs) {
    const seen = await rig.until(order, 'it is lost', (now) => now?.ranks[1]?.cause !== undefined)
    assert.deepEqual(
      seen?.ranks.map(({ state, cause }) => [state, cause?.kind]),
      [
        ['lost', 'node-lost'],
        ['lost', 'node-lost'],
      ],
    )
  }
  assert.deepEqual(alive(), [true, true], 'nobody told them on their node')
  const [fenced, other] = gangs.map(({ order }) => order)
  // As the house does when a later attempt exists: their agent dials it, and needs no Slurm for that.
  const gang = rig.controlPlane.gangs.get(fenced?.credential ?? '')
  if (gang) gang.fenced = true
  rig.controlPlane.changed()
  await poll('who is fenced has ended', async () => alive()[0] === false)
  assert.deepEqual(alive(), [false, true])
  await rig.gone(fenced?.token ?? '')
  await cluster.start('slurmd.n2')
  await poll('the other has ended too', async () => alive()[1] === false)
  await rig.gone(other?.token ?? '')
  for (const { order, started } of gangs) {
    assert.deepEqual(
      started().map(({ rank }) => rank),
      [0, 1],
    )
    assert.equal(existsSync(join(rig.folder, 'orders', order.token)), false)
  }
})

const requeued = ['lost', null, 'evicted', 'somebody requeued its job: ask who runs the cluster']

/** What Slurm lets only an administrator do with a job of ours. */
async function requeue(job: string, how: 'requeue' | 'requeuehold'): Promise<void> {
  await cluster.command('scontrol', 'update', `JobId=${job}`, 'Requeue=1')
  await cluster.command('scontrol', how, job)
}

const stateOf = async (node: string): Promise<string> =>
  (await cluster.command('sinfo', '-h', '-N', '-n', node, '-p', 'main', '-o', '%T')).trim()

/** `SlurmdTimeout` of the rig: who did not come back would be given up by then. */
const slurmdTimeoutMs = 10_000

/** Looks at an order from now on, each time as it should be; gives how to look on for some more milliseconds, and to end it. */
function lookAt(rig: SiteRig, { token }: CredentialedOrder, condition: (seen: Sighting | null) => boolean) {
  const ending = new AbortController()
  const looking = (async () => {
    while (!ending.signal.aborted) {
      const looked = await rig.provider.get({ site: rig.name, token }, forever)
      assert.ok(looked.ok && condition(looked.value), JSON.stringify(looked))
      await pause(200)
    }
  })()
  looking.catch(() => undefined)
  return async (milliseconds: number): Promise<void> => {
    await Promise.race([looking, pause(milliseconds)])
    ending.abort()
    await looking
  }
}

/** A gang on these nodes whose ranks write down their processes when they start. */
function placedOn(rig: SiteRig, nodes: readonly string[], then = 'exec sleep 1000') {
  const any = rig.order({ ranks: nodes.length })
  const order = { ...any, ranks: any.ranks.map((rank, index) => ({ ...rank, node: nodes[index] ?? assert.fail() })) }
  const starts = join(cluster.folder, 'shared', `${order.token}.starts`)
  rig.script(order, (rank) => `echo ${rank} $$ >> ${starts}\n${then}`)
  const started = () => {
    return linesOf(starts)
      .sort()
      .map((line) => {
        const [rank, pid] = line.split(' ').map(Number)
        return { rank, process: identify(pid ?? 0) }
      })
  }
  return { order, started }
}
