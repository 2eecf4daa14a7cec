import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, globSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

import { readLog } from '#kit/bounded-log.ts'
import { packBundle } from '#kit/bundle.ts'
import { monotonicMs } from '#kit/clock.ts'
import { identify, lives } from '#kit/processes.ts'
import { type AgentOrder, leaseTag, type RankEnd, type RankStart } from '#model/agent-folder.ts'

import { type Gang, plainGo, ScriptedControlPlane } from './scripted-control-plane.ts'

const program = fileURLToPath(new URL('../../bin/isobar-agent.js', import.meta.url))

/** A control plane and folders for agents; afterwards no process is left. */
async function open(context: TestContext) {
  const controlPlane = await ScriptedControlPlane.open()
  const home = mkdtempSync(join(tmpdir(), 'isobar-agent-'))
  const agents: ReturnType<typeof spawn>[] = []
  context.after(async () => {
    for (const agent of agents)
      if (agent.exitCode === null && agent.signalCode === null) {
        agent.kill('SIGTERM')
        await once(agent, 'exit')
      }
    await controlPlane.down().catch(() => undefined) // a test may have ended it
    rmSync(home, { recursive: true, force: true })
  })
  return {
    controlPlane,
    home,
    /** Starts the agent of one rank; its credential is `c` unless told otherwise. */
    start(gang: Partial<Gang>, changes: Partial<AgentOrder> = {}, environment: NodeJS.ProcessEnv = {}) {
      const order: AgentOrder = {
        token: `l-${process.pid}-${Math.random().toString(36).slice(2)}`,
        workload: 'w-1',
        attempt: 1,
        rank: 0,
        credential: 'c',
        controlPlanes: [controlPlane.address],
        address: '127.0.0.1',
        masterPort: 29_500,
        shape: { name: '', accelerators: 0, acceleratorMemoryMiB: 0, cpuMilli: 0, memoryMiB: 0, diskMiB: 0 },
        accelerators: [],
        graceMs: 0,
        ...changes,
      }
      const { credential, rank } = order
      if (!controlPlane.gangs.has(credential)) controlPlane.gangs.set(credential, { ranks: 1, go: () => ({}), ...gang })
      const folder = join(home, `${credential}-${rank}`)
      mkdirSync(folder, { recursive: true })
      writeFileSync(join(folder, 'order.json'), JSON.stringify(order), { mode: 0o600 })
      const agent = spawn(process.execPath, [program, folder], {
        stdio: ['ignore', 'inherit', 'inherit'],
        env: { ...process.env, ...environment, [leaseTag]: order.token },
      })
      agents.push(agent)
      const exited = once(agent, 'exit')
      return { agent, folder, exited, log: () => logOf(folder) }
    },
  }
}

const logOf = async (folder: string): Promise<string> =>
  Buffer.from((await readLog(join(folder, 'output'), { from: 0, most: 1024 * 1024 })).bytes).toString()

const json = <T>(folder: string, name: string): T => JSON.parse(readFileSync(join(folder, name), 'utf8')) as T

async function until<T>(what: string, condition: () => Promise<T> | T): Promise<T> {
  for (const deadline = performance.now() + 20_000; performance.now() < deadline; await sleep(5)) {
    const value = await condition()
    if (value) return value
  }
  return assert.fail(`waited 20 s in vain: ${what}`)
}

const exits = (code: number | null, signal: string | null = null) => ({ code, signal, outOfMemory: false })

const address = (rank: number) => `127.9.9.${rank + 1}`

test('the ranks of a gang wait for each other and then know each other', async (context) => {
  const { controlPlane, start } = await open(context)
  const gang: Gang = { ranks: 4, go: () => ({ run: 'echo $ISOBAR_RANK/$ISOBAR_NODES of $ISOBAR_NODE_ADDRESSES' }) }
  const first = [0, 1, 2].map((rank) => start(gang, { rank, address: address(rank) }))
  await until('three have arrived', () => [0, 1, 2].every((rank) => controlPlane.report('c', rank)))
  assert.deepEqual(
    first.map(({ folder }) => existsSync(join(folder, 'start.json'))),
    [false, false, false],
  )
  const all = [...first, start(gang, { rank: 3, address: address(3) })]
  await Promise.all(all.map(({ exited }) => exited))
  assert.deepEqual(
    await Promise.all(all.map(({ log }) => log())),
    [0, 1, 2, 3].map((rank) => `${rank}/4 of ${[0, 1, 2, 3].map(address).join(',')}\n`),
  )
})

const aPermit = (run: string, left: { wallMs?: number; monotonicMs?: number } = {}): AgentOrder['permit'] => ({
  go: { ...plainGo, peers: ['127.0.0.1'], run },
  until: { wallMs: Date.now() + (left.wallMs ?? 20_000), monotonicMs: monotonicMs() + (left.monotonicMs ?? 20_000) },
})

test('who has a permit starts before it is heard, reports that it runs, and is stopped when it is fenced', async (context) => {
  const { controlPlane, start } = await open(context)
  await controlPlane.down()
  const { folder, exited, log } = start({ fenced: true }, { permit: aPermit('echo up; exec sleep 1000') })
  await until('it runs', async () => (await log()) === 'up\n')
  await controlPlane.up()
  await exited
  assert.equal(controlPlane.report('c')?.state, 'running')
  assert.deepEqual(json<RankEnd>(folder, 'end.json').exit, exits(null, 'SIGKILL'))
})

test('a permit is over when either clock says so', async (context) => {
  const { controlPlane, start } = await open(context)
  const orders = [aPermit('exit 1', { wallMs: -1 }), aPermit('exit 1', { monotonicMs: -1 })]
  const all = orders.map((permit, rank) => start({ ranks: 2, go: () => ({ run: 'exit 0' }) }, { permit, rank }))
  await Promise.all(all.map(({ exited }) => exited))
  assert.deepEqual(
    [0, 1].map((rank) => controlPlane.report('c', rank)?.exit),
    [exits(0), exits(0)],
  )
})

test('the exit is on disk before it is reported, and the agent leaves only when that was heard', async (context) => {
  const { controlPlane, start } = await open(context)
  const { folder, exited, agent } = start({ go: () => ({ run: 'read nothing; sleep 0.2; exit 7' }) })
  await until('it runs', () => controlPlane.report('c')?.state === 'running')
  await controlPlane.down()
  await until('it is recorded', () => existsSync(join(folder, 'end.json')))
  assert.deepEqual(json<RankEnd>(folder, 'end.json').exit, exits(7))
  assert.equal(agent.exitCode, null)
  await controlPlane.up()
  assert.deepEqual(await exited, [0, null])
  assert.deepEqual(controlPlane.report('c')?.exit, exits(7))
})

test('what was told to stop has its grace, though the shell around it dies at once', async (context) => {
  const { controlPlane, start, home } = await open(context)
  const saved = join(home, 'saved')
  const child = `sh -c 'trap "sleep 0.2; echo saved > ${saved}; exit 0" TERM; echo up; while :; do sleep 0.01; done'`
  const { log, exited } = start({ go: () => ({ run: `${child}\ntrue` }) })
  await until('the child is up', async () => (await log()) === 'up\n')
  const gang = controlPlane.gangs.get('c')
  if (gang) gang.stop = { graceMs: 10_000, reason: 'test' }
  controlPlane.changed()
  await exited
  assert.equal(readFileSync(saved, 'utf8'), 'saved\n')
  assert.deepEqual(controlPlane.report('c')?.exit, exits(null, 'SIGTERM'))
})

test('where a machine is taken away, its processes may hear of it before the agent does', async (context) => {
  const { controlPlane, start } = await open(context)
  const { folder, agent, exited } = start({ go: () => ({ run: 'exec sleep 1000' }) }, { confined: true })
  // It is not written at once.
  const isWritten = () => readFileSync(join(folder, 'start.json'), 'utf8').endsWith('}')
  await until('it runs', () => existsSync(join(folder, 'start.json')) && isWritten())
  const group = json<RankStart>(folder, 'start.json').group ?? assert.fail()
  process.kill(-group.pid, 'SIGTERM')
  await until('it has ended', () => !lives(group))
  await sleep(300)
  agent.kill('SIGTERM')
  await exited
  assert.ok(existsSync(join(folder, 'taken.json')))
  assert.notEqual(controlPlane.report('c')?.state, 'exited')
})

test('a rank that somebody else asks to stop has an end of its own, soon after', async (context) => {
  const { controlPlane, start } = await open(context)
  const { exited } = start({ go: () => ({ run: 'kill -TERM $$' }) }, { confined: true })
  await exited
  assert.deepEqual(controlPlane.report('c')?.exit, exits(null, 'SIGTERM'))
})

test('what ignores SIGTERM is killed after its grace, and so is what left the group', async (context) => {
  const { controlPlane, start } = await open(context)
  const run = "trap '' TERM; setsid sleep 1000 & echo $!; while :; do sleep 0.05; done"
  const { log, agent, exited } = start({ go: () => ({ run }) }, { graceMs: 100 })
  const stray = Number(await until('it wrote', log))
  agent.kill('SIGTERM') // as a machine does that is taken away
  await exited
  assert.deepEqual(controlPlane.report('c')?.exit, exits(null, 'SIGKILL'))
  assert.equal(identify(stray), undefined)
})

test('what a rank left is ended before its end is told, whoever its parent is by now', async (context) => {
  const { controlPlane, start } = await open(context)
  // As a daemon does it: its parent is gone, its group and its session are not those of the rank.
  const daemon = "setsid sh -c '(cd /; exec sleep 1000 <&- >&- 2>&-) & echo $! > daemon'"
  const other = "setsid env ISOBAR_RANK=1 sh -c 'echo $$ > other; exec sleep 1000' > /dev/null 2>&1 &"
  const run = [daemon, other, 'while ! [ -s other ]; do sleep 0.01; done', 'exit 3'].join('\n')
  const { exited, folder } = start({ go: () => ({ run }) })
  await exited
  const pidOf = (name: string) => Number(readFileSync(join(folder, 'work', name), 'utf8'))
  const [stray, foreign] = [pidOf('daemon'), pidOf('other')]
  context.after(() => process.kill(foreign, 'SIGKILL'))
  assert.deepEqual(controlPlane.report('c')?.exit, exits(3))
  assert.equal(identify(stray), undefined)
  assert.ok(identify(foreign), 'what another rank of the order runs is left alone')
})

test('what an agent compiled is kept for others while it lives', async (context) => {
  const { start, home } = await open(context)
  const kept = join(home, 'compiled')
  const { agent } = start({ go: () => ({ run: 'exec sleep 1000' }) }, {}, { NODE_COMPILE_CACHE: kept })
  await until('it is kept', () => globSync('*/*', { cwd: kept }).length > 0)
  assert.equal(agent.exitCode, null)
})

test('a rank that is told to stop before it started never starts', async (context) => {
  const { controlPlane, start } = await open(context)
  const { exited, folder } = start({ ranks: 2, stop: { graceMs: 0, reason: 'test' } })
  await exited
  assert.deepEqual(
    [controlPlane.report('c')?.exit, existsSync(join(folder, 'start.json'))],
    [exits(null, 'SIGTERM'), false],
  )
})

test('a fenced agent kills its rank at once, records that, and says no more', async (context) => {
  const { controlPlane, start } = await open(context)
  const { exited, folder } = start({ go: () => ({ run: "trap '' TERM; while :; do sleep 0.05; done" }) })
  await until('it runs', () => existsSync(join(folder, 'start.json')))
  const gang = controlPlane.gangs.get('c')
  if (gang) gang.fenced = true
  controlPlane.changed()
  assert.deepEqual(await exited, [0, null])
  assert.deepEqual(json<RankEnd>(folder, 'end.json').exit, exits(null, 'SIGKILL'))
  assert.notEqual(controlPlane.report('c')?.state, 'exited')
  const { group } = json<RankStart>(folder, 'start.json')
  assert.ok(group && !lives(group))
})

test('an agent that nobody knows any more leaves its rank alone', async (context) => {
  const { controlPlane, start } = await open(context)
  const { folder, exited } = start({ go: () => ({ run: 'sleep 0.3; exit 3' }) })
  await until('it runs', () => controlPlane.report('c')?.state === 'running')
  const gang = controlPlane.gangs.get('c')
  controlPlane.gangs.delete('c')
  controlPlane.changed()
  await until('it ended by itself', () => existsSync(join(folder, 'end.json')))
  if (gang) controlPlane.gangs.set('c', gang)
  await exited
  assert.deepEqual(controlPlane.report('c')?.exit, exits(3))
})

test('of two agents in one folder one stays, and the rank starts once', async (context) => {
  const { start, home } = await open(context)
  const ran = join(home, 'ran')
  const gang = { go: () => ({ run: `echo x >> ${ran}` }) }
  const both = [start(gang), start(gang)]
  await Promise.all(both.map(({ exited }) => exited))
  await start(gang).exited
  assert.equal(readFileSync(ran, 'utf8'), 'x\n')
})

test('a rank sees what is meant for it and nothing of who started its agent', async (context) => {
  const { start } = await open(context)
  const environment = { HF_TOKEN: 'hush', MASTER_PORT: '1234', ISOBAR_RANK: '9' }
  const secrets = { DATABASE_URL: 'postgres://x', ISOBAR_HOME: '/secret', AWS_SECRET_ACCESS_KEY: 'k', PGPASSWORD: 'p' }
  const { log, exited } = start(
    { go: () => ({ run: 'env', environment }) },
    { accelerators: [2, 3], attempt: 5 },
    secrets,
  )
  await exited
  const seen = Object.fromEntries((await log()).split('\n').map((line) => line.split('=', 2)))
  assert.deepEqual(
    Object.keys(seen).filter((name) => name in secrets),
    [],
  )
  const { HF_TOKEN, MASTER_PORT, MASTER_ADDR, NNODES, ISOBAR_RANK, ISOBAR_ATTEMPT, CUDA_VISIBLE_DEVICES, PATH } = seen
  assert.deepEqual(
    { HF_TOKEN, MASTER_PORT, MASTER_ADDR, NNODES, ISOBAR_RANK, ISOBAR_ATTEMPT, CUDA_VISIBLE_DEVICES, PATH },
    {
      HF_TOKEN: 'hush',
      MASTER_PORT: '1234',
      MASTER_ADDR: '127.0.0.1',
      NNODES: '1',
      ISOBAR_RANK: '0',
      ISOBAR_ATTEMPT: '5',
      CUDA_VISIBLE_DEVICES: '2,3',
      PATH: process.env.PATH,
    },
  )
})

test('a secret is never on disk nor in an argument list', async (context) => {
  const { start, home, controlPlane } = await open(context)
  const secret = `hush-${Math.random()}`
  const { exited } = start({ go: () => ({ run: 'sleep 0.3', environment: { KEY: secret } }) })
  await until('it runs', () => controlPlane.report('c')?.state === 'running')
  const commands = globSync('/proc/[0-9]*/cmdline').map((path) => readOr(path))
  await exited
  const files = globSync(`${home}/**/*`).map((path) => readOr(path))
  assert.deepEqual(
    [...commands, ...files].filter((text) => text.includes(secret)),
    [],
  )
})

const readOr = (path: string): string => {
  try {
    return path.endsWith('/pipe') ? '' : readFileSync(path, 'latin1')
  } catch {
    return '' // a folder, or gone meanwhile
  }
}

test('an attempt writes a folder of its own and resumes from the latest earlier one with content', async (context) => {
  const { start, home } = await open(context)
  const root = join(home, 'checkpoints')
  for (const name of ['1', '2', '9', '10', '11', '13']) mkdirSync(join(root, name), { recursive: true })
  for (const name of ['2', '9', '10', '13']) writeFileSync(join(root, name, 'weights'), name)
  const go = () => ({ run: 'echo $ISOBAR_CHECKPOINT_DIR $ISOBAR_RESUME_DIR', checkpointRoot: root })
  const { log, exited } = start({ go }, { attempt: 12 })
  await exited
  assert.equal(await log(), `${root}/12 ${root}/10\n`)
})

test('output and errors keep their order, and can be opened again by name', async (context) => {
  const { start } = await open(context)
  const run =
    'for i in 1 2 3; do echo out$i; echo err$i >&2; done; echo again > /dev/stderr; echo end | tee /dev/stdout'
  const { log, exited } = start({ go: () => ({ run }) })
  await exited
  assert.equal(await log(), 'out1\nerr1\nout2\nerr2\nout3\nerr3\nagain\nend\nend\n')
})

test('setup runs first, in the unpacked workdir; when it fails, that is the end', async (context) => {
  const { start, home, controlPlane } = await open(context)
  const workdir = join(home, 'workdir')
  mkdirSync(workdir)
  writeFileSync(join(workdir, 'data.txt'), 'packed\n')
  const packed = await packBundle(workdir, { cacheDir: join(home, 'cache') })
  assert.ok('hash' in packed)
  controlPlane.files.set('/blobs/x?signature=1', readFileSync(packed.path))
  const bundle = { hash: packed.hash, url: '/blobs/x?signature=1' }
  const good = start({ go: () => ({ bundle, setup: 'echo made >> data.txt', run: 'cat data.txt' }) })
  const bad = start({ go: () => ({ setup: 'exit 9', run: 'echo never' }) }, { credential: 'bad' })
  await Promise.all([good.exited, bad.exited])
  assert.equal(await good.log(), 'packed\nmade\n')
  assert.deepEqual([await bad.log(), controlPlane.report('bad')?.exit], ['', exits(9)])
})

test('a service gets a free port and is ready when it answers, and no longer when it does not', async (context) => {
  const { start, controlPlane, home } = await open(context)
  const well = join(home, 'well')
  writeFileSync(well, '')
  const server = `require('http').createServer((_, r) => r.writeHead(require('fs').existsSync('${well}') ? 204 : 500).end()).listen(process.env.PORT, '127.0.0.1')`
  const readiness = { path: '/health', periodMs: 20, timeoutMs: 1000, failures: 2 }
  const run = `exec '${process.execPath}' -e "${server}"`
  start({ go: () => ({ run, ports: [8000], readiness }) })
  await until('it is ready', () => controlPlane.report('c')?.ready)
  const [endpoint = ''] = controlPlane.report('c')?.endpoints ?? []
  assert.equal((await fetch(`http://${endpoint}/health`)).status, 204)
  rmSync(well)
  await until('it is not ready', () => controlPlane.report('c')?.ready === false)
  assert.equal(controlPlane.report('c')?.state, 'running')
})

test('every task of an array runs once, though answers are lost on their way', async (context) => {
  const { start, controlPlane, home } = await open(context)
  const ran = join(home, 'ran')
  controlPlane.dropEvery = 3
  const gang: Gang = {
    ranks: 1,
    tasks: 50,
    go: () => ({ slots: 4, run: `echo $ISOBAR_TASK_INDEX >> ${ran}; exit $((ISOBAR_TASK_INDEX % 5 == 0))` }),
  }
  const { exited, folder } = start(gang)
  await exited
  const all = Array.from({ length: 50 }, (_, index) => index)
  const indices = readFileSync(ran, 'utf8').trim().split('\n').map(Number)
  assert.deepEqual(
    indices.sort((a, b) => a - b),
    all,
  )
  assert.deepEqual(controlPlane.doubled, [])
  assert.deepEqual(
    all.filter((index) => controlPlane.ended.get(index)?.exit.code === 1),
    all.filter((index) => index % 5 === 0),
  )
  assert.deepEqual(json<RankEnd>(folder, 'end.json').exit, exits(0))
})

test('tasks that were stopped are not reported as ended', async (context) => {
  const { start, controlPlane } = await open(context)
  const { agent, exited } = start({
    tasks: 3,
    go: () => ({ slots: 2, run: 'test $ISOBAR_TASK_INDEX = 0 || sleep 1000' }),
  })
  await until('the first has ended', () => controlPlane.ended.size === 1)
  agent.kill('SIGTERM')
  await exited
  assert.deepEqual([...controlPlane.ended.keys()], [0])
  assert.deepEqual(controlPlane.report('c')?.tasks?.held, [])
})

test('an agent records the end in its folder though that was renamed', async (context) => {
  const { start, controlPlane } = await open(context)
  const { folder, exited } = start({ go: () => ({ run: 'sleep 0.2; echo late; exit 4' }) })
  await until('it runs', () => controlPlane.report('c')?.state === 'running')
  renameSync(folder, `${folder}-moved`)
  await exited
  assert.deepEqual(json<RankEnd>(`${folder}-moved`, 'end.json').exit, exits(4))
  assert.equal(await logOf(`${folder}-moved`), 'late\n')
})

test('when its control plane is gone, an agent dials the others that it was told of', async (context) => {
  const { start, controlPlane } = await open(context)
  const other = await ScriptedControlPlane.open()
  context.after(() => other.down())
  const gone = 'http://127.0.0.1:1'
  controlPlane.controlPlanes = [gone, other.address, controlPlane.address]
  const gang: Partial<Gang> = { go: () => ({ run: 'sleep 0.2; exit 6' }) }
  const { exited } = start(gang, { controlPlanes: [gone, controlPlane.address] })
  other.gangs.set('c', { ranks: 1, go: () => ({}) })
  await until('it runs', () => controlPlane.report('c')?.state === 'running')
  await controlPlane.down()
  await exited
  assert.deepEqual(other.report('c')?.exit, exits(6))
})

test('an agent that cannot get the workdir stops when it is told to, and runs nothing', async (context) => {
  const { start, controlPlane } = await open(context)
  const bundle = { hash: 'x', url: '/blobs/of-nobody' }
  const { agent, exited, folder } = start({ go: () => ({ bundle, run: 'echo never' }) })
  await until('it asked for the bundle', () => controlPlane.missed > 0)
  agent.kill('SIGTERM')
  await exited
  assert.deepEqual(json<RankEnd>(folder, 'end.json').exit, exits(null, 'SIGTERM'))
  assert.equal(existsSync(join(folder, 'start.json')), false)
})
