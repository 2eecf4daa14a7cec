import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { resolve } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { setTimeout as pause } from 'node:timers/promises'
import { promisify } from 'node:util'

import { writeDurably } from '#kit/durable-file.ts'
import { leaseTag } from '#model/agent-folder.ts'
import { gangFiles, type GangNodes, type GangOrder, leaderDeadMs } from '#model/gang-folder.ts'

import { deskInFolder, type GangDesk } from './gang-desk.ts'
import { createRelay, deskByRelay, relayEnvironment } from './gang-relay.ts'

/** Leads a gang in its job of Slurm, from its folder. No folder, no order: it was retired. */
export async function leadGang(folder: string, program: string): Promise<void> {
  process.chdir(folder)
  await lead(deskInFolder(folder), [process.execPath, program, 'rank', folder])
}

/** The same where the nodes see no disk of ours. `command` becomes a rank on any of them. */
export async function leadGangAfar(command: string[]): Promise<void> {
  const environment = relayEnvironment()
  await lead(deskByRelay(createRelay(environment), environment), command)
}

/**
 * Starts an agent on each node, tells them to stop when the desk says so, and writes down when all of them have ended. A
 * job that comes second starts nothing; it only lasts as long as the first.
 */
async function lead(desk: GangDesk, command: string[]): Promise<void> {
  const order = await desk.claim()
  if (!order) return outlast(desk)
  await desk.publish(await findNodes())
  const ranks = spawn('srun', srunArguments(order, command), {
    stdio: ['pipe', 'inherit', 'pipe'],
    env: { ...process.env, ...hostsOf(order), [leaseTag]: order.token },
  })
  const said = listen(ranks.stderr)
  ranks.stdin.on('error', () => undefined) // they have ended
  process.on('SIGTERM', () => undefined) // so do the ranks, and they may use their grace
  const ended = new AbortController()
  const watching = watch(desk, ranks.stdin, ended.signal)
  try {
    await once(ranks, 'exit')
  } finally {
    ended.abort()
    await watching
  }
  await desk.over(said())
}

const mostSaid = 4000
const lookMs = 1000

/** What is said is printed, and the end of it is kept. */
function listen(stream: Readable): () => string {
  let said = ''
  stream.setEncoding('utf8').on('data', (text: string) => {
    process.stderr.write(text)
    said = (said + text).slice(-mostSaid)
  })
  return () => said
}

/**
 * A controller that forgot that it had started us may start us again: the nodes are in use as long as the first job
 * lives, so this one stays too. Nobody's clock is compared: a claim that nobody touches for long enough is dead.
 */
async function outlast(desk: GangDesk): Promise<void> {
  let touched = 0
  // Looks are counted, for one may wait until there is somebody to ask.
  for (let quietMs = 0; quietMs < leaderDeadMs; quietMs += lookMs) {
    const mark = await desk.rival()
    if (mark === null) return
    if (mark !== touched) quietMs = 0
    touched = mark
    await pause(lookMs)
  }
}

async function findNodes(): Promise<GangNodes> {
  const { SLURM_JOB_NODELIST = '' } = process.env
  const lines = await promisify(execFile)('scontrol', ['-o', 'show', 'node', SLURM_JOB_NODELIST], {
    timeout: 20_000,
    maxBuffer: 64 * 1024 * 1024,
  }).then(
    ({ stdout }) => stdout.split('\n'),
    () => [], // then they are called by their names
  )
  const pairs = lines.flatMap((line) => {
    const [, name] = /^NodeName=(\S+)/.exec(line) ?? []
    const [, address] = / NodeAddr=(\S+)/.exec(line) ?? []
    return name === undefined || address === undefined ? [] : [[name, address] as const]
  })
  return { addresses: Object.fromEntries(pairs), masterPort: await freePort() }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0)
  await once(server, 'listening')
  const address = server.address()
  await once(server.close(), 'close')
  return typeof address === 'object' && address ? address.port : 0
}

/**
 * A task for each rank, on its node where the order says which: the file of hosts names one for each. Each sees all that
 * the job has there; when one of them dies, the gang is no more.
 */
function srunArguments({ ranks }: GangOrder, command: string[]): string[] {
  const { SLURM_CPUS_PER_TASK = '1' } = process.env
  const chosen = ranks.flatMap(({ node }) => node ?? [])
  const isChosen = chosen.length === ranks.length
  const areApart = !isChosen || new Set(chosen).size === ranks.length
  const size = [
    `--ntasks=${ranks.length}`,
    // Who names a node for each may not say how many: 24.11 refuses that.
    ...(isChosen ? ['--distribution=arbitrary'] : [`--nodes=${ranks.length}`, '--ntasks-per-node=1']),
    ...(areApart ? [`--cpus-per-task=${SLURM_CPUS_PER_TASK}`] : ['--overcommit', '--cpus-per-task=1']),
  ]
  return [...size, '--cpu-bind=none', '--mpi=none', '--kill-on-bad-exit=1', '--wait=0', ...command]
}

/** The environment of srun: where each rank is to be, in a file, one line for each. */
function hostsOf({ ranks }: GangOrder): Record<string, string> {
  const chosen = ranks.flatMap(({ node }) => node ?? [])
  if (chosen.length < ranks.length) return {}
  writeDurably(gangFiles.hosts, `${chosen.join('\n')}\n`)
  return { SLURM_HOSTFILE: resolve(gangFiles.hosts) }
}

/** Says that it lives, and passes a stop order on to all agents, and each one that replaces it. */
async function watch(desk: GangDesk, agents: Writable, signal: AbortSignal): Promise<void> {
  let told = ''
  while (!signal.aborted) {
    const stop = await desk.beat()
    if (stop !== told) agents.write(`${stop}\n`)
    told = stop
    await pause(desk.everyMs, undefined, { signal }).catch(() => undefined)
  }
}
