import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'

import type { CredentialedOrder } from '#model/order.ts'
import { startCluster } from '#rigs/slurm/cluster.ts'
import { forever, openSite, type SiteRig, startsIn, tellStarts } from '#rigs/slurm/site.ts'

const kills = Number(process.env['ISOBAR_KILLS'] ?? 3)

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
      const rounds = Array.from({ length: kills }, (_, index) => {
        const round = roundOf(index, apart)
        const name = `${index + 1}: ${round.way}, killed after ${round.afterMs} ms, while it ${round.waits ? 'waits' : 'runs'}`
        return t.test(name, (one) => killOnce(one, round))
      })
      await Promise.all(rounds)
    },
  )
}

async function killOnce(t: TestContext, { afterMs, way, waits, apart }: Round): Promise<void> {
  const cluster = await startCluster({ nodes: 4, apart })
  t.after(cluster.stop)
  const rig = await openSite(cluster, {
    ...(way === 'over HTTP' ? { rest: cluster.rest } : { conf: cluster.conf }),
    ...(apart && { afar: true as const }),
  })
  if (waits) await cluster.command('scontrol', 'update', 'PartitionName=main', 'State=DOWN')
  const submittedAt = performance.now()
  let order = rig.order({ ranks: 2 })
  const all = [order]
  tellStarts(cluster, rig, order)
  await rig.launched(order)
  await pause(Math.max(0, afterMs - (performance.now() - submittedAt)))
  await cluster.kill('slurmctld')
  const said = cluster.log('slurmctld').length
  await cluster.start('slurmctld')
  if (waits) await cluster.command('scontrol', 'update', 'PartitionName=main', 'State=UP')
  const wrapped = ['--parsable', '--exclusive', '--chdir=/', '--output=/dev/null', '--wrap=sleep 60']
  const stranger = (await cluster.command('sbatch', '--job-name=stranger', ...wrapped)).trim()
  // As the house does: what is lost is retired, and what it did begins anew with another token.
  for (let attempt = 2; ; attempt++) {
    const seen = await rig.until(order, 'it runs or is lost', (now) =>
      [0, 1].every((rank) => ['running', 'lost'].includes(now?.ranks[rank]?.state ?? '')),
    )
    if (seen?.ranks.every(({ state }) => state === 'running') && (await isStable(rig, order))) break
    await rig.gone(order.token)
    order = rig.order({ ranks: 2, attempt })
    all.push(order)
    tellStarts(cluster, rig, order)
    await rig.launched(order)
  }
  t.diagnostic(`the gang ran at its attempt ${all.length}`)
  await rig.close()
  for (const one of all) {
    const starts = startsIn(cluster, one)
    assert.equal(new Set(starts).size, starts.length, 'a rank was started twice')
  }
  // That Slurm itself ends it together with the forgotten job of the same number is not for us to mend.
  assert.doesNotMatch(cluster.log('slurmctld').slice(said), new RegExp(`REQUEST_KILL_JOB JobId=${stranger} `))
}

/** Whether it still runs when nodes have told the controller what they run. */
async function isStable(rig: SiteRig, { token }: CredentialedOrder): Promise<boolean> {
  await pause(5000)
  const seen = await rig.provider.get({ site: rig.name, token }, forever)
  return seen.ok && (seen.value?.ranks.every(({ state }) => state === 'running') ?? false)
}
