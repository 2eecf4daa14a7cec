import { hostname } from 'node:os'
import { join } from 'node:path'

import { accountingLines } from './accounting.ts'

export type ClusterShape = {
  nodes: number
  /** Accelerators of a node; they are files, nothing more. */
  gpus: number
  /** What Slurm knows of its network: switches, blocks of two nodes (23.11 and later), or nothing. */
  topology: 'tree' | 'block' | 'default'
  /** Nodes that are only in the configuration, in a partition of this name: what runs there is decided and never begins. */
  imagined: number
  /** Whether it has accounting: slurmdbd with a database, and associations that are enforced. Then ended jobs are soon forgotten. */
  accounting: boolean
  /** Whether each node has a /tmp of its own, and sees nothing below `homes` of the cluster's folder. Needs root. */
  apart: boolean
}

type Places = ClusterShape & {
  folder: string
  owner: string
  controllerPort: number
  nodePorts: number[]
  booksPort: number
  /** Such as 22.05. */
  release: number
}

/** CPUs and MiB that each node claims to have, whatever this machine has. */
export const nodeCpus = 64
export const nodeMemoryMiB = 512_000

/** Files of a cluster whose nodes are all on this machine, each with a port of its own. */
export const settings = (places: Places): Record<string, string> => ({
  'slurm.conf': configuration(places),
  'gres.conf': accelerators(places),
  // slurmd wants a kind of control groups even where nothing uses them, until it can be told to do without.
  'cgroup.conf': `CgroupPlugin=${places.release < 24.05 ? 'cgroup/v1' : 'disabled'}\nConstrainCores=no\nConstrainRAMSpace=no\nConstrainDevices=no\n`,
  ...(places.topology === 'default'
    ? {}
    : { 'topology.conf': (places.topology === 'tree' ? switches : blocks)(places) }),
})

// `linuxproc` needs no control groups. Whether a job may use what its node does not have nobody asks: `config_overrides`.
const configuration = (places: Places): string => {
  const { folder, owner, controllerPort, booksPort, nodes, gpus, topology, imagined, accounting } = places
  return `ClusterName=rig
SlurmctldHost=${here()}(127.0.0.1)
SlurmctldPort=${controllerPort}
SlurmUser=${owner}
SlurmdUser=${owner}
AuthType=auth/munge
AuthInfo=socket=${join(folder, 'munge/socket')},cred_expire=5
AuthAltTypes=auth/jwt
AuthAltParameters=jwt_key=${join(folder, 'jwt.key')}
CredType=cred/munge
StateSaveLocation=${join(folder, 'state')}
SlurmdSpoolDir=${join(folder, 'spool')}/%n
SlurmctldPidFile=${join(folder, 'slurmctld.pid')}
SlurmdPidFile=${join(folder, '%n.pid')}
SlurmctldLogFile=${join(folder, 'log/slurmctld.log')}
SlurmdLogFile=${join(folder, 'log')}/slurmd.%n.log
SlurmctldDebug=info
SlurmdDebug=info
ProctrackType=proctrack/linuxproc
MpiDefault=none
SlurmdParameters=config_overrides
ReturnToService=2
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
DefMemPerCPU=100
GresTypes=gpu
${topology === 'default' ? '' : `TopologyPlugin=topology/${topology}\n`}SchedulerType=sched/backfill
SchedulerParameters=bf_interval=1,sched_interval=2,batch_sched_delay=0
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
Licenses=dataset:4
${accounting ? accountingLines({ folder, owner, port: booksPort }) : 'PriorityType=priority/basic\n'}MaxJobCount=50000
MinJobAge=${accounting ? 5 : 300}
KillWait=2
CompleteWait=0
UnkillableStepTimeout=20
InactiveLimit=0
SlurmdTimeout=10
SlurmctldTimeout=10
BatchStartTimeout=10
MessageTimeout=10
TCPTimeout=2
MailProg=/bin/true
TreeWidth=50
${nodeLines(places)}
PartitionName=main Nodes=n[0-${nodes - 1}] Default=YES MaxTime=INFINITE DefaultTime=60 State=UP PriorityTier=1 PreemptMode=OFF
PartitionName=spot Nodes=n[0-${nodes - 1}] MaxTime=INFINITE DefaultTime=60 State=UP PriorityTier=0 PreemptMode=REQUEUE
${imagined > 0 ? imaginedNodes(imagined, gpus) : ''}`
}

const here = (): string => hostname().split('.')[0] ?? ''

/** All on this machine, each with a port of its own. */
const nodeLines = ({ nodePorts, gpus }: Places): string =>
  nodePorts
    .map(
      (port, index) =>
        `NodeName=n${index} NodeHostname=${here()} NodeAddr=127.0.0.1 Port=${port} CPUs=${nodeCpus} Boards=1 ` +
        `SocketsPerBoard=2 CoresPerSocket=${nodeCpus / 2} ThreadsPerCore=1 RealMemory=${nodeMemoryMiB} ` +
        `${gpus > 0 ? `Gres=gpu:h200:${gpus} ` : ''}Feature=h200,ib State=UNKNOWN`,
    )
    .join('\n')

/** Nodes of a cloud that are never booted. Without `PrivateData` nobody would be shown them. */
const imaginedNodes = (count: number, gpus: number): string => `PrivateData=cloud
SuspendProgram=/bin/true
ResumeProgram=/bin/true
SuspendTime=600
ResumeTimeout=3600
SuspendTimeout=5
ResumeRate=0
SuspendRate=0
NodeName=c[0-${count - 1}] CPUs=${nodeCpus} Sockets=2 CoresPerSocket=${nodeCpus / 2} RealMemory=${nodeMemoryMiB} ${gpus > 0 ? `Gres=gpu:h200:${gpus} ` : ''}State=CLOUD
PartitionName=imagined Nodes=c[0-${count - 1}] MaxTime=INFINITE DefaultTime=60 State=UP
`

const accelerators = ({ folder, nodes, gpus, imagined }: Places): string =>
  gpus === 0
    ? 'AutoDetect=off\n'
    : `AutoDetect=off\nNodeName=n[0-${nodes - 1}] Name=gpu Type=h200 File=${join(folder, 'devices/gpu')}[0-${gpus - 1}]\n${
        imagined > 0
          ? `NodeName=c[0-${imagined - 1}] Name=gpu Type=h200 File=${join(folder, 'devices/gpu')}[0-${gpus - 1}]\n`
          : ''
      }`

/** Leaves of two nodes, of imagined ones of sixteen, and one switch that joins them. */
function switches({ nodes, imagined }: ClusterShape): string {
  const leaves = Array.from({ length: Math.ceil(nodes / 2) }, (_, leaf) => {
    const last = Math.min(nodes - 1, 2 * leaf + 1)
    return `SwitchName=leaf${leaf} Nodes=n[${2 * leaf}-${last}]\n`
  })
  const more = Array.from(
    { length: Math.ceil(imagined / 16) },
    (_, leaf) => `SwitchName=row${leaf} Nodes=c[${16 * leaf}-${Math.min(imagined, 16 * leaf + 16) - 1}]\n`,
  )
  const rows = more.length > 0 ? `,row[0-${more.length - 1}]` : ''
  return [...leaves, ...more, `SwitchName=core Switches=leaf[0-${leaves.length - 1}]${rows}\n`].join('')
}

/** Blocks of two nodes, and larger ones of two of those. */
function blocks({ nodes }: ClusterShape): string {
  const lines = Array.from(
    { length: Math.ceil(nodes / 2) },
    (_, block) => `BlockName=b${block} Nodes=n[${2 * block}-${Math.min(nodes - 1, 2 * block + 1)}]\n`,
  )
  return [...lines, 'BlockSizes=2,4\n'].join('')
}
