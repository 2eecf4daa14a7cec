import { execFile, execFileSync, spawnSync } from 'node:child_process'
import { createHmac, randomBytes } from 'node:crypto'
import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { promisify } from 'node:util'

import { freePorts } from '#rigs/free-ports.ts'
import { databaseCommand, databaseEnvironment, databaseProbe, layBooks } from './accounting.ts'
import { atTheEnd, type Daemon, type DaemonSetup, startDaemon } from './daemon.ts'
import { type ClusterShape, settings } from './settings.ts'

const run = promisify(execFile)

/** Names of daemons: `slurmd.n0` and so on of nodes; `mariadbd` and `slurmdbd` are there with accounting only. */
export type DaemonName = 'munged' | 'mariadbd' | 'slurmdbd' | 'slurmctld' | 'slurmrestd' | `slurmd.n${number}`

/** A Slurm cluster of one's own, as packaged, all of it on this machine. */
export type Cluster = {
  folder: string
  /** Such as `22.05.8`. */
  version: string
  /** Its slurm.conf, for commands. */
  conf: string
  /** Where slurmrestd answers. */
  rest: string
  /** Who submits jobs. */
  user: string
  /** A token for that user, or another; `seconds` of life from now may be negative. It may be some seconds old. */
  token(seconds?: number, user?: string, age?: number): string
  /** The process of a daemon. */
  pid(name: DaemonName): number
  /** Runs a command of Slurm and gives what it prints. */
  command(program: string, ...argv: string[]): Promise<string>
  /** SIGKILL, unless another signal is told. */
  kill(name: DaemonName, signal?: NodeJS.Signals): Promise<void>
  /** Starts a daemon again that was killed, and waits until it answers. */
  start(name: DaemonName): Promise<void>
  log(name: DaemonName): string
  /** Ends all daemons and all that runs in the cluster, and removes the folder. */
  stop(): Promise<void>
}

const packages = 'slurmctld slurmd slurmrestd slurm-client slurm-wlm-basic-plugins slurm-wlm-jwt-plugin munge'
export const howToGetCluster = `not all of Slurm is on this machine; on Debian: apt-get install --no-install-recommends ${packages}`

/** Debian puts daemons where not every PATH looks. */
const environment = { ...process.env, PATH: `${process.env['PATH']}:/usr/sbin:/usr/local/sbin` }

/** The version of the Slurm on this machine, or null where a part of it is missing. */
export const clusterHere = (): string | null =>
  ['slurmd', 'slurmrestd', 'munged'].map(versionOf).includes(null) ? null : versionOf('slurmctld')

function versionOf(program: string): string | null {
  const { status, stdout } = spawnSync(program, ['-V'], { env: environment, encoding: 'utf8' })
  return status === 0 ? stdout.trim().replace(/^\S+ /, '') : null
}

/** Starts munged, slurmctld, slurmrestd and the slurmd of each node. All of it ends with this process, however that ends. */
export async function startCluster({
  nodes = 4,
  gpus = 8,
  topology = 'tree',
  imagined = 0,
  accounting = false,
  apart = false,
}: Partial<ClusterShape> = {}): Promise<Cluster> {
  const version = clusterHere()
  if (version === null) throw new Error(howToGetCluster)
  const folder = mkdtempSync(join(tmpdir(), 'isobar-cluster-'))
  chmodSync(folder, 0o755)
  const sweeper = atTheEnd(sweep, folder)
  const [controllerPort = 0, restPort = 0, booksPort = 0, ...nodePorts] = await freePorts(nodes + 3)
  const owner = userInfo().username
  const release = Number.parseFloat(version)
  const shape: ClusterShape = { nodes, gpus, topology, imagined, accounting, apart }
  lay(folder, settings({ ...shape, folder, owner, controllerPort, booksPort, nodePorts, release }), gpus)
  const conf = join(folder, 'slurm.conf')
  const env = { ...environment, SLURM_CONF: conf }
  const command = async (program: string, ...argv: string[]) =>
    (await run(program, argv, { env, maxBuffer: 64 * 1024 * 1024, timeout: 30_000 })).stdout
  const places = { folder, owner, release, restPort, accounting, apart, env }
  const daemons = new Map<string, Daemon>()
  const stop = async () => {
    await Promise.all([...daemons.values()].map((daemon) => daemon.end()))
    await sweeper.end()
  }
  const start = async (name: DaemonName): Promise<void> => {
    if (name === 'munged') rmSync(join(folder, 'munge/socket'), { force: true })
    daemons.set(name, await startDaemon(daemonSetup(name, places)))
    await until(`${name} answers`, answering(name, places, command), () => tail(join(folder, `log/${name}.out`)))
  }
  try {
    if (accounting) await layBooks({ folder, owner, port: booksPort }, env)
    await startAll(start, shape)
    await until('all nodes are idle', areIdle(nodes, command), () => tail(join(folder, 'log/slurmctld.log')))
  } catch (error) {
    await stop()
    throw error
  }
  return {
    folder,
    version,
    conf,
    rest: `http://127.0.0.1:${restPort}`,
    user: owner,
    token: (seconds = 86_400, user = owner, age = 0) =>
      mintToken(readFileSync(join(folder, 'jwt.key')), { user, seconds, age }),
    pid: (name) => daemons.get(name)?.pid ?? 0,
    command,
    kill: async (name, signal = 'SIGKILL') => void (await daemons.get(name)?.kill(signal)),
    start,
    log: (name) => readFileSync(join(folder, `log/${name}.log`), 'utf8'),
    stop,
  }
}

async function startAll(start: Cluster['start'], { nodes, accounting }: ClusterShape): Promise<void> {
  const first: DaemonName[] = accounting ? ['munged', 'mariadbd', 'slurmdbd', 'slurmctld'] : ['munged', 'slurmctld']
  for (const name of first) await start(name)
  await Promise.all([start('slurmrestd'), ...Array.from({ length: nodes }, (_, index) => start(`slurmd.n${index}`))])
}

function areIdle(nodes: number, command: Cluster['command']): () => Promise<boolean> {
  const argv = ['-h', '-N', '-p', 'main', '-t', 'idle', '-o', '%N']
  return async () => (await command('sinfo', ...argv)).match(/^n/gm)?.length === nodes
}

type Places = {
  folder: string
  owner: string
  release: number
  restPort: number
  accounting: boolean
  apart: boolean
  env: NodeJS.ProcessEnv
}

/** How one sees that a daemon is up; of those of nodes the controller tells. */
function answering(
  name: DaemonName,
  { folder, restPort }: Places,
  command: Cluster['command'],
): () => Promise<boolean> {
  if (name === 'munged') return async () => existsSync(join(folder, 'munge/socket'))
  if (name === 'mariadbd') return async () => (await command(...databaseProbe(folder))).includes('1')
  if (name === 'slurmdbd') return async () => (await command('sacctmgr', '-n', 'list', 'cluster')) !== null
  if (name === 'slurmctld') return async () => (await command('scontrol', 'ping')).includes('is UP')
  if (name === 'slurmrestd') return async () => (await fetch(`http://127.0.0.1:${restPort}/openapi/v3`)).status < 500
  return async () => true
}

/**
 * Kills whatever was started in the cluster, jobs and their steps among it, which outlive the daemons; then removes it. A
 * step of 24.11 has its title where its environment was: it is known by the files that it has open. So may we have some.
 */
const sweep = `
for try in 1 2 3 4 5 6 7 8 9; do
  pids=$( { grep -lzxF "SLURM_CONF=$0/slurm.conf" /proc/[0-9]*/environ
    find /proc/[0-9]*/fd -maxdepth 1 -lname "$0/*"; } 2>/dev/null | cut -d/ -f3 | sort -u | grep -vx ${process.pid})
  [ -z "$pids" ] && break
  kill -KILL $pids 2>/dev/null
  sleep 0.05
done
# What was just killed may still make a file.
until rm -rf "$0" 2>/dev/null; do sleep 0.05; done
`

function lay(folder: string, files: Record<string, string>, gpus: number): void {
  for (const name of ['munge', 'log', 'state', 'spool', 'devices', 'shared', 'homes', 'nodes'])
    mkdirSync(join(folder, name))
  chmodSync(join(folder, 'munge'), 0o755)
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text)
  for (let index = 0; index < gpus; index++) device(join(folder, `devices/gpu${index}`))
  writeFileSync(join(folder, 'jwt.key'), randomBytes(32), { mode: 0o600 })
  writeFileSync(join(folder, 'munge/key'), randomBytes(1024), { mode: 0o600 })
  const munge = account('munge')
  if (munge) for (const path of ['munge', 'munge/key']) chownSync(join(folder, path), munge.uid, munge.gid)
}

/** An accelerator is a device that does nothing; of who may make none it is a file, which jobs are not told of. */
function device(path: string): void {
  if (process.getuid?.() === 0) execFileSync('mknod', ['-m', '666', path, 'c', '1', '3'])
  else writeFileSync(path, '')
}

/** Numbers of an account, for root; nobody else may start what is another's. */
function account(name: string): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined
  const id = (flag: string) => Number(execFileSync('id', [flag, name], { encoding: 'utf8' }))
  return { uid: id('-u'), gid: id('-g') }
}

function daemonSetup(
  name: DaemonName,
  { folder, owner, release, restPort, accounting, apart, env }: Places,
): DaemonSetup {
  const log = join(folder, `log/${name}.out`)
  if (name === 'munged') {
    const files = ['key', 'pid', 'log', 'seed'].map((part) => `--${part}-file=${join(folder, 'munge', part)}`)
    const argv = ['-F', '--num-threads=4', `--socket=${join(folder, 'munge/socket')}`, ...files]
    return { argv: ['munged', ...argv], log, env, user: owned(log, account('munge')) }
  }
  if (name === 'slurmrestd') {
    // It must be neither root nor the owner of the controller; who is not root can only tell it not to look.
    const nobody = owned(log, account('nobody'))
    const more = { SLURM_JWT: 'daemon', ...(nobody ? {} : { SLURMRESTD_SECURITY: 'disable_user_check' }) }
    const [plugin, books] =
      release < 23.02 ? ['openapi/v0.0.38', 'openapi/dbv0.0.38'] : ['openapi/slurmctld', 'openapi/slurmdbd']
    const argv = ['-s', accounting ? `${plugin},${books}` : plugin, '-a', 'rest_auth/jwt', `127.0.0.1:${restPort}`]
    return { argv: ['slurmrestd', ...argv], log, env: { ...env, ...more }, user: nobody }
  }
  if (name === 'mariadbd') return { argv: databaseCommand({ folder, owner }), log, env }
  if (name === 'slurmdbd') return { argv: ['slurmdbd', '-D'], log, env: { ...env, ...databaseEnvironment(folder) } }
  if (name === 'slurmctld') return { argv: ['slurmctld', '-D'], log, env }
  const node = name.slice('slurmd.'.length)
  const command = ['slurmd', '-D', '-N', node] as const
  if (!apart) return { argv: [...command], log, env }
  return { argv: ['unshare', '--mount', 'sh', '-c', standApart, folder, node, ...command], log, env }
}

/** Runs a daemon that sees a /tmp of its node, with the folder of the cluster in it, and of that not what our houses keep. */
const standApart = `
set -e
mine=$0/nodes/$1
shift
mkdir -p "$mine"
mount -t tmpfs none "$0/homes"
case $0 in
  /tmp/*) mkdir -p "$mine/\${0#/tmp/}"; mount --rbind "$0" "$mine/\${0#/tmp/}" ;;
esac
mount --rbind "$mine" /tmp
exec "$@"
`

/** Who starts a daemon of another user has its log written by that user too. */
function owned(log: string, user: ReturnType<typeof account>): ReturnType<typeof account> {
  writeFileSync(log, '', { flag: 'a' })
  if (user) chownSync(log, user.uid, user.gid)
  return user
}

type Minted = { user: string; seconds: number; age: number }

/** A token as `scontrol token` makes it, for any length of life. */
function mintToken(key: Buffer, { user, seconds, age }: Minted): string {
  const now = Math.floor(Date.now() / 1000)
  const signed = [
    { alg: 'HS256', typ: 'JWT' },
    { exp: now + seconds, iat: now - age, sun: user },
  ]
    .map(encoded)
    .join('.')
  return `${signed}.${createHmac('sha256', key).update(signed).digest('base64url')}`
}

const encoded = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')

const tail = (path: string): string => (existsSync(path) ? readFileSync(path, 'utf8').slice(-1000) : 'nothing')

async function until(what: string, condition: () => Promise<boolean>, said: () => string): Promise<void> {
  for (const deadline = performance.now() + 90_000; !(await condition().catch(() => false)); await pause(20))
    if (performance.now() > deadline) throw new Error(`waited 30 s in vain until ${what}; it said: ${said()}`)
}
