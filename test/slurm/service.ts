import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, test } from 'node:test'

import { openGateway } from '#gateway/gateway.ts'
import { taggedProcesses } from '#kit/processes.ts'
import { leaseTag, rankTag } from '#model/agent-folder.ts'
import { ask } from '#rigs/server.ts'
import { startCluster } from '#rigs/slurm/cluster.ts'
import { aHouse } from '#rigs/slurm/house.ts'
import { poll } from '#rigs/slurm/site.ts'

// A service is a job of Slurm for each replica; it is reached at the address of the node, at a port that is free there.

const cluster = await startCluster({ nodes: 4, gpus: 0 })
after(cluster.stop)

/** Answers with its process, once it is healthy. */
const program = `
  const answer = (asked, reply) => reply.end(asked.url === '/healthz' ? 'well' : String(process.pid))
  require('node:http').createServer(answer).listen(process.env.PORT)`

const spec = {
  kind: 'service',
  name: 'greeter',
  replicas: 2,
  ports: [8080],
  readiness: { path: '/healthz', period: '1s' },
  resources: { cpus: '1+', memory: '64MB+' },
  checkpoint: { grace: '1s' },
  env: { NODE: process.execPath, PROGRAM: program },
  run: 'exec "$NODE" -e "$PROGRAM"',
}

const isAlive = (pid: number): boolean => existsSync(`/proc/${pid}`)
const answerOf = async (address: string): Promise<number> => Number(await (await fetch(`http://${address}/`)).text())

type Job = { id: string; node: `n${number}`; token: string }

/** Jobs of ours that run, with their nodes. */
async function jobs(): Promise<Job[]> {
  const lines = await cluster.command('squeue', '-h', '-t', 'R', '-o', '%A %N %j')
  return [...lines.matchAll(/^(\d+) n(\d+) isobar-(\S+)$/gm)].map(([, id = '', node, token = '']) => ({
    id,
    node: `n${Number(node)}`,
    token,
  }))
}

test('a service is reached at its replicas, also through the gateway, has others for lost ones, and leaves nothing', async (t) => {
  const house = await aHouse(t, cluster, { exclusive: true })
  const { url, token } = house.server
  const gateway = await openGateway({ server: url, token, host: '127.0.0.1', port: 0, everyMs: 50 })
  t.after(() => gateway.close())
  const [id = ''] = await house.submit(JSON.stringify(spec))
  const pids = new Set<number>()
  const endpoints = async (): Promise<string[]> =>
    (await ask(house.server, 'GET /v1/endpoints')).json.items[0]?.endpoints ?? []
  /** Two answer by themselves, of which one is new since the last time. */
  const twoAnswer = async (attempts: number): Promise<void> => {
    await poll('two are ready', async () => {
      const { attemptList } = await house.look(id)
      return (await endpoints()).length === 2 && attemptList.length === attempts
    })
    for (const address of await endpoints()) pids.add(await answerOf(address))
    assert.equal(pids.size, attempts, 'each replica answers for itself')
  }
  await twoAnswer(2)
  const through = new Set<number>()
  await poll('both answer through the gateway', async () => {
    const reply = await fetch(`${gateway.url}/default/greeter/`)
    if (reply.ok) through.add(Number(await reply.text()))
    return through.size === 2
  })
  assert.deepEqual([...through].sort(), [...pids].sort())

  const [first = assert.fail('it has a job')] = await jobs()
  await cluster.command('scancel', first.id)
  await twoAnswer(3)
  await poll('who was cancelled has ended', async () => [...pids].filter(isAlive).length === 2)

  // As when its machine is gone: what runs there, and the daemon.
  const lost = (await jobs()).at(-1) ?? assert.fail('it has a job')
  await cluster.kill(`slurmd.${lost.node}`)
  for (const { pid } of await taggedProcesses(leaseTag, lost.token)) process.kill(pid, 'SIGKILL')
  await cluster.command('scontrol', 'update', `NodeName=${lost.node}`, 'State=DOWN', 'Reason=lost')
  await twoAnswer(4)

  await ask(house.server, `POST /v1/workloads/${id}/stop`)
  await poll('it has stopped', async () => (await house.look(id)).state === 'stopped')
  assert.deepEqual(await endpoints(), [])
  const orders = () => readdirSync(join(cluster.folder, 'shared')).flatMap((name) => ordersOf(name))
  await poll('nothing is left', async () => (await jobs()).length === 0 && orders().length === 0)
  assert.deepEqual([...pids].filter(isAlive), [])
})

test('a replica whose node only lost its daemon serves on; when Slurm ends it there, another takes its place', async (t) => {
  const house = await aHouse(t, cluster, { exclusive: true })
  const [id = ''] = await house.submit(JSON.stringify({ ...spec, replicas: 1 }))
  const answering = async (): Promise<number | null> => {
    const [address] = (await ask(house.server, 'GET /v1/endpoints')).json.items[0]?.endpoints ?? []
    return address === undefined ? null : answerOf(address).catch(() => null)
  }
  await poll('it is ready', async () => (await answering()) !== null)
  const first = (await answering()) ?? assert.fail('it answers')
  const [{ id: job, node } = assert.fail('it has a job')] = await jobs()
  await cluster.kill(`slurmd.${node}`)
  await cluster.command('scontrol', 'update', `NodeName=${node}`, 'State=DOWN', 'Reason=lost')
  const stateOf = async () => (await cluster.command('squeue', '-h', '-t', 'all', '-j', job, '-o', '%T')).trim()
  await poll('Slurm has given it up', async () => (await stateOf()) === 'NODE_FAIL')
  assert.equal(await answering(), first)
  assert.equal((await house.look(id)).attemptList.length, 1)
  await cluster.start(`slurmd.${node}`)
  await poll('another answers', async () => ![null, first].includes(await answering()))
  assert.equal(isAlive(first), false)
  const lost = (await house.look(id)).attemptList.find(({ number }: { number: number }) => number === 1)
  assert.match(lost?.reason ?? '', /its node was lost \(Slurm says NODE_FAIL/)
  await ask(house.server, `POST /v1/workloads/${id}/stop`)
  await poll('it has stopped', async () => (await house.look(id)).state === 'stopped')
})

test('a replica on several nodes of which a worker that listens nowhere loses its node has another as soon as Slurm gives that up', async (t) => {
  const house = await aHouse(t, cluster, { exclusive: true })
  const run = `[ "$ISOBAR_RANK" = 0 ] || exec sleep 1000\n${spec.run}`
  const [id = ''] = await house.submit(JSON.stringify({ ...spec, replicas: 1, nodes: 2, run }))
  const isServing = async (attempts: number): Promise<boolean> => {
    const { attemptList } = await house.look(id)
    const [address] = (await ask(house.server, 'GET /v1/endpoints')).json.items[0]?.endpoints ?? []
    return attemptList.length === attempts && attemptList[0].ready && address !== undefined
  }
  await poll('it is ready', () => isServing(1))
  const name = (await cluster.command('squeue', '-h', '-t', 'R', '-o', '%j')).trim()
  const worker = await workerOf(name.replace(/^isobar-/, ''))
  // As when its machine is gone: nothing there answers any more, and no connection is closed.
  for (const pid of worker.pids) process.kill(pid, 'SIGSTOP')
  t.after(() => worker.pids.filter(isAlive).forEach((pid) => process.kill(pid, 'SIGKILL')))
  await cluster.kill(`slurmd.${worker.node}`)
  const lostAt = performance.now()
  await poll('it was begun anew', async () => (await house.look(id)).attemptList.length === 2)
  const seconds = Math.round((performance.now() - lostAt) / 1000)
  t.diagnostic(`known after ${seconds} s, with a SlurmdTimeout of 10 s`)
  await poll('another serves', () => isServing(2))
  const lost = (await house.look(id)).attemptList.find(({ number }: { number: number }) => number === 1)
  assert.deepEqual(lost?.state, 'lost')
  assert.match(lost?.reason ?? '', /^slurm\/rig lost rank \d: its node was lost \(Slurm says NODE_FAIL/)
  await cluster.start(`slurmd.${worker.node}`)
  await ask(house.server, `POST /v1/workloads/${id}/stop`)
  await poll('it has stopped', async () => (await house.look(id)).state === 'stopped')
})

/** Where the second rank of a gang is, and all that runs of it there, the process of Slurm that leads it among them. */
async function workerOf(token: string) {
  const own = (await taggedProcesses(leaseTag, token)).filter(
    ({ environment }) => environment.get('SLURM_PROCID') === '1' || environment.get(rankTag) === '1',
  )
  const agent = own.find(({ environment }) => !environment.has(rankTag)) ?? assert.fail('it has an agent')
  const parent = Number(/^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${agent.pid}/status`, 'utf8'))?.[1])
  const node = agent.environment.get('SLURMD_NODENAME') ?? ''
  return { node: node as `n${number}`, pids: [parent, ...own.map(({ pid }) => pid)] } // as the rig calls them
}

/** Folders of orders of a house, by the name of its folder on the shared disk. */
function ordersOf(house: string): string[] {
  const folder = join(cluster.folder, 'shared', house, 'rig/orders')
  return existsSync(folder) ? readdirSync(folder) : []
}
