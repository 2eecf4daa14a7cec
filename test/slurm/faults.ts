import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'

import { createRandom } from '#kit/random.ts'
import type { CredentialedOrder } from '#model/order.ts'
import type { Provider } from '#providers/provider.ts'
import { openFaultProxy } from '#rigs/fault-proxy.ts'
import { startCluster } from '#rigs/slurm/cluster.ts'
import { forever, openSite, poll, type SiteRig, startsIn, tellStarts, type Way } from '#rigs/slurm/site.ts'

const cluster = await startCluster({ nodes: 4 })
after(cluster.stop)

const ways: [string, Way][] = [
  ['by its commands', { conf: cluster.conf }],
  ['over HTTP', { rest: cluster.rest }],
]

const startsOf = (order: CredentialedOrder) => startsIn(cluster, order)
const tells = (rig: SiteRig, order: CredentialedOrder) => tellStarts(cluster, rig, order)

const jobsNamed = async (order: CredentialedOrder): Promise<number> =>
  (await cluster.command('squeue', '-h', '-t', 'all', `--name=isobar-${order.token}`, '-o', '%A')).match(/^\d/gm)
    ?.length ?? 0

const calls = (provider: Provider, order: CredentialedOrder, signal: AbortSignal) => ({
  offers: () => provider.offers(order.site, signal),
  get: () => provider.get({ site: order.site, token: order.token }, signal),
  list: () => provider.list(order.site, signal),
})

test('replies that are lost on their way make no gang run twice, and lose none', async (t) => {
  const { port } = new URL(cluster.rest)
  const proxy = await openFaultProxy({ target: { host: '127.0.0.1', port: Number(port) }, draw: createRandom(7).next })
  t.after(() => proxy.close())
  const rig = await openSite(cluster, { rest: `http://127.0.0.1:${proxy.port}` })
  t.after(rig.close)
  const orders = Array.from({ length: 6 }, () => rig.order())
  for (const order of orders) {
    tells(rig, order)
    proxy.trouble([{ kind: 'cut', of: 'reply', afterBytes: 0 }, { kind: 'refuse' }], 0.8)
    for (let tries = 0; tries < 4; tries++) await rig.provider.launch(order, AbortSignal.timeout(5000))
    proxy.calm()
    await rig.launched(order)
  }
  assert.ok(proxy.met() > 5, `only ${proxy.met()} connections were hurt`)
  for (const order of orders) {
    await rig.until(order, 'it runs', (seen) => seen?.ranks[0]?.state === 'running')
    assert.deepEqual([startsOf(order), await jobsNamed(order)], [['0'], 1])
  }
})

test('a second job with the same order runs nothing, and lasts as long as the first', async (t) => {
  const rig = await openSite(cluster, { conf: cluster.conf })
  t.after(rig.close)
  const order = rig.order({ ranks: 2 })
  tells(rig, order)
  await rig.launched(order)
  await rig.until(order, 'it runs', (seen) => seen?.ranks.every(({ state }) => state === 'running') ?? false)
  const { id } = JSON.parse(readFileSync(join(rig.folder, 'orders', order.token, 'job.json'), 'utf8')) as { id: number }
  const script = await cluster.command('scontrol', 'write', 'batch_script', String(id), '-')
  const programs = execFileSync('ls', [join(cluster.folder, 'shared/programs')], { encoding: 'utf8' }).trim()
  const env = {
    ...process.env,
    SLURM_CONF: cluster.conf,
    ISOBAR_PROGRAM: join(cluster.folder, 'shared/programs', programs),
    ISOBAR_ENTRY: 'bin/isobar-gang.js',
    ISOBAR_GANG: join(rig.folder, 'orders', order.token),
  }
  const argv = ['--parsable', '--nodes=2', '--ntasks=2', '--job-name=double', '--chdir=/', '--output=/dev/null']
  const double = execFileSync('sbatch', argv, { env, input: script, encoding: 'utf8' }).trim()
  const stateOf = async () => (await cluster.command('squeue', '-h', '-t', 'all', '-j', double, '-o', '%T')).trim()
  await poll('the second runs', async () => (await stateOf()) === 'RUNNING')
  await pause(3000)
  assert.deepEqual([await stateOf(), startsOf(order)], ['RUNNING', ['0', '1']])
  await rig.gone(order.token)
  await poll('the second has ended', async () => (await stateOf()) === 'COMPLETED')
})

for (const [way, site] of ways) {
  test(`${way}: without a controller nothing is known and nothing is gone, but ranks go on and are told to stop`, async (t) => {
    const rig = await openSite(cluster, site)
    t.after(rig.close)
    const order = rig.order()
    rig.script(order, () => 'echo hello\nexec sleep 1000')
    await rig.launched(order)
    await rig.until(order, 'it runs', (seen) => seen?.ranks[0]?.state === 'running')
    await pause(6000) // it is written down by then
    await cluster.kill('slurmctld')
    // slurmrestd tries for 10 s and longer; the commands say what is wrong before.
    const patience = () => ('rest' in site ? AbortSignal.timeout(2000) : forever)
    const asked = Object.values(calls(rig.provider, order, patience())).map((ask) => ask())
    const kinds = (await Promise.all(asked)).map((outcome) => outcome.ok || outcome.fault.kind)
    assert.deepEqual(kinds, ['unreachable', 'unreachable', 'unreachable'])
    const handle = { site: rig.name, token: order.token }
    const again = await rig.provider.launch(order, forever) // it has begun
    assert.deepEqual(again, { ok: true, value: { ...handle, inLine: true } })
    const log = await rig.provider.logs(handle, { rank: 0, from: 0, most: 10 }, forever)
    assert.ok(log.ok && Buffer.from(log.value.bytes).toString() === 'hello\n')
    assert.equal(existsSync(join(rig.folder, 'orders', order.token, '0/end.json')), false)
    const retired = await rig.provider.retire(handle, 1000, AbortSignal.timeout(2000))
    assert.equal(retired.ok || retired.fault.kind, 'unreachable')
    await poll('it has ended', async () => existsSync(join(rig.folder, 'orders', order.token, '0/end.json')))
    await cluster.start('slurmctld')
    const later = await rig.until(order, 'it is seen', (now) => now !== null)
    assert.deepEqual(
      later?.ranks.map(({ state, exitCode }) => [state, exitCode]),
      [['exited', 143]],
    )
  })
}

test('a token that has ended, or is nobody’s, is never read as nothing there', async (t) => {
  const rig = await openSite(cluster, { rest: cluster.rest })
  t.after(rig.close)
  const order = rig.order()
  tells(rig, order)
  await rig.launched(order)
  const asking = calls(rig.provider, order, forever)
  const kinds = async () => {
    const found = new Set<string>()
    for (const ask of Object.values(asking)) {
      const outcome = await ask()
      found.add(outcome.ok ? JSON.stringify(outcome.value) : outcome.fault.kind)
    }
    return [...found]
  }
  const good = readFileSync(rig.tokenFile, 'utf8')
  const put = (token: string) => writeFileSync(rig.tokenFile, token)
  put(cluster.token(-10))
  assert.deepEqual(await kinds(), ['denied'])
  put('none')
  assert.deepEqual(await kinds(), ['denied'])
  rmSync(rig.tokenFile)
  assert.deepEqual(await kinds(), ['denied'])
  put(`${good.slice(0, -8)}AAAAAAAA`)
  // 22.05 fails without a word.
  assert.deepEqual(await kinds(), [Number.parseFloat(cluster.version) < 23 ? 'unreachable' : 'denied'])
  put(good)
  await rig.until(order, 'it is seen', (seen) => seen !== null)
})

test('a token that is to be renewed by itself is made where there is none, and anew before it ends', async (t) => {
  const rig = await openSite(cluster, { rest: cluster.rest, conf: cluster.conf, tokenLifespan: '1m' })
  t.after(rig.close)
  rmSync(rig.tokenFile)
  const seen = await rig.provider.list(rig.name, forever)
  assert.deepEqual(seen, { ok: true, value: [] })
  assert.match(readFileSync(rig.tokenFile, 'utf8'), /^\S+\.\S+\.\S+\n$/)
  const ending = cluster.token(20)
  writeFileSync(rig.tokenFile, ending)
  const anew = await rig.open()
  await poll('a new one is there', async () => {
    assert.deepEqual(await anew.list(rig.name, forever), seen)
    return readFileSync(rig.tokenFile, 'utf8') !== ending
  })
})

test('a token is renewed by the program that its site names, well before it ends, and told of where that fails', async (t) => {
  const tokenCommand = ['scontrol', 'token', `username=${cluster.user}`, 'lifespan=600']
  const rig = await openSite(cluster, { rest: cluster.rest, conf: cluster.conf, tokenCommand })
  t.after(rig.close)
  const ending = cluster.token(120, cluster.user, 480)
  const put = () => writeFileSync(rig.tokenFile, ending)
  const open = async (changes: object = {}) => {
    put()
    const provider = await rig.open(changes)
    assert.deepEqual(await provider.list(rig.name, forever), { ok: true, value: [] })
    return provider
  }
  const renewed = await open()
  await poll('a new one is there', async () => readFileSync(rig.tokenFile, 'utf8') !== ending)
  const [, claims = ''] = readFileSync(rig.tokenFile, 'utf8').split('.')
  const { exp, iat } = JSON.parse(Buffer.from(claims, 'base64url').toString()) as { exp: number; iat: number }
  assert.equal(exp - iat, 600, 'it is what scontrol made')
  assert.deepEqual(await renewed.list(rig.name, forever), { ok: true, value: [] })
  assert.deepEqual(await renewed.abilities.warning?.(rig.name), { ok: true, value: null })
  const failing = await open({ tokenCommand: ['scontrol', 'no-such-word'] })
  let told: string | null = null
  await poll('it is told', async () => {
    const warned = await failing.abilities.warning?.(rig.name)
    told = warned?.ok ? warned.value : null
    return told !== null
  })
  assert.match(
    told ?? '',
    /ends at \S+Z, and a new one was not to be had \(scontrol: .+\); write a new one there: scontrol token/,
  )
})

test('a gang of which an agent dies is lost whole', async (t) => {
  const rig = await openSite(cluster, { conf: cluster.conf })
  t.after(rig.close)
  const order = rig.order({ ranks: 2 })
  tells(rig, order)
  await rig.launched(order)
  await rig.until(order, 'it runs', (seen) => seen?.ranks.every(({ state }) => state === 'running') ?? false)
  const file = join(rig.folder, 'orders', order.token, '1', 'agent.json')
  const { pid } = JSON.parse(readFileSync(file, 'utf8')) as { pid: number }
  process.kill(pid, 'SIGKILL')
  await rig.until(order, 'no rank runs', (seen) => seen?.ranks.every(({ state }) => state !== 'running') ?? false)
  const seen = await rig.until(order, 'it is lost', (now) => now?.ranks[1]?.state === 'lost')
  assert.ok(seen)
})

test('a job that somebody else cancels is a loss, with its cause, of all ranks that had not ended by themselves', async (t) => {
  const rig = await openSite(cluster, { conf: cluster.conf })
  t.after(rig.close)
  const order = rig.order({ ranks: 3 })
  rig.script(order, (rank) => (rank === 0 ? 'exit 7' : 'sleep 1000'))
  await rig.launched(order)
  await rig.until(order, 'one has ended', (seen) =>
    [0, 1, 2].every((rank) => seen?.ranks[rank]?.state === (rank === 0 ? 'exited' : 'running')),
  )
  const { id } = JSON.parse(readFileSync(join(rig.folder, 'orders', order.token, 'job.json'), 'utf8')) as { id: number }
  await cluster.command('scancel', String(id))
  // While Slurm still clears it away it does not say why.
  const seen = await rig.until(order, 'it is known why', (now) => now?.ranks[2]?.cause !== undefined)
  assert.deepEqual(
    seen?.ranks.map(({ state, exitCode, cause }) => [state, exitCode, cause?.kind]),
    [
      ['exited', 7, undefined],
      ['lost', null, 'evicted'],
      ['lost', null, 'evicted'],
    ],
  )
  // Nor does the control plane hear of an end that was none of theirs.
  const told = [0, 1, 2].map((rank) => rig.controlPlane.report(order.credential, rank)?.state)
  assert.deepEqual(told, ['exited', 'running', 'running'])
})

test('what has ended keeps its exact codes when Slurm knows nothing of it any more', async (t) => {
  const rig = await openSite(cluster, { rest: cluster.rest })
  t.after(rig.close)
  const order = rig.order({ ranks: 3 })
  rig.script(order, (rank) => ['exit 255', 'kill -SEGV $$', 'exit 0'][rank] ?? '')
  await rig.launched(order)
  const codes = [255, 139, 0]
  await rig.until(order, 'all have ended', (seen) => seen?.ranks.every(({ state }) => state === 'exited') ?? false)
  await cluster.kill('slurmctld')
  rmSync(join(cluster.folder, 'state'), { recursive: true })
  mkdirSync(join(cluster.folder, 'state'))
  await cluster.start('slurmctld')
  assert.equal(await jobsNamed(order), 0)
  const seen = await rig.until(order, 'it is seen', (now) => now !== null)
  assert.deepEqual(
    seen?.ranks.map(({ exitCode }) => exitCode),
    codes,
  )
})
