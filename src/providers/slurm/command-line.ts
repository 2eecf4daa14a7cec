import { spawn } from 'node:child_process'

import { publicEnvironment } from '#kit/environment.ts'
import { fail, type Outcome, succeed } from '#model/fault.ts'

import {
  type BatchJob,
  type Controller,
  gpusOf,
  grouped,
  isUsable,
  type NodeGroup,
  type Partition,
  phaseOf,
  type SlurmJob,
} from './controller.ts'
import { faultOf, isOver, isUnknownJob } from './faults.ts'

export type CommandLineOptions = {
  partition: string
  /** Whose jobs; ours without one. */
  user: string
  account?: string | undefined
  qos?: string | undefined
  /** The cluster's slurm.conf, where it is not the machine's own. */
  conf?: string | undefined
}

type Ended = { code: number | null; out: string; err: string }

/** The commands of Slurm on this machine. */
export function createCommandLine(options: CommandLineOptions): Controller {
  // Commands see nothing of ours but what anybody may see: the environment of `sbatch` becomes that of the job.
  const environment = {
    ...publicEnvironment(process.env),
    ...(options.conf === undefined ? {} : { SLURM_CONF: options.conf }),
  }
  const ask = async (argv: [string, ...string[]], signal: AbortSignal, more: More = {}): Promise<Outcome<Ended>> => {
    const ended = await run(argv, signal, { ...more, environment: { ...environment, ...more.environment } })
    if ('missing' in ended) return missing(argv[0])
    if (signal.aborted) return fail('unreachable', 'later', `${argv[0]} was given up before it answered`)
    return succeed(ended)
  }
  const answer = async (argv: [string, ...string[]], signal: AbortSignal, more?: More): Promise<Outcome<string>> => {
    const asked = await ask(argv, signal, more)
    if (!asked.ok) return asked
    const { code, out, err } = asked.value
    return code === 0 ? succeed(out) : faultOf(`${err} ${out}`)
  }
  const queue = async (filter: string[], signal: AbortSignal): Promise<Outcome<SlurmJob[]>> => {
    const argv = ['--noheader', '--states=all', `--user=${options.user}`, ...filter, `--format=${format}`]
    const listed = await answer(['squeue', ...argv], signal)
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
      const all = await queue([], signal)
      return all.ok ? succeed(all.value.filter(({ id }) => wanted.has(id))) : all
    },
    named: (name, signal) => queue([`--name=${name}`], signal),
    async cancel(id, signal) {
      const said = await answer(['scancel', String(id)], signal)
      return said.ok || isOver(said.fault.detail) ? succeed(null) : said
    },
    async partition(signal) {
      const argv = ['--noheader', `--partition=${options.partition}`, '--format=%D|%T|%c|%m|%d|%l|%G']
      const said = await answer(['sinfo', ...argv], signal)
      return said.ok ? partitionOf(said.value, options.partition) : said
    },
  }
}

const missing = (program: string): Outcome<never> =>
  fail(
    'unreachable',
    'later',
    `there is no ${program} on this machine; install Slurm's commands, or give the site a rest address`,
  )

type More = { input?: string; environment?: Record<string, string> }

const mostBytes = 64 * 1024 * 1024

/** Runs a program to its end; its input and environment are only what is given. */
export function run(
  [program, ...argv]: [string, ...string[]],
  signal: AbortSignal,
  more: More,
): Promise<Ended | { missing: true }> {
  const over = Promise.withResolvers<Ended | { missing: true }>()
  const child = spawn(program, argv, { env: more.environment, cwd: '/', stdio: ['pipe', 'pipe', 'pipe'] })
  const kill = () => child.kill('SIGKILL')
  const read = (parts: Buffer[]) => {
    let bytes = 0
    return (part: Buffer) => {
      bytes += part.length
      if (bytes > mostBytes) kill()
      else parts.push(part)
    }
  }
  const [out, err]: [Buffer[], Buffer[]] = [[], []]
  child.stdout.on('data', read(out))
  child.stderr.on('data', read(err))
  child.stdin.on('error', () => undefined) // it ended before it read what we say
  child.stdin.end(more.input)
  child.once('error', () => over.resolve({ missing: true }))
  child.once('close', (code) =>
    over.resolve({ code, out: Buffer.concat(out).toString('utf8'), err: Buffer.concat(err).toString('utf8') }),
  )
  if (signal.aborted) kill()
  signal.addEventListener('abort', kill, { once: true })
  return over.promise.finally(() => signal.removeEventListener('abort', kill))
}

function sbatchArguments(job: BatchJob, { partition, account, qos }: CommandLineOptions): string[] {
  const { name, comment, nodes, cpusPerNode, memoryMiB, gpus, minutes, folder, output } = job
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
    `--nodes=${nodes}`,
    `--ntasks=${nodes}`,
    '--ntasks-per-node=1',
    `--cpus-per-task=${cpusPerNode}`,
    `--mem=${memoryMiB}`,
    ...(gpus === null ? [] : [`--gpus-per-node=${type}${gpus.count}`]),
    `--time=${minutes ?? 'UNLIMITED'}`,
    `--chdir=${folder}`,
    `--output=${output}`,
    '--open-mode=append',
  ]
}

// The name and the comment are ours and hold no bar; the reason is last and may hold anything.
const format = '%A|%T|%j|%k|%r'

function jobOf(line: string): SlurmJob[] {
  const [id = '', state = '', name = '', comment = '', ...reason] = line.split('|')
  if (!/^\d+$/.test(id)) return []
  const because = reason.join('|')
  const detail = because === '' || because === 'None' ? state : `${state}: ${because}`
  return [{ id: Number(id), name, comment, phase: phaseOf(state), detail }]
}

function partitionOf(said: string, name: string): Outcome<Partition> {
  const rows = said.split('\n').filter((line) => line.includes('|'))
  const [first] = rows
  if (first === undefined)
    return fail('invalid', 'elsewhere', `the cluster has no partition ${name}; sinfo shows those it has`)
  return succeed({ groups: grouped(rows.flatMap(groupOf)), mostMinutes: minutesOf(first.split('|')[5] ?? '') })
}

function groupOf(row: string): NodeGroup[] {
  const [count, state = '', cpus, memory, disk, , gres = ''] = row.split('|')
  return [
    {
      count: least(count),
      usable: isUsable(state),
      cpus: least(cpus),
      memoryMiB: least(memory),
      diskMiB: least(disk),
      gpus: gpusOf(gres),
    },
  ]
}

/** A plus behind it says that some have more. */
const least = (text: string | undefined): number => Number.parseInt(text ?? '', 10) || 0

/** A limit such as `infinite`, `30:00`, `2:00:00` or `7-00:00:00`, in whole minutes. */
export function minutesOf(limit: string): number | null {
  const [, days = '0', hours = '0', minutes] = /^(?:(\d+)-)?(?:(\d+):)?(\d+):\d+$/.exec(limit) ?? []
  return minutes === undefined ? null : Number(days) * 1440 + Number(hours) * 60 + Number(minutes)
}
