import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, statSync, utimesSync } from 'node:fs'
import { createServer } from 'node:net'
import { resolve } from 'node:path'
import type { Writable } from 'node:stream'
import { setTimeout as pause } from 'node:timers/promises'
import { promisify } from 'node:util'

import { writeDurably } from '#kit/durable-file.ts'
import { madeFirst } from '#kit/first.ts'
import { leaseTag } from '#model/agent-folder.ts'
import {
  type GangClaim,
  gangFiles,
  type GangNodes,
  type GangOrder,
  type GangOver,
  leaderBeatMs,
  leaderDeadMs,
} from '#model/gang-folder.ts'

const lookMs = 300

/**
 * Leads a gang in its job of Slurm: starts an agent on each node, tells them to stop when the folder says so, and
 * writes down when all of them have ended. A job that comes second starts nothing; it only lasts as long as the first.
 */
export async function leadGang(folder: string, program: string): Promise<void> {
  process.chdir(folder) // no folder, no order: it was retired
  const order = JSON.parse(readFileSync(gangFiles.order, 'utf8')) as GangOrder // written by whoever submitted us
  if (!claimed()) return outlast()
  writeDurably(gangFiles.nodes, JSON.stringify(await findNodes()))
  const ranks = spawn('srun', srunArguments(order, [process.execPath, program, 'rank', folder]), {
    stdio: ['pipe', 'inherit', 'inherit'],
    env: { ...process.env, ...hostsOf(order), [leaseTag]: order.token },
  })
  ranks.stdin.on('error', () => undefined) // they have ended
  process.on('SIGTERM', () => undefined) // so do the ranks, and they may use their grace
  const ended = new AbortController()
  const watching = watchStop(ranks.stdin, ended.signal)
  const beat = setInterval(touchClaim, leaderBeatMs)
  try {
    await once(ranks, 'exit')
  } finally {
    clearInterval(beat)
    ended.abort()
    await watching
  }
  writeDurably(gangFiles.over, JSON.stringify({ endedAt: Date.now() } satisfies GangOver))
}

/** Whether this job is the one that runs the gang. */
function claimed(): boolean {
  const { SLURM_JOB_ID = '', SLURM_RESTART_COUNT = '0' } = process.env
  const own = `${gangFiles.claim}.${SLURM_JOB_ID}.${SLURM_RESTART_COUNT}.${process.pid}`
  return madeFirst(gangFiles.claim, { own, text: JSON.stringify({ job: SLURM_JOB_ID } satisfies GangClaim) })
}

function touchClaim(): void {
  try {
    const now = new Date()
    utimesSync(gangFiles.claim, now, now)
  } catch {
    // The disk is away for a while, or the folder for good: what runs is told by the control plane.
  }
}

/**
 * A controller that forgot that it had started us may start us again: the nodes are in use as long as the first job
 * lives, so this one stays too. Nobody's clock is compared: a claim that nobody touches for long enough is dead.
 */
async function outlast(): Promise<void> {
  let touched = 0
  for (let since = Date.now(); Date.now() - since < leaderDeadMs; await pause(1000)) {
    if (existsSync(gangFiles.over) || !existsSync(gangFiles.claim)) return
    const claim = JSON.parse(readFileSync(gangFiles.claim, 'utf8')) as GangClaim // written by another of us
    if (claim.job === null) return
    const { mtimeMs } = statSync(gangFiles.claim)
    if (mtimeMs !== touched) since = Date.now()
    touched = mtimeMs
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

/** Passes a stop order on to all agents, and each one that replaces it. */
async function watchStop(agents: Writable, signal: AbortSignal): Promise<void> {
  let told = ''
  while (!signal.aborted) {
    const stop = readOr(gangFiles.stop, told)
    if (stop !== told) agents.write(`${stop}\n`)
    told = stop
    await pause(lookMs, undefined, { signal }).catch(() => undefined)
  }
}

function readOr(path: string, otherwise: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return otherwise
  }
}
