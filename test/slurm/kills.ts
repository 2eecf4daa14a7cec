import assert from 'node:assert/strict'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'

import type { GangJob } from '#model/gang-folder.ts'
import type { CredentialedOrder } from '#model/order.ts'
import { installAgent } from '#providers/slurm/agent-program.ts'
import { type Cluster, startCluster } from '#rigs/slurm/cluster.ts'
import { forever, openSite, poll, type SiteRig, startsIn, tellStarts } from '#rigs/slurm/site.ts'

const kills = Number(process.env['ISOBAR_KILLS'] ?? 4)

type Round = { afterMs: number; way: 'by its commands' | 'over HTTP'; waits: boolean; apart: boolean }

const roundOf = (index: number, apart: boolean): Round => ({
  afterMs: 1000 + (index % 4) * 1000,
  way: index % 2 === 0 ? 'by its commands' : 'over HTTP',
  waits: index % 3 === 1,
  apart,
})

for (const apart of [false, true]) {
  const where = apart ? ', without a shared disk' : ''
  test(
    `a controller killed soon after a submit loses no gang, and no job of a stranger is touched${where}`,
    {
      concurrency: 4,
    },
    async (t) => {
      let forgotten = 0
      const rounds = Array.from({ length: kills }, (_, index) => {
        const round = roundOf(index, apart)
        const name = `${index + 1}: ${round.way}, killed after ${round.afterMs} ms, while it ${round.waits ? 'waits' : 'runs'}`
        return t.test(name, async (one) => {
          if (await killOnce(one, round)) forgotten++
        })
      })
      await Promise.all(rounds)
      t.diagnostic(`${forgotten} of ${kills} jobs were forgotten, and their numbers given to a stranger`)
      assert.ok(forgotten > 0, 'no job was forgotten, so nothing was tried')
    },
  )
}

/** True if Slurm forgot the job, and gave its number to the stranger. */
async function killOnce(t: TestContext, round: Round): Promise<boolean> {
  const { way, apart } = round
  const cluster = await startCluster({ nodes: 4, apart })
  t.after(cluster.stop)
  const rig = await openSite(cluster, {
    ...(way === 'over HTTP' ? { rest: cluster.rest } : { conf: cluster.conf }),
    ...(apart && { afar: true as const }),
  })
  const { orders, stranger, isForgotten, from } = await goThrough(cluster, rig, round).finally(rig.close)
  t.diagnostic(`the gang ran at its attempt ${orders.length}; its job was ${isForgotten ? '' : 'not '}forgotten`)
  for (const one of orders) {
    const starts = startsIn(cluster, one)
    assert.equal(new Set(starts).size, starts.length, 'a rank was started twice')
  }
  // That Slurm itself ends it together with the forgotten job of the same number is not for us to mend.
  assert.doesNotMatch(cluster.log('slurmctld').slice(from), new RegExp(`REQUEST_KILL_JOB JobId=${stranger} `))
  return isForgotten
}

/** Kills the controller after a submit, has a stranger submit a job, and waits until the gang runs for good. */
async function goThrough(cluster: Cluster, rig: SiteRig, { afterMs, waits, apart }: Round) {
  if (waits) await cluster.command('scontrol', 'update', 'PartitionName=main', 'State=DOWN')
  // It would take long, and what is submitted after a while is written down at once.
  if (!apart) await installAgent(join(cluster.folder, 'shared/programs'))
  await writtenDown(cluster)
  let order = rig.order({ ranks: 2 })
  const orders = [order]
  tellStarts(cluster, rig, order)
  await rig.launched(order)
  const submittedAt = performance.now()
  const { id } = JSON.parse(readFileSync(join(rig.folder, 'orders', order.token, 'job.json'), 'utf8')) as GangJob
  await pause(Math.max(0, afterMs - (performance.now() - submittedAt)))
  await cluster.kill('slurmctld')
  const from = cluster.log('slurmctld').length
  await cluster.start('slurmctld')
  const isForgotten = !(await cluster.command('squeue', '-h', '-t', 'all', '-o', '%j')).includes(order.token)
  if (waits) await cluster.command('scontrol', 'update', 'PartitionName=main', 'State=UP')
  const wrapped = ['--parsable', '--exclusive', '--chdir=/', '--output=/dev/null', '--wrap=sleep 60']
  const stranger = (await cluster.command('sbatch', '--job-name=stranger', ...wrapped)).trim()
  if (isForgotten) assert.equal(Number(stranger), id, 'the stranger has another number than what was forgotten')
  // As the house does: what is lost is retired, and what it did begins anew with another token.
  for (let attempt = 2; ; attempt++) {
    const seen = await rig.until(order, 'it runs or is lost', (now) =>
      [0, 1].every((rank) => ['running', 'lost'].includes(now?.ranks[rank]?.state ?? '')),
    )
    if (seen?.ranks.every(({ state }) => state === 'running') && (await isStable(rig, order)))
      return { orders, stranger, isForgotten, from }
    await rig.gone(order.token)
    order = rig.order({ ranks: 2, attempt })
    orders.push(order)
    tellStarts(cluster, rig, order)
    await rig.launched(order)
  }
}

/** Waits until the controller writes its jobs down: what it takes next it writes down 5 s later. */
async function writtenDown(cluster: Cluster): Promise<void> {
  const state = join(cluster.folder, 'state/job_state')
  const writtenAt = () => (existsSync(state) ? statSync(state).mtimeMs : 0)
  const before = writtenAt()
  await cluster.command('sbatch', '--hold', '--job-name=earlier', '--chdir=/', '--output=/dev/null', '--wrap=true')
  await poll('it is written down', async () => writtenAt() !== before)
}

/** Whether it still runs when nodes have told the controller what they run. */
async function isStable(rig: SiteRig, { token }: CredentialedOrder): Promise<boolean> {
  await pause(5000)
  const seen = await rig.provider.get({ site: rig.name, token }, forever)
  return seen.ok && (seen.value?.ranks.every(({ state }) => state === 'running') ?? false)
}
