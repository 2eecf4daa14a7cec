import assert from 'node:assert/strict'
import { existsSync, globSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

import { packBundle } from '#kit/bundle.ts'
import type { RankEnd } from '#model/agent-folder.ts'
import { exits, json, logOf, openAgents, until } from '#rigs/agents.ts'

import { type Gang, ScriptedControlPlane } from './scripted-control-plane.ts'

test('a rank sees what is meant for it and nothing of who started its agent', async (context) => {
  const { start } = await openAgents(context)
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
  const { start, home, controlPlane } = await openAgents(context)
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
  const { start, home } = await openAgents(context)
  const root = join(home, 'checkpoints')
  for (const name of ['1', '2', '9', '10', '11', '13']) mkdirSync(join(root, name), { recursive: true })
  for (const name of ['2', '9', '10', '13']) writeFileSync(join(root, name, 'weights'), name)
  const go = () => ({ run: 'echo $ISOBAR_CHECKPOINT_DIR $ISOBAR_RESUME_DIR', checkpointRoot: root })
  const { log, exited } = start({ go }, { attempt: 12 })
  await exited
  assert.equal(await log(), `${root}/12 ${root}/10\n`)
})

test('output and errors keep their order, and can be opened again by name', async (context) => {
  const { start } = await openAgents(context)
  const run =
    'for i in 1 2 3; do echo out$i; echo err$i >&2; done; echo again > /dev/stderr; echo end | tee /dev/stdout'
  const { log, exited } = start({ go: () => ({ run }) })
  await exited
  assert.equal(await log(), 'out1\nerr1\nout2\nerr2\nout3\nerr3\nagain\nend\nend\n')
})

test('setup runs first, in the unpacked workdir; when it fails, that is the end', async (context) => {
  const { start, home, controlPlane } = await openAgents(context)
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
  const { start, controlPlane, home } = await openAgents(context)
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
  const { start, controlPlane, home } = await openAgents(context)
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
  const { start, controlPlane } = await openAgents(context)
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
  const { start, controlPlane } = await openAgents(context)
  const { folder, exited } = start({ go: () => ({ run: 'sleep 0.2; echo late; exit 4' }) })
  await until('it runs', () => controlPlane.report('c')?.state === 'running')
  renameSync(folder, `${folder}-moved`)
  await exited
  assert.deepEqual(json<RankEnd>(`${folder}-moved`, 'end.json').exit, exits(4))
  assert.equal(await logOf(`${folder}-moved`), 'late\n')
})

test('when its control plane is gone, an agent dials the others that it was told of', async (context) => {
  const { start, controlPlane } = await openAgents(context)
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
  const { start, controlPlane } = await openAgents(context)
  const bundle = { hash: 'x', url: '/blobs/of-nobody' }
  const { agent, exited, folder } = start({ go: () => ({ bundle, run: 'echo never' }) })
  await until('it asked for the bundle', () => controlPlane.missed > 0)
  agent.kill('SIGTERM')
  await exited
  assert.deepEqual(json<RankEnd>(folder, 'end.json').exit, exits(null, 'SIGTERM'))
  assert.equal(existsSync(join(folder, 'start.json')), false)
})
