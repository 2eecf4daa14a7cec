import { execFile, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { hostname, tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { promisify } from 'node:util'

const run = promisify(execFile)

export type SlurmSetup = {
  /** Nodes of 96 cores and 8 GPUs that are only in the configuration. */
  nodes: number
  /** Nodes of a leaf switch, and leaf switches of a spine; one core switch joins the spines. */
  fanOut: number
  /** What chooses nodes: single cores, memory and GPUs of them (`cons_tres`), or whole nodes only (`linear`). */
  select: 'cons_tres' | 'linear'
}

export type Slurm = {
  /** Such as `22.05.8`. */
  version: string
  /** Submits a job that wants so many nodes to itself. It waits until the partition is opened. */
  submit(nodes: number): Promise<void>
  open(): Promise<void>
  /** Jobs that were given nodes since the start. */
  started(): Promise<number>
  /** Seconds of a processor that the controller has used since the start. */
  processorSeconds(): number
  stop(): Promise<void>
}

/** Debian puts daemons where not every PATH looks. */
const environment = { ...process.env, PATH: `${process.env['PATH']}:/usr/sbin:/usr/local/sbin` }

/** The version of the Slurm controller on this machine, or null where there is none. */
export function slurmHere(): string | null {
  const { status, stdout } = spawnSync('slurmctld', ['-V'], { env: environment, encoding: 'utf8' })
  return status === 0 ? stdout.trim().replace(/^\S+ /, '') : null
}

export const howToGetSlurm =
  'there is no slurmctld on this machine; on Debian: apt-get install slurmctld slurm-client slurm-wlm-basic-plugins'

/**
 * A Slurm controller of one's own, as packaged, in a temporary folder; it ends with this process, however that ends. Its
 * nodes are of the cloud kind: it decides as ever, and what it starts then waits for nodes that never come up, so that no
 * other daemon is needed, no munge and no root. Settings are those under which it decides fastest: one long scheduling
 * cycle over the whole queue, none while jobs are submitted, and backfill out of the way.
 */
export async function startSlurm(setup: SlurmSetup): Promise<Slurm> {
  const version = slurmHere()
  if (version === null) throw new Error(howToGetSlurm)
  const folder = mkdtempSync(join(tmpdir(), 'isobar-slurm-'))
  mkdirSync(join(folder, 'state'))
  writeFileSync(join(folder, 'slurm.conf'), settings(folder, await freePort(), setup))
  writeFileSync(join(folder, 'gres.conf'), `NodeName=n[0-${setup.nodes - 1}] Name=gpu Count=8\n`)
  writeFileSync(join(folder, 'cgroup.conf'), 'CgroupPlugin=autodetect\n')
  writeFileSync(join(folder, 'topology.conf'), switches(setup))
  const env = { ...environment, SLURM_CONF: join(folder, 'slurm.conf') }
  const child = spawn('sh', ['-c', guard, folder], { env, stdio: ['pipe', 'pipe', 'inherit'], detached: true })
  const [first] = await once(child.stdout, 'data')
  const pid = Number(String(first))
  const call = async (program: string, ...argv: string[]) => (await run(program, argv, { env })).stdout
  const isUp = async () => (await call('scontrol', 'ping').catch(() => '')).includes('is UP')
  for (const deadline = performance.now() + 60_000; !(await isUp()); await pause(50))
    if (child.exitCode !== null || performance.now() > deadline)
      throw new Error(`slurmctld did not start: ${readFileSync(join(folder, 'log'), 'utf8').slice(-1000)}`)
  return {
    version,
    submit: async (nodes) => {
      await call('sbatch', '--quiet', '--exclusive', `--nodes=${nodes}`, '--output=/dev/null', '--wrap=true')
    },
    open: async () => void (await call('scontrol', 'update', 'PartitionName=main', 'State=UP')),
    started: async () => Number(/Jobs started:\s+(\d+)/.exec(await call('sdiag'))?.[1]),
    processorSeconds: () => processorSeconds(pid),
    async stop() {
      child.stdin.end()
      if (child.exitCode === null) await once(child, 'exit')
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** Runs the controller until the pipe from us breaks, which a SIGKILL of ours does as well. */
const guard = `
slurmctld -D >"$0/log" 2>&1 &
echo $!
read -r _
kill -KILL $!
wait
rm -rf "$0"
`

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('no port is free')
  return address.port
}

function settings(folder: string, port: number, { nodes, select }: SlurmSetup): string {
  const cycle = 'default_queue_depth=1000000,max_sched_time=3000,sched_min_interval=0,batch_sched_delay=0'
  return `ClusterName=bench
SlurmctldHost=${hostname().split('.')[0]}(127.0.0.1)
SlurmctldPort=${port}
SlurmUser=${userInfo().username}
AuthType=auth/none
CredType=cred/none
StateSaveLocation=${join(folder, 'state')}
SlurmctldPidFile=${join(folder, 'pid')}
ProctrackType=proctrack/pgid
MpiDefault=none
SelectType=select/${select}
SelectTypeParameters=${select === 'linear' ? 'CR_Memory' : 'CR_Core_Memory'}
GresTypes=gpu
TopologyPlugin=topology/tree
SchedulerType=sched/backfill
SchedulerParameters=${cycle},bf_interval=3000,defer
PriorityType=priority/basic
MaxJobCount=100000
MinJobAge=3000
MailProg=/bin/true
TreeWidth=65533
MessageTimeout=6000
SuspendProgram=/bin/true
ResumeProgram=/bin/true
SuspendTime=3600
ResumeTimeout=3600
ResumeRate=0
SlurmctldParameters=idle_on_node_suspend
CommunicationParameters=NoAddrCache
PrivateData=cloud
NodeName=n[0-${nodes - 1}] CPUs=96 Sockets=2 CoresPerSocket=48 RealMemory=1000000 Gres=gpu:8 State=CLOUD
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE DefaultTime=60 State=DOWN OverSubscribe=EXCLUSIVE
`
}

function switches({ nodes, fanOut }: SlurmSetup): string {
  const named = (name: string, holds: string, count: number) =>
    Array.from({ length: Math.ceil(count / fanOut) }, (_, i) => {
      const last = Math.min(count, (i + 1) * fanOut) - 1
      return `SwitchName=${name}${i} ${holds}[${i * fanOut}-${last}]\n`
    })
  const leaves = named('leaf', 'Nodes=n', nodes)
  const spines = named('spine', 'Switches=leaf', leaves.length)
  return [...leaves, ...spines, `SwitchName=core Switches=spine[0-${spines.length - 1}]\n`].join('')
}

/** Of a process and all its threads, from the ticks (100 a second) of Linux. */
function processorSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ')
  return (Number(fields[11]) + Number(fields[12])) / 100
}
