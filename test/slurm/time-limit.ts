import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, describe, test, type TestContext } from 'node:test'

import { WorkloadDetail } from '#api/views.ts'
import { agentFiles } from '#model/agent-folder.ts'
import { gangFiles, type GangJob } from '#model/gang-folder.ts'
import { linesOf } from '#rigs/lines.ts'
import { aServer, ask } from '#rigs/server.ts'
import { startCluster } from '#rigs/slurm/cluster.ts'
import { aHouse } from '#rigs/slurm/house.ts'
import { openSite, poll } from '#rigs/slurm/site.ts'

// Slurm's own time limit: it warns the ranks of a job, and nobody of ours tells them to stop. All run at the same time, since
// no limit is shorter than a minute.

const cluster = await startCluster({ nodes: 2, gpus: 0 })
after(cluster.stop)
await cluster.command('scontrol', 'update', 'PartitionName=main', 'MaxTime=1')

const limitMs = 60_000
const graceMs = 10_000

/** Of a job, by its number: its state, when it began, and its limit. */
async function shown(job: number) {
  const line = await cluster.command('scontrol', '--oneliner', 'show', 'job', String(job))
  const field = (name: string): string => new RegExp(` ${name}=(\\S*)`).exec(line)?.[1] ?? ''
  return { state: field('JobState'), limit: field('TimeLimit'), startedAt: Date.parse(field('StartTime')) }
}

const notes = join(cluster.folder, 'shared')

/** Waits for the warning, and then does something. */
const waiting = (onWarning: string): string => `trap '${onWarning}' TERM\nwhile :; do sleep 0.1; done`

async function isWarned(t: TestContext, site: { conf: string } | { rest: string }): Promise<void> {
  const rig = await openSite(cluster, site)
  t.after(rig.close)
  const order = rig.order({ ranks: 2, graceMs })
  const saved = join(notes, `${order.token}.saved`)
  // One is done before its agent has heard that it was warned, the other takes its time.
  rig.script(order, (rank) => waiting(`now=$(date +%s); sleep ${2 * rank}; echo ${rank} $now >> ${saved}; exit 0`))
  await rig.launched(order)
  const seen = await rig.until(order, 'it is lost', (now) => now?.ranks.every(({ state }) => state === 'lost') ?? false)
  const folder = join(rig.folder, 'orders', order.token)
  const { id } = JSON.parse(readFileSync(join(folder, gangFiles.job), 'utf8')) as GangJob
  const { state, limit, startedAt } = await shown(id)
  assert.deepEqual([state, limit, existsSync(join(folder, gangFiles.stop))], ['COMPLETED', '00:01:00', false])
  const saves = linesOf(saved)
    .sort()
    .map((line) => line.split(' ').map(Number))
  assert.deepEqual(
    saves.map(([rank]) => rank),
    [0, 1],
    'each has saved once',
  )
  for (const [, seconds = 0] of saves) {
    const leftMs = startedAt + limitMs - seconds * 1000
    assert.ok(leftMs > graceMs - 2_000 && leftMs < graceMs + 62_000, `warned ${leftMs} ms before the limit`)
  }
  for (const { state: rank, exitCode, cause } of seen?.ranks ?? []) {
    assert.deepEqual([rank, exitCode, cause?.kind], ['lost', null, 'deadline'])
    assert.match(cause?.detail ?? '', /^Slurm warned it, and then says COMPLETED/)
    assert.match(cause?.fix ?? '', /^a job there may run 1m at most: save checkpoints/)
  }
  for (const rank of ['0', '1']) assert.ok(existsSync(join(folder, rank, agentFiles.taken)))
}

type House = Awaited<ReturnType<typeof aHouse>>

/** Submits a gang, and says how it is from then on, by whichever server is there. */
async function submitted(house: House, spec: object) {
  const [id = assert.fail('it was not taken')] = await house.submit(
    JSON.stringify({
      kind: 'job',
      name: 'gang',
      nodes: 2,
      resources: { cpus: 1, memory: '64MB' },
      checkpoint: { grace: `${graceMs}ms` },
      ...spec,
    }),
  )
  const look = async (server = house.server) =>
    WorkloadDetail.parse((await ask(server, `GET /v1/workloads/${id}`)).json)
  await poll('it runs', async () => (await look()).state === 'running')
  return { id, look }
}

const jobsOf = async (lease: string, states: string): Promise<number> =>
  (await cluster.command('squeue', '-h', '-t', states, '-o', '%j')).split(lease).length - 1

/** The house is not there from now on, until Slurm has ended a job. */
async function awayUntilOver(t: TestContext, house: House, lease: string) {
  await house.server.close()
  await poll('Slurm has ended it', async () => (await jobsOf(lease, 'R,PD,CG')) === 0)
  return aServer(t, { home: house.home, url: house.url, port: 0 })
}

const goesOn = `
echo $ISOBAR_RANK >> $NOTES.starts
[ -z "$ISOBAR_RESUME_DIR" ] || exec cat $ISOBAR_RESUME_DIR/step
${waiting('sleep 2; echo 41 > $ISOBAR_CHECKPOINT_DIR/step; exit 0')}`

async function isTriedAgain(t: TestContext, { away }: { away: boolean }): Promise<void> {
  const house = await aHouse(t, cluster)
  const file = join(notes, `${away ? 'away' : 'here'}`)
  const { look } = await submitted(house, { run: goesOn, env: { NOTES: file } })
  const lease = (await look()).attemptList[0]?.lease?.id ?? assert.fail('it has a lease')
  const server = away ? await awayUntilOver(t, house, lease) : house.server
  await poll('it has ended', async () => (await look(server)).endedAt !== null)
  const { state, exitCode, attemptList } = await look(server)
  const fates = attemptList.map((one) => [one.number, one.state, one.exitCode]).sort()
  assert.deepEqual([state, exitCode], ['succeeded', 0])
  assert.deepEqual(fates, [
    [1, 'lost', null],
    [2, 'succeeded', 0],
  ])
  const first = attemptList.find(({ number }) => number === 1)
  assert.match(
    first?.reason ?? '',
    /^slurm\/rig lost rank \d: its time there was over \(Slurm warned it, and then says COMPLETED\); a job there may run 1m at most: /,
  )
  assert.deepEqual(linesOf(`${file}.starts`).sort(), ['0', '0', '1', '1'])
  await server.close() // before its folder goes, which it would make anew
}

describe('the time limit of Slurm', { concurrency: true, timeout: 240_000 }, () => {
  test('by its commands: warns a gang, which saves and ends, and is told as such', (t) =>
    isWarned(t, { conf: cluster.conf }))
  test('over HTTP: warns a gang, which saves and ends, and is told as such', (t) => isWarned(t, { rest: cluster.rest }))

  test('a gang whose partition allows less than it needs goes on from its checkpoint', (t) =>
    isTriedAgain(t, { away: false }))
  test('so it does where no control plane was there when its time was over', (t) => isTriedAgain(t, { away: true }))

  test('a gang that ran beyond its maximum while no control plane was there has saved, and fails with 124', async (t) => {
    const house = await aHouse(t, cluster)
    const saved = join(notes, 'maximum.saved')
    const run = waiting('sleep 2; echo $ISOBAR_RANK >> $SAVED; exit 0')
    const { id, look } = await submitted(house, {
      run,
      env: { SAVED: saved },
      duration: { maximum: '15s' },
      retry: { onLoss: 0 },
    })
    const lease = (await look()).attemptList[0]?.lease?.id ?? assert.fail('it has a lease')
    const server = await awayUntilOver(t, house, lease)
    await poll('it has ended', async () => (await look(server)).endedAt !== null)
    const { state, exitCode, reason, attempts } = await look(server)
    assert.deepEqual([state, exitCode, reason, attempts], ['failed', 124, 'ran longer than its maximum of 15s', 1])
    const { next } = (await ask(server, `GET /v1/workloads/${id}/why`)).json
    assert.equal(next[0], 'isobar run <file> (with a longer duration.maximum in it)')
    assert.deepEqual(linesOf(saved).sort(), ['0', '1'])
    await server.close()
  })
})
