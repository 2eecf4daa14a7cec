import assert from 'node:assert/strict'
import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, test, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'

import { callMain } from '#cli/captured.ts'
import { SlurmConfig, slurmSites } from '#providers/slurm/config.ts'
import type { BatchJob } from '#providers/slurm/controller.ts'
import { controllerOf } from '#providers/slurm/slurm.ts'
import { aDatabase } from '#rigs/postgres.ts'
import { aHome, aServer, ask } from '#rigs/server.ts'
import { startCluster } from '#rigs/slurm/cluster.ts'

// Joining and leaving partitions of a real Slurm by the commands, over slurmrestd and by Slurm's own commands.

const cluster = await startCluster({ nodes: 2 })
after(cluster.stop)
await cluster.command('scontrol', 'create', 'PartitionName=physics', 'Nodes=n0', 'AllowAccounts=physics', 'State=UP')
await cluster.command('scontrol', 'create', 'PartitionName=shut', 'Nodes=n1', 'State=DOWN')

const shared = join(cluster.folder, 'shared')
const known = ['--directory', shared, '--price', '$12/h', '--jurisdiction', 'se,EU']
const byCommands = ['--conf', cluster.conf]

async function aHouse(t: TestContext) {
  const home = aHome(t)
  const none = { provider: 'simulated', name: 'none', shape: { cpus: 1, memory: '1GB' } }
  writeFileSync(join(home, 'sites.yaml'), JSON.stringify({ sites: [none] }))
  const server = await aServer(t, { home, url: await aDatabase(), port: 0 })
  const env = { ISOBAR_HOME: home }
  const isobar = (...argv: string[]) => callMain(argv, { env })
  const token = (seconds?: number) => {
    const path = join(home, 'token.jwt')
    writeFileSync(path, cluster.token(seconds), { mode: 0o600 })
    return path
  }
  return {
    home,
    server,
    isobar,
    token,
    byRest: (seconds?: number) => ['--rest', cluster.rest, '--token-file', token(seconds)],
    add: (...argv: string[]) => isobar('site', 'add', 'slurm', ...argv),
  }
}

test('both ways find the same, and what is left open is asked for', async (t) => {
  const house = await aHouse(t)
  const looks = [byCommands, house.byRest()].map(async (way) => {
    const seen = await house.add(...way, ...known, '--partition', 'main', '--dry-run', '-o', 'json')
    assert.equal(seen.code, 0, seen.stderr)
    const { nodes, facts, obstacles, unknown, site } = JSON.parse(seen.stdout)
    const version = facts.find(({ name }: { name: string }) => name === 'version').value
    return { nodes, obstacles, unknown, site, version }
  })
  const [first, second] = await Promise.all(looks)
  assert.deepEqual(first, second)
  assert.equal(first?.version, cluster.version)
  assert.equal(first?.site, 'slurm/main')
  assert.deepEqual(
    first?.nodes.map(({ nodes, usable, accelerators, priceMicros }: Record<string, unknown>) => {
      return { nodes, usable, accelerators, priceMicros }
    }),
    [{ nodes: 2, usable: 2, accelerators: 'H200:8', priceMicros: 12_000_000 }],
  )
  const open = await house.add(...byCommands, '--partition', 'main')
  assert.equal(open.code, 2)
  for (const flag of ['--jurisdiction', '--price']) assert.ok(open.stderr.includes(`${flag}: `), flag)
  assert.match(open.stderr, /next: isobar site add slurm … --jurisdiction DE,EU --price \$20\/h/)
  // Without a folder its nodes ask the control plane.
  const afar = known.slice(2)
  const seen = await house.add(...byCommands, ...afar, '--partition', 'main', '--dry-run')
  assert.equal(seen.code, 0, seen.stderr)
  assert.match(seen.stdout + seen.stderr, /each must reach the control plane, and have curl or wget/)
})

test('a partition is joined and left, and nothing of it is left on the disk', async (t) => {
  const house = await aHouse(t)
  const joined = await house.add(...house.byRest(), ...known, '--partition', 'main')
  assert.equal(joined.code, 0, joined.stderr)
  const text =
    'kind: job\nname: sleeper\nresources: { cpus: 2, memory: 1GB }\ncheckpoint: { grace: 1s }\nrun: sleep 1000\n'
  const { json } = await ask(house.server, 'POST /v1/workloads', { text })
  const { id } = json.workloads[0]
  const look = async () => (await ask(house.server, `GET /v1/workloads/${id}`)).json
  await until('it runs', async () => (await look()).state === 'running')
  assert.deepEqual(sitesOnDisk(), ['main'])
  const twice = await house.add(...house.byRest(), ...known, '--partition', 'main', '--name', 'again')
  assert.equal(twice.code, 5, twice.stderr)
  assert.match(twice.stderr, /it is the same place as slurm\/main, and neither .*\nnext: use slurm\/main, name another/)
  const left = await house.isobar('site', 'leave', 'slurm/main', '--stop')
  assert.equal(left.code, 0, left.stderr)
  assert.equal((await look()).state, 'queued')
  await until('its folder is gone', async () => sitesOnDisk().length === 0)
  assert.equal((await cluster.command('squeue', '-h', '-t', 'R,PD')).trim(), '')
})

/** Sites of houses on the shared disk. */
const sitesOnDisk = (): string[] =>
  readdirSync(shared).flatMap((house) => (house === 'programs' ? [] : readdirSync(join(shared, house))))

test('a program that is to renew a token is tried before a site is joined with it', async (t) => {
  const house = await aHouse(t)
  const from = join(house.home, 'made.jwt')
  const tokenFile = join(house.home, 'slurm', 'main.jwt')
  const way = ['--rest', cluster.rest, '--token-file', tokenFile, ...known, '--partition', 'main', '--dry-run']
  const add = (command: string) => house.add(...way, '--token-command', command)
  const absent = await add('no-such-program token')
  assert.equal(absent.code, 4, absent.stderr)
  assert.match(absent.stderr, /there is no no-such-program on this machine[^]*next: no-such-program token\n/)
  const failing = await add(`cat ${from}`)
  assert.match(failing.stderr, /cat: .*No such file or directory[^]*next: cat \S+made.jwt\n/)
  writeFileSync(from, cluster.token(3))
  assert.match((await add(`cat ${from}`)).stderr, /cat printed a token that ended at/)
  const good = cluster.token(600)
  writeFileSync(from, `SLURM_JWT=${good}\n`)
  const seen = await add(`cat ${from}`)
  assert.equal(seen.code, 0, seen.stderr)
  assert.match(seen.stdout, /token: +ends at \S+Z; made by cat, and anew with half of its life left/)
  assert.ok(!`${seen.stdout}${seen.stderr}`.includes(good), 'it is shown')
  assert.ok(!existsSync(tokenFile), 'it was only looked at')
})

test('a token that ends before long, and is not renewed, is told of while all still goes on', async (t) => {
  const house = await aHouse(t)
  const tokenFile = house.token(600)
  const joined = await house.add('--rest', cluster.rest, '--token-file', tokenFile, ...known, '--partition', 'main')
  assert.equal(joined.code, 0, joined.stderr)
  assert.match(
    joined.stderr,
    /its token ends, and only somebody else can replace it: --token-lifespan 1d or --token-command/,
  )
  const text = 'kind: job\nname: sleeper\nresources: { cpus: 1, memory: 64MB }\nrun: sleep 1000\n'
  const { json } = await ask(house.server, 'POST /v1/workloads', { text })
  const { id } = json.workloads[0]
  await until('it runs', async () => (await ask(house.server, `GET /v1/workloads/${id}`)).json.state === 'running')
  const site = async () => {
    const { json: list } = await ask(house.server, 'GET /v1/sites')
    return list.items.find((one: { site: string }) => one.site === 'slurm/main')
  }
  assert.equal((await site()).detail, '')
  const ending = cluster.token(120, cluster.user, 480)
  writeFileSync(tokenFile, ending)
  await until('somebody hears of it', async () => (await site()).detail !== '')
  assert.equal((await site()).reach, 'reachable')
  const [sites, events, why] = await Promise.all([
    house.isobar('sites'),
    house.isobar('events'),
    house.isobar('why', id),
  ])
  const warning =
    /the token in \S+ ends at \S+, and nothing renews it; write a new one there: scontrol token lifespan=86400 > \S+token\.jwt\n/
  for (const shown of [sites, events, why]) {
    assert.match(shown.stdout, warning)
    assert.ok(!shown.stdout.includes(ending), 'it is shown')
  }
  house.token(600)
  await until('nobody is to worry', async () => (await site()).detail === '')
  const left = await house.isobar('site', 'leave', 'slurm/main', '--stop')
  assert.equal(left.code, 0, left.stderr)
})

test('what is wrong is told with its fix: partition, account, token, folder, address', async (t) => {
  const house = await aHouse(t)
  const expect = async (argv: string[], code: number, [said, fix]: [RegExp, RegExp]) => {
    const answer = await house.add(...known, ...argv)
    assert.equal(answer.code, code, answer.stderr)
    assert.match(answer.stderr, said)
    assert.match(answer.stderr, fix)
  }
  for (const way of [byCommands, house.byRest()]) {
    await expect([...way, '--partition', 'mian'], 2, [
      /no partition mian; it has main, .*physics, shut/,
      /next: --partition main\n/,
    ])
    await expect([...way, '--partition', 'shut'], 2, [
      /partition shut is closed/,
      /next: scontrol update PartitionName=shut State=UP/,
    ])
    const account = [...way, '--partition', 'physics', '--account', 'physiks']
    await expect(account, 2, [/is for the accounts physics, and jobs would be of physiks/, /next: --account physics\n/])
  }
  await expect([...house.byRest(-60), '--partition', 'main'], 4, [
    /token\.jwt ended at/,
    /next: scontrol token lifespan=86400/,
  ])
  const away = ['--rest', 'http://127.0.0.1:9', '--token-file', house.token()]
  await expect([...away, '--partition', 'main'], 1, [/127\.0\.0\.1:9: /, /next: curl/])
  const nowhere = [...byCommands, '--partition', 'main', '--directory', join(shared, 'nowhere')]
  await expect(nowhere, 2, [/there is no folder \S+nowhere on this machine/, /next: mkdir -p/])
  assert.ok(!existsSync(join(shared, 'nowhere')))
  assert.doesNotMatch((await house.isobar('sites')).stdout, /slurm/)
})

const update = (state: string) => cluster.command('scontrol', 'update', 'PartitionName=main', `State=${state}`)

test('partition closed after joining: what is sent there says so, with what opens it last', async (t) => {
  const house = await aHouse(t)
  const joined = await house.add(...byCommands, ...known, '--partition', 'main')
  assert.equal(joined.code, 0, joined.stderr)
  t.after(() => update('UP'))
  // It takes jobs and starts none, or takes none.
  const said = { DOWN: 'Slurm says PartitionDown\\)', INACTIVE: 'partition not available \\(inactive or drain\\)' }
  for (const [state, why] of Object.entries(said)) {
    await update(state)
    const text = `kind: job\nname: w-${state.toLowerCase()}\nresources: { cpus: 1, memory: 64MB }\nrun: sleep 1000\n`
    const { json } = await ask(house.server, 'POST /v1/workloads', { text })
    const fix = 'ask who runs the cluster to open its partition: scontrol update PartitionName=… State=UP'
    const told = new RegExp(`${why}; ${fix}`)
    await until(`it is told why: ${state}`, async () =>
      told.test((await house.isobar('why', json.workloads[0].id)).stdout),
    )
  }
})

test('GRES unknown: what no node has is refused before it is sent, and by Slurm, with where to look last', async (t) => {
  const house = await aHouse(t)
  const joined = await house.add(...byCommands, ...known, '--partition', 'main')
  assert.equal(joined.code, 0, joined.stderr)
  const text = 'kind: job\nname: b300\nresources: { accelerators: "B300:8" }\nrun: sleep 1\n'
  const { json } = await ask(house.server, 'POST /v1/workloads', { text })
  let why = ''
  await until('it is told why', async () => {
    const { stdout, stderr } = await house.isobar('why', json.workloads[0].id)
    why = stdout + stderr
    return why.includes('there are H200')
  })
  assert.match(why, /No site has a node with 8 B300; there are H200\.[^]*\nnext: isobar offers --gpu B300\n$/)
  // What the nodes lost since they were looked at.
  const tokenFile = house.token()
  const ways = [{ conf: cluster.conf }, { rest: cluster.rest, tokenFile }]
  const declared = ways.map((way, at) => ({ name: `s${at}`, partition: 'main', directory: shared, ...way }))
  for (const site of slurmSites(SlurmConfig.parse({ sites: declared }), shared)) {
    const refused = await controllerOf(site).submit(aJob({ type: 'b300', count: 8 }), AbortSignal.timeout(20_000))
    assert.ok(!refused.ok)
    assert.match(
      refused.fault.detail,
      /node configuration is not available; see what nodes have: sinfo -N -o "%N %c %m %G"$/,
    )
  }
})

const aJob = (gpus: BatchJob['gpus']): BatchJob => ({
  name: 'unknown',
  comment: 'unknown',
  nodes: 1,
  nodelist: null,
  cpusPerNode: 1,
  memoryMiB: 64,
  gpus,
  minutes: null,
  graceSeconds: 1,
  script: '#!/bin/sh\n',
  environment: { PATH: '/usr/bin:/bin' },
  folder: '/',
  output: '/dev/null',
})

async function until(what: string, condition: () => Promise<boolean>): Promise<void> {
  for (const deadline = performance.now() + 120_000; !(await condition()); await sleep(100))
    if (performance.now() > deadline) assert.fail(`waited in vain: ${what}`)
}
