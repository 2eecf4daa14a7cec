import { fail, type Outcome, succeed } from '#model/fault.ts'

import {
  type BatchJob,
  type Controller,
  gpusOf,
  gpusUsed,
  hostsOf,
  isUsable,
  nodesFor,
  type Partition,
  phaseOf,
  type Reservation,
  type SlurmJob,
  type SlurmNode,
} from './controller.ts'
import { askAccounting, askRemembered, licencesIn } from './accounting-commands.ts'
import type { Asking } from './dialect.ts'
import { fieldOf, instantOf, minutesOf } from './fields.ts'
import { faultOf, isOver, isUnknownJob } from './faults.ts'
import { mapped } from './replies.ts'
import { topologyIn } from './rest.ts'
import { type Command, type Login, type MoreOfCommand, runCommand } from './run-command.ts'

export type CommandLineOptions = Asking &
  Login & {
    /** Whose jobs; ours without one. */
    user: string
    /** A topology.conf, where it is not to be asked for. */
    topologyFile?: string | undefined
  }

/** The commands of Slurm, on this machine or on one that SSH leads to. */
export function createCommandLine(options: CommandLineOptions): Controller {
  const answer = async (argv: Command, signal: AbortSignal, more?: MoreOfCommand): Promise<Outcome<string>> => {
    const ended = await runCommand(options, argv, { ...more, signal })
    if (!ended.ok) return ended
    const { code, out, err } = ended.value
    return code === 0 ? succeed(out) : faultOf(`${err} ${out}`)
  }
  const queue = async (filter: string[], signal: AbortSignal): Promise<Outcome<SlurmJob[]>> => {
    const argv = ['--noheader', '--states=all', `--user=${options.user}`, ...filter, `--format=${format}`]
    const listed = await answer(['squeue', ...argv], signal, { environment: inSeconds })
    if (!listed.ok) return isUnknownJob(listed.fault.detail) ? succeed([]) : listed
    return succeed(listed.value.split('\n').flatMap(jobOf))
  }
  return {
    async submit(job, signal) {
      const { script, environment: seen } = job
      const said = await answer(['sbatch', ...sbatchArguments(job, options)], signal, {
        input: script,
        environment: seen,
      })
      if (!said.ok) return said
      const id = /^(\d+)/.exec(said.value)?.[1]
      return id === undefined ? faultOf(`sbatch said ${said.value}`) : succeed(Number(id))
    },
    async jobs(ids, signal) {
      const wanted = new Set(ids)
      // A job that is asked for alone Slurm looks up; of several it tells with all of ours. Without any it need only answer.
      const [only = 1, ...more] = ids
      const all = await queue(more.length === 0 ? [`--jobs=${only}`] : [], signal)
      return all.ok ? succeed(all.value.filter(({ id }) => wanted.has(id))) : all
    },
    named: (name, signal) => queue([`--name=${name}`], signal),
    async cancel(id, signal) {
      const said = await answer(['scancel', String(id)], signal)
      return said.ok || isOver(said.fault.detail) ? succeed(null) : said
    },
    partition: (signal, only) => askPartition(options, only, (argv) => answer(argv, signal)),
    async topology(signal) {
      if (options.topologyFile !== undefined) return topologyIn(options.topologyFile)
      const told = await answer(['scontrol', 'show', 'topology'], signal)
      // A cluster without one says so by failing; who does not answer has said nothing.
      return told.ok || told.fault.kind === 'unreachable' ? told : succeed('')
    },
    accounting: (signal) => askAccounting(options, (argv) => answer(argv, signal)),
    async fairShare(account, signal) {
      const whose = ['--users', options.user, '--accounts', account, '--format=FairShare']
      const said = await answer(['sshare', '--noheader', '--parsable2', '--Users', ...whose], signal)
      return mapped(said, (text) => numberOrNull(text.trim().split('\n')[0] ?? ''))
    },
    async licences(signal) {
      return mapped(await answer(['scontrol', 'show', 'licenses'], signal), licencesIn)
    },
    remembered: (id, signal) => askRemembered(id, (argv) => answer(argv, signal, { environment: inSeconds })),
  }
}

const numberOrNull = (text: string): number | null => (text === '' || Number.isNaN(Number(text)) ? null : Number(text))

async function askPartition(
  options: CommandLineOptions,
  only: readonly string[] | undefined,
  answer: (argv: Command) => Promise<Outcome<string>>,
): Promise<Outcome<Partition>> {
  const limit = await answer(['scontrol', '--oneliner', 'show', 'partition', options.partition])
  if (!limit.ok) return isNoPartition(limit.fault.detail) ? noPartition(options.partition) : limit
  const reserved = await answer(['scontrol', '--oneliner', 'show', 'reservation'])
  if (!reserved.ok) return reserved
  const names = only === undefined ? [] : [only.join(',')]
  const nodes = await answer(['scontrol', '--details', '--oneliner', 'show', 'node', ...names])
  if (!nodes.ok) return nodes
  const all = nodes.value.split('\n').flatMap(nodeOf)
  const reservations = reserved.value.split('\n').flatMap(reservationOf)
  const mostMinutes = minutesOf(fieldOf(limit.value, 'MaxTime'))
  return succeed({ nodes: nodesFor(options, all, reservations), mostMinutes })
}

const isNoPartition = (said: string): boolean => /partition .*not found|invalid partition/i.test(said)
const noPartition = (name: string): Outcome<never> =>
  fail('invalid', 'elsewhere', `the cluster has no partition ${name}; sinfo shows those it has`)

function sbatchArguments(job: BatchJob, options: CommandLineOptions): string[] {
  const { partition, account, qos, reservation, licences = [], exclusive } = options
  const { name, comment, nodes, nodelist, cpusPerNode, memoryMiB, gpus, minutes, folder, output } = job
  const type = gpus === null || gpus.type === null ? '' : `${gpus.type}:`
  return [
    '--parsable',
    '--no-requeue',
    '--dependency=singleton',
    '--export=ALL',
    `--job-name=${name}`,
    `--comment=${comment}`,
    `--partition=${partition}`,
    ...(account === undefined ? [] : [`--account=${account}`]),
    ...(qos === undefined ? [] : [`--qos=${qos}`]),
    ...(reservation === undefined ? [] : [`--reservation=${reservation}`]),
    ...(licences.length > 0 ? [`--licenses=${licences.join(',')}`] : []),
    ...(exclusive ? ['--exclusive'] : []),
    `--nodes=${nodes}`,
    ...(nodelist ? [`--nodelist=${nodelist.join(',')}`] : []),
    `--ntasks=${nodes}`,
    '--ntasks-per-node=1',
    `--cpus-per-task=${cpusPerNode}`,
    `--mem=${memoryMiB}`,
    ...(gpus === null ? [] : [`--gpus-per-node=${type}${gpus.count}`]),
    `--time=${minutes ?? 'UNLIMITED'}`,
    `--signal=TERM@${job.graceSeconds}`,
    `--chdir=${folder}`,
    `--output=${output}`,
    '--open-mode=append',
  ]
}

/** Times as seconds since the epoch: whoever runs the command may live in another time zone. */
const inSeconds = { SLURM_TIME_FORMAT: '%s' }

// The name and the comment are ours and hold no bar; the reason is last and may hold anything.
const format = '%A|%T|%j|%k|%S|%e|%l|%r'

function jobOf(line: string): SlurmJob[] {
  const [id = '', state = '', name = '', comment = '', start = '', end = '', limit = '', ...reason] = line.split('|')
  if (!/^\d+$/.test(id)) return []
  const because = reason.join('|')
  const detail = because === '' || because === 'None' ? state : `${state}: ${because}`
  const phase = phaseOf(state)
  const times = { startsAt: instantOf(start), endsAt: instantOf(end), minutes: minutesOf(limit) }
  return [{ id: Number(id), name, comment, phase, detail, ...times }]
}

function nodeOf(line: string): SlurmNode[] {
  const field = (name: string) => fieldOf(line, name)
  const count = (name: string) => Number.parseInt(field(name), 10) || 0
  if (field('NodeName') === '') return []
  const state = field('State')
  return [
    {
      name: field('NodeName'),
      partitions: field('Partitions').split(','),
      usable: isUsable(state),
      state,
      reason: / Reason=(.*?)(?: \[\S+@\S+\])?\s*$/.exec(line)?.[1] ?? '',
      features: field('ActiveFeatures')
        .split(',')
        .filter((one) => one !== ''),
      cpus: count('CPUTot'),
      memoryMiB: count('RealMemory'),
      diskMiB: count('TmpDisk'),
      gpus: gpusOf(field('Gres')),
      used: { cpus: count('CPUAlloc'), memoryMiB: count('AllocMem'), gpus: gpusUsed(field('GresUsed')) },
    },
  ]
}

const reservationOf = (line: string): Reservation[] =>
  fieldOf(line, 'State') === 'ACTIVE'
    ? [{ name: fieldOf(line, 'ReservationName'), nodes: hostsOf(fieldOf(line, 'Nodes')) }]
    : []
