import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { basename, join } from 'node:path'
import { after, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'

import { taggedProcesses } from '#kit/processes.ts'
import type { CredentialedOrder } from '#model/order.ts'
import { startCluster } from '#rigs/slurm/cluster.ts'
import { forever, openSite, poll, type SiteRig, startsIn, tellStarts, type Way } from '#rigs/slurm/site.ts'

// A cluster whose nodes share no disk with us: what is particular there. `afar-conformance.ts` has the rest.

const cluster = await startCluster({ nodes: 4, apart: true })
after(cluster.stop)

const byCommands: Way = { conf: cluster.conf, afar: true }
const overHttp: Way = { rest: cluster.rest, afar: true }

const allAre = (state: string) => (seen: { ranks: { state: string }[] } | null) =>
  seen?.ranks.every((rank) => rank.state === state) ?? false

async function logOf(rig: SiteRig, { token }: CredentialedOrder, rank = 0): Promise<{ text: string; end: boolean }> {
  const read = await rig.provider.logs({ site: rig.name, token }, { rank, from: 0, most: 1_000_000 }, forever)
  assert.ok(read.ok)
  assert.equal(read.value.from, 0)
  return { text: Buffer.from(read.value.bytes).toString(), end: read.value.end }
}

/** What is in /tmp of the nodes, but for the folder of the cluster itself. */
const leftOnNodes = (): string[] =>
  [0, 1, 2, 3].flatMap((node) =>
    readdirSync(join(cluster.folder, `nodes/n${node}`)).filter((name) => name !== basename(cluster.folder)),
  )

const said = (rank: number): string => `rank ${rank} sees []\n`

test('ranks see nothing of what the house keeps, and what they write is read from its beginning while they run', async (t) => {
  const rig = await openSite(cluster, overHttp)
  t.after(rig.close)
  const order = rig.order({ ranks: 2 })
  const go = join(cluster.folder, 'shared', `${order.token}.go`)
  const homes = join(cluster.folder, 'homes')
  rig.script(
    order,
    (rank) => `echo rank ${rank} sees "[$(ls ${homes})]"; until [ -e ${go} ]; do sleep 0.1; done; echo end`,
  )
  await rig.launched(order)
  assert.ok(readdirSync(homes).length > 0)
  for (const rank of [0, 1]) await poll('it is heard', async () => (await logOf(rig, order, rank)).text === said(rank))
  assert.deepEqual(
    [(await logOf(rig, order)).end, allAre('running')(await rig.until(order, 'it is seen', Boolean))],
    [false, true],
  )
  assert.ok(leftOnNodes().length >= 3, 'who leads and two ranks have a folder each')
  execFileSync('touch', [go])
  await rig.until(order, 'all have ended', allAre('exited'))
  for (const rank of [0, 1]) assert.deepEqual(await logOf(rig, order, rank), { text: `${said(rank)}end\n`, end: true })
})

test('the credential is in no list of processes, and in no argument or comment of the job', async (t) => {
  const rig = await openSite(cluster, byCommands)
  t.after(rig.close)
  const order = rig.order()
  rig.script(order, () => 'ps -eo args; exec sleep 1000')
  await rig.launched(order)
  await rig.until(order, 'it runs', allAre('running'))
  await poll('it has looked', async () => (await logOf(rig, order)).text.includes('sleep'))
  const { text } = await logOf(rig, order)
  assert.ok(text.includes('isobar-gang.js'))
  assert.ok(!text.includes(order.credential))
  const shown = await cluster.command('scontrol', 'show', 'job', '--details')
  assert.ok(shown.includes(`isobar-${order.token}`) && !shown.includes(order.credential))
})

test('ranks go on while no control plane answers; answers that are lost make no difference to codes and logs', async (t) => {
  const rig = await openSite(cluster, byCommands)
  t.after(rig.close)
  rig.controlPlane.dropEvery = 3
  const order = rig.order({ ranks: 2 })
  const go = join(cluster.folder, 'shared', `${order.token}.go`)
  const wait = `until [ -e ${go} ]; do sleep 0.1; done`
  rig.script(order, (rank) => `echo before; ${wait}; for i in $(seq 20); do echo line $i; done; exit ${rank}`)
  await rig.launched(order)
  for (const rank of [0, 1]) await poll('it is heard', async () => (await logOf(rig, order, rank)).text === 'before\n')
  await rig.controlPlane.down()
  execFileSync('touch', [go])
  await pause(3000)
  assert.equal((await logOf(rig, order)).text, 'before\n')
  await rig.controlPlane.up()
  const seen = await rig.until(order, 'all have ended', allAre('exited'))
  assert.deepEqual(
    seen?.ranks.map(({ exitCode }) => exitCode),
    [0, 1],
  )
  const lines = Array.from({ length: 20 }, (_, index) => `line ${index + 1}\n`)
  const text = `before\n${lines.join('')}`
  for (const rank of [0, 1]) assert.deepEqual(await logOf(rig, order, rank), { text, end: true })
})

const fourAtATime = () => ({ run: 'echo task $ISOBAR_TASK_INDEX done', slots: 4 })

async function jobOf(rig: SiteRig, { token }: CredentialedOrder): Promise<{ id: string; state: string }> {
  const note = JSON.parse(readFileSync(join(rig.folder, 'orders', token, 'job.json'), 'utf8')) as { id: number }
  const id = String(note.id)
  return { id, state: (await cluster.command('squeue', '-h', '-t', 'all', '-j', id, '-o', '%T')).trim() }
}

test('a job that starts while no control plane answers waits for one', async (t) => {
  const rig = await openSite(cluster, byCommands)
  t.after(rig.close)
  const order = rig.order({ ranks: 2 })
  rig.script(order, () => 'exit 3')
  await rig.controlPlane.down()
  await rig.launched(order)
  await poll('it runs', async () => (await jobOf(rig, order)).state === 'RUNNING')
  await poll('it tries', async () => leftOnNodes().length > 0)
  await rig.controlPlane.up()
  await rig.until(order, 'all have ended', allAre('exited'))
})

test('a job that ends before it has asked for its order is lost, as one that nobody heard of', async (t) => {
  const rig = await openSite(cluster, byCommands)
  t.after(rig.close)
  const order = rig.order()
  rig.script(order, () => 'exit 3')
  await rig.controlPlane.down()
  const before = new Set(leftOnNodes())
  await rig.launched(order)
  const itsFolder = () => leftOnNodes().find((name) => !before.has(name))
  await poll('it tries', async () => itsFolder() !== undefined)
  process.kill(Number(itsFolder()?.split('.')[1]), 'SIGKILL') // the folder is named by its process
  const seen = await rig.until(order, 'it is lost', (now) => now?.ranks[0]?.cause !== undefined)
  assert.deepEqual([seen?.ranks[0]?.state, seen?.ranks[0]?.cause?.kind], ['lost', 'unheard'])
  await rig.controlPlane.up()
})

test('workers of an array take tasks there, each task once', async (t) => {
  const rig = await openSite(cluster, byCommands)
  t.after(rig.close)
  const order = rig.order({ ranks: 2 })
  rig.controlPlane.gangs.set(order.credential, { ranks: 2, tasks: 30, go: fourAtATime })
  await rig.launched(order)
  await rig.until(order, 'all have ended', allAre('exited'))
  assert.deepEqual([rig.controlPlane.ended.size, rig.controlPlane.doubled.length], [30, 0])
  const logs = await Promise.all([0, 1].map((rank) => logOf(rig, order, rank)))
  assert.equal(logs.flatMap(({ text }) => text.match(/task \d+ done/g) ?? []).length, 30)
})

test('a second job with the same order runs nothing, and lasts as long as the first', async (t) => {
  const rig = await openSite(cluster, byCommands)
  t.after(rig.close)
  const order = rig.order({ ranks: 2 })
  tellStarts(cluster, rig, order)
  await rig.launched(order)
  await rig.until(order, 'it runs', allAre('running'))
  const { id } = await jobOf(rig, order)
  const input = await cluster.command('scontrol', 'write', 'batch_script', id, '-')
  const argv = ['--parsable', '--nodes=2', '--ntasks=2', '--job-name=double', '--chdir=/', '--output=/dev/null']
  const env = { ...process.env, SLURM_CONF: cluster.conf }
  const double = execFileSync('sbatch', argv, { env, input, encoding: 'utf8' }).trim()
  const stateOf = async () => (await cluster.command('squeue', '-h', '-t', 'all', '-j', double, '-o', '%T')).trim()
  await poll('the second runs', async () => (await stateOf()) === 'RUNNING')
  await pause(5000)
  assert.deepEqual([await stateOf(), startsIn(cluster, order)], ['RUNNING', ['0', '1']])
  await rig.gone(order.token)
  await poll('the second has ended', async () => (await stateOf()) === 'COMPLETED')
})

test('a gang that is retired has its grace, and leaves nothing on its nodes', async (t) => {
  const rig = await openSite(cluster, overHttp)
  t.after(rig.close)
  const order = rig.order({ ranks: 3, graceMs: 20_000 })
  rig.script(
    order,
    () =>
      'trap "echo saved; exit 9" TERM; mkdir closed; touch closed/file; chmod 000 closed; echo ready; while :; do sleep 0.1; done',
  )
  const before = new Set(leftOnNodes())
  await rig.launched(order)
  for (const rank of [0, 1, 2]) await poll('it waits', async () => (await logOf(rig, order, rank)).text === 'ready\n')
  const its = leftOnNodes().filter((name) => !before.has(name))
  assert.equal(its.length, 4, 'who leads and three ranks have a folder each')
  const { token } = order
  await rig.provider.retire({ site: rig.name, token }, 20_000, forever)
  const seen = await rig.until(order, 'all have ended', allAre('exited'))
  assert.deepEqual(
    seen?.ranks.map(({ exitCode }) => exitCode),
    [9, 9, 9],
  )
  assert.match((await logOf(rig, order, 2)).text, /saved\n$/)
  await rig.gone(token, 20_000)
  assert.deepEqual(
    leftOnNodes().filter((name) => its.includes(name)),
    [],
  )
})

const onOneNode = (order: CredentialedOrder): CredentialedOrder => ({
  ...order,
  ranks: order.ranks.map((rank) => ({ ...rank, node: 'n3' })),
})

test('a gang whose job was killed hard leaves what the next one there removes', async (t) => {
  const rig = await openSite(cluster, byCommands)
  t.after(rig.close)
  const order = onOneNode(rig.order())
  rig.script(order, () => 'exec sleep 1000')
  await rig.launched(order)
  await rig.until(order, 'it runs', allAre('running'))
  // Slurm tells ranks before it kills them, and who is told removes what he has. All stand still first, so that none sees another end.
  for (const name of ['SIGSTOP', 'SIGKILL'] as const)
    for (const { pid } of await taggedProcesses('ISOBAR_CREDENTIAL', order.credential)) process.kill(pid, name)
  await rig.until(order, 'it is lost', allAre('lost'))
  const left = leftOnNodes()
  assert.ok(left.length > 0)
  await rig.gone(order.token)
  const next = onOneNode(rig.order())
  rig.script(next, () => 'exit 0')
  await rig.launched(next)
  await rig.until(next, 'it has ended', allAre('exited'))
  await rig.gone(next.token)
  assert.deepEqual(
    leftOnNodes().filter((name) => left.includes(name)),
    [],
  )
})

// Last: numbers of jobs begin anew then, and nodes remember for a while which of them have ended.
test('what has ended keeps its exact codes and its log when Slurm knows nothing of it any more', async (t) => {
  const rig = await openSite(cluster, overHttp)
  t.after(rig.close)
  const order = rig.order({ ranks: 3 })
  rig.script(order, (rank) => `echo last word; ${['exit 255', 'kill -SEGV $$', 'exit 0'][rank]}`)
  await rig.launched(order)
  await rig.until(order, 'all have ended', allAre('exited'))
  await cluster.kill('slurmctld')
  rmSync(join(cluster.folder, 'state'), { recursive: true })
  mkdirSync(join(cluster.folder, 'state'))
  await cluster.start('slurmctld')
  const seen = await rig.until(order, 'it is seen', (now) => now !== null)
  assert.deepEqual(
    seen?.ranks.map(({ exitCode }) => exitCode),
    [255, 139, 0],
  )
  assert.deepEqual(await logOf(rig, order, 1), { text: 'last word\n', end: true })
})
