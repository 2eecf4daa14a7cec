import assert from 'node:assert/strict'
import { after, test } from 'node:test'

import type { Outcome } from '#model/fault.ts'
import type { CredentialedOrder } from '#model/order.ts'
import { examineSlurm } from '#providers/slurm/examine.ts'
import { startCluster } from '#rigs/slurm/cluster.ts'
import { forever, openSite, orderOn, poll, type SiteRig, startsIn, tellStarts, type Way } from '#rigs/slurm/site.ts'

// A cluster with slurmdbd and MariaDB, in which accounts and qualities of service have limits.

const cluster = await startCluster({ nodes: 4, accounting: true })
after(cluster.stop)

const manage = (...argv: string[]) => cluster.command('sacctmgr', '--immediate', ...argv)
await manage('add', 'account', 'science', 'GrpTRES=cpu=100')
await manage('add', 'account', 'physics', 'parent=science', 'GrpTRES=gres/gpu=8,node=3', 'MaxWall=90')
await manage('add', 'qos', 'short', 'MaxTRESPerJob=gres/gpu=4', 'MaxTRESPerUser=gres/gpu=6', 'GrpTRES=cpu=50')
await manage('add', 'user', cluster.user, 'account=physics', 'QOS=normal,short')

const ways: [string, Way][] = [
  ['by its commands', { conf: cluster.conf }],
  ['over HTTP', { rest: cluster.rest }],
]

const valueOf = <T>(outcome: Outcome<T>): T => (outcome.ok ? outcome.value : assert.fail(JSON.stringify(outcome.fault)))

async function siteFor(t: { after: (end: () => Promise<void>) => void }, way: Way): Promise<SiteRig> {
  const rig = await openSite(cluster, way)
  t.after(rig.close)
  return rig
}

const boundsAt = async ({ provider, name }: SiteRig) =>
  valueOf(await provider.offers(name, forever)).flatMap(({ bounds = [] }) =>
    bounds.map(({ of, most, by }) => `${of} ${most}: ${by}`).sort(),
  )

/** Jobs of an order in Slurm, with a field of each. */
const jobsOf = async ({ token }: CredentialedOrder, field = '%A'): Promise<string[]> =>
  (await cluster.command('squeue', '-h', '-t', 'all', `--name=isobar-${token}`, '-o', field))
    .split('\n')
    .filter((one) => one !== '')

for (const [way, site] of ways) {
  test(`${way}: offers tell what accounts and QOS allow one order, and who says so`, async (t) => {
    assert.deepEqual(await boundsAt(await siteFor(t, { ...site, account: 'physics' })), [
      'accelerators 8: GrpTRES of account physics',
      'cpuMilli 100000: GrpTRES of account science',
      'nodes 3: GrpTRES of account physics',
    ])
    assert.deepEqual(await boundsAt(await siteFor(t, { ...site, account: 'physics', qos: 'short' })), [
      'accelerators 4: MaxTRES of QOS short',
      'cpuMilli 50000: GrpTRES of QOS short',
      'nodes 3: GrpTRES of account physics',
    ])
    // Whose account has no limits has none.
    const free = cluster.user === 'root' ? await boundsAt(await siteFor(t, { ...site, account: 'root' })) : []
    assert.deepEqual(free, [])
  })

  test(`${way}: an order above a limit is refused as a quota, and never gets to Slurm`, async (t) => {
    const rig = await siteFor(t, { ...site, account: 'physics', qos: 'short' })
    const order = orderOn(rig, ['n0', 'n1'], 4)
    const refused = await rig.provider.launch(order, forever)
    assert.deepEqual(refused.ok || [refused.fault.kind, refused.fault.retry, refused.fault.detail], [
      'quota',
      'elsewhere',
      'MaxTRES of QOS short allows 4 accelerators, and the order needs 8',
    ])
    assert.deepEqual([await jobsOf(order), valueOf(await rig.provider.list(rig.name, forever))], [[], []])
  })

  test(`${way}: a job runs in its account and QOS, no longer than they allow; accounting tells who ended it once Slurm forgot`, async (t) => {
    const rig = await siteFor(t, { ...site, account: 'physics', qos: 'short' })
    const order = orderOn(rig, ['n0', 'n1'], 2)
    tellStarts(cluster, rig, order)
    await rig.launched(order)
    await poll('both ranks run', async () => startsIn(cluster, order).length === 2)
    const [job = ''] = await jobsOf(order)
    assert.deepEqual(await jobsOf(order, '%a %q %l'), ['physics short 1:30:00'])
    await cluster.command('scancel', job)
    await poll('Slurm forgot it', async () => (await jobsOf(order)).length === 0)
    const seen = valueOf(await rig.provider.get({ site: rig.name, token: order.token }, forever))
    assert.deepEqual(
      seen?.ranks.map(({ state, cause }) => [state, cause?.kind, cause?.detail]),
      [0, 1].map(() => ['lost', 'evicted', 'Slurm says CANCELLED']),
    )
    await rig.gone(order.token)
  })

  test(`${way}: an account or a QOS that is not ours is told with its fix, before and when a job is refused`, async (t) => {
    const more = 'conf' in site ? site : { ...site, tokenFile: (await siteFor(t, site)).tokenFile }
    const look = async (fields: object) =>
      await examineSlurm(
        { partition: 'main', directory: cluster.folder, user: cluster.user, ...more, ...fields },
        cluster.folder,
        forever,
      )
    const first = async (fields: object) =>
      (await look(fields)).obstacles.map(({ what, fix }) => `${what}; ${fix}`)[0] ?? ''
    assert.match(
      await first({ account: 'physiks' }),
      /no user \S+ in account physiks; its accounts are .*physics.*; --account physics$/,
    )
    assert.match(
      await first({ account: 'physics', qos: 'shrt' }),
      /may not ask for QOS shrt; allowed are normal, short; --qos short$/,
    )
    assert.match(await first({ licences: ['datset:2'] }), /no licence datset; it has dataset; --licences dataset:2$/)
    assert.match(
      await first({ licences: ['dataset:9'] }),
      /4 of the licence dataset, and each job would hold 9; --licences dataset:4$/,
    )
    const { facts, obstacles } = await look({ account: 'physics', qos: 'short' })
    const fact = (name: string) => facts.find((one) => one.name === name)?.value
    assert.deepEqual(
      [fact('account'), fact('QOS'), fact('licences'), obstacles],
      ['physics', 'short', 'dataset (4 of 4 free)', []],
    )
    assert.match(
      fact('limits') ?? '',
      /MaxTRES of QOS short: gres\/gpu=4; .*GrpTRES of account physics: gres\/gpu=8.*MaxWall: 90 min/,
    )
    // slurmrestd of 22.05 has no shares.
    if ('conf' in site || Number.parseFloat(cluster.version) >= 23.11)
      assert.match(fact('fair-share') ?? '', /^[\d.]+$/)
    for (const [wrong, fix] of [
      [{ account: 'physiks' }, /account.*sacctmgr show associations user=\$USER$/],
      [{ account: 'physics', qos: 'shrt' }, /qos.*sacctmgr show qos$/],
    ] as const) {
      const rig = await siteFor(t, { ...site, ...wrong })
      const refused = await rig.provider.launch(orderOn(rig, ['n0'], 1), forever)
      assert.equal(refused.ok || refused.fault.kind, 'invalid', JSON.stringify(refused))
      assert.match(refused.ok ? '' : refused.fault.detail, fix)
      assert.deepEqual(valueOf(await rig.provider.list(rig.name, forever)), [])
    }
  })

  test(`${way}: a job that waits for a licence says so, with what helps, and runs once there is one`, async (t) => {
    const rig = await siteFor(t, { ...site, account: 'physics', licences: ['dataset:3'] })
    const theirs = ['--parsable', '--account=physics', '--licenses=dataset:2', '--chdir=/', '--output=/dev/null']
    const foreign = (await cluster.command('sbatch', ...theirs, '--wrap=sleep 1000')).trim()
    t.after(() => cluster.command('scancel', foreign))
    await poll('the licences are taken', async () =>
      (await cluster.command('scontrol', 'show', 'licenses')).includes('Used=2'),
    )
    const order = orderOn(rig, ['n1'], 1)
    tellStarts(cluster, rig, order)
    await rig.launched(order)
    const seen = await rig.until(order, 'it waits for a licence', (one) =>
      /Licenses/.test(one?.ranks[0]?.cause?.detail ?? ''),
    )
    assert.equal(seen?.ranks[0]?.cause?.kind, 'queued')
    assert.match(seen?.ranks[0]?.cause?.fix ?? '', /all of a licence .* are in use.*squeue/)
    await cluster.command('scancel', foreign)
    await poll('it runs', async () => startsIn(cluster, order).length === 1)
    assert.match(await cluster.command('scontrol', 'show', 'licenses'), /Used=3/)
    await rig.gone(order.token)
  })
}

test('that a gang was out of time is told by accounting, when Slurm has forgotten its job before anybody looked', async (t) => {
  await cluster.command('scontrol', 'update', 'PartitionName=main', 'MaxTime=1')
  t.after(() => cluster.command('scontrol', 'update', 'PartitionName=main', 'MaxTime=INFINITE'))
  const launched = ways.map(async ([, site]) => {
    const rig = await siteFor(t, { ...site, account: 'physics' })
    const order = orderOn(rig, ['n1'], 1)
    rig.script(order, () => `trap 'exit 0' TERM\nwhile :; do sleep 0.1; done`)
    await rig.launched(order)
    return { rig, order }
  })
  for (const { rig, order } of await Promise.all(launched)) {
    await poll('it is forgotten', async () => (await jobsOf(order)).length === 0)
    const seen = await rig.until(order, 'it is lost', (now) => now?.ranks[0]?.state === 'lost')
    const { kind, detail } = seen?.ranks[0]?.cause ?? {}
    assert.deepEqual([kind, detail], ['deadline', 'Slurm warned it, and then says COMPLETED'])
    await rig.gone(order.token)
  }
})

test('a database that is away keeps nobody from working', async (t) => {
  await cluster.kill('slurmdbd')
  t.after(() => cluster.start('slurmdbd'))
  for (const [, site] of ways) {
    const rig = await siteFor(t, { ...site, account: 'physics' })
    if ('rest' in site && Number.parseFloat(cluster.version) >= 23.11) {
      // This slurmrestd answers nothing without its database: that is a site that does not answer, not an empty one.
      const offers = await rig.provider.offers(rig.name, forever)
      assert.equal(offers.ok || offers.fault.kind, 'unreachable')
      continue
    }
    assert.deepEqual(await boundsAt(rig), [])
    // Without a time of its own it would ask for more than its account allows, which nobody can know now.
    const order = { ...orderOn(rig, ['n2'], 1), maximumMs: 600_000 }
    tellStarts(cluster, rig, order)
    await rig.launched(order)
    await poll('it runs', async () => startsIn(cluster, order).length === 1)
    await rig.gone(order.token)
  }
})
