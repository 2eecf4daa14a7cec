import type { Advice } from '#cli/import/book.ts'

import { gpusOf, indicesOf, mebibytesOf, secondsOf, type Gpus, type Indices } from './amounts.ts'
import type { Directive } from './directives.ts'

/** What the options say of one part of a job; a job that is not heterogeneous is one part. */
export type Sheet = {
  nodes?: number
  tasks?: number
  tasksPerNode?: number
  cpusPerTask?: number
  memoryMiB?: number
  memoryPerCpuMiB?: number
  memoryPerGpuMiB?: number
  diskMiB?: number
  gpusPerNode?: Gpus
  gpus?: Gpus
  gpusPerTask?: Gpus
  isExclusive?: true
}

/** What they say of the whole. */
export type Job = {
  name?: string
  seconds?: number
  array?: Indices
  graceSeconds?: number
  folder?: string
  image?: string
  isRequeued?: false
  switches?: { isRequired: boolean }
  segment?: number
  env: Record<string, string>
}

/** What came of an option: the fields of a spec that it became, with or without something to tell; or why none. */
type Taken = { to: string; changed?: Advice } | Advice

type Take = (value: string, sheet: Sheet, job: Job) => Taken

const number = (value: string): number | undefined => (/^[1-9]\d{0,6}$/.test(value) ? Number(value) : undefined)
const wrong = (wanted: string): Advice => ({ message: `this is not ${wanted}`, fix: 'write it as sbatch(1) says' })
const leave = (message: string, fix: string) => (): Advice => ({ message, fix })

type Counted = 'tasks' | 'tasksPerNode' | 'cpusPerTask'
const counted =
  (field: Counted, to: string): Take =>
  (value, sheet) => {
    const count = number(value)
    if (count === undefined) return wrong('a number')
    sheet[field] = count
    return { to }
  }

type Measured = 'memoryMiB' | 'memoryPerCpuMiB' | 'memoryPerGpuMiB' | 'diskMiB'
const measured =
  (field: Measured, to: string): Take =>
  (value, sheet) => {
    const size = mebibytesOf(value)
    if (size === undefined) return wrong('an amount of memory')
    if (size > 0) sheet[field] = size
    else sheet.isExclusive = true // all that a node has
    return size > 0 ? { to } : { to: 'topology.exclusive' }
  }

type Accelerated = 'gpusPerNode' | 'gpus' | 'gpusPerTask'
const accelerated =
  (field: Accelerated): Take =>
  (value, sheet) => {
    const gpus = gpusOf(value)
    if (!gpus) return wrong('a number of accelerators of one kind')
    if (gpus.count > 0) sheet[field] = gpus
    return { to: 'resources.accelerators' }
  }

function nodes(value: string, sheet: Sheet): Taken {
  const [least, most] = value.split('-')
  const count = number(least ?? '')
  if (count === undefined || count > 100_000) return wrong('a number of nodes')
  sheet.nodes = count
  if (most === undefined || most === least) return { to: 'nodes' }
  const message = `a gang has as many nodes as it has: ${count}, the fewest that would do`
  return { to: 'nodes', changed: { message, fix: `write nodes: ${most} if it had better wait for more` } }
}

function gres(value: string, sheet: Sheet): Taken {
  const parts = value.split(',').filter((part) => part !== 'none')
  const [only, ...others] = parts
  if (only === undefined) return { to: 'resources.accelerators' }
  const gpus = /^(gres[/:])?gpu\b/.test(only) ? gpusOf(only) : undefined
  if (!gpus || others.length > 0)
    return {
      message: 'a spec knows accelerators of one kind, and no other generic resource',
      fix: 'write resources: { accelerators: H100:8 }, or placement: { nodeLabels: … } for what else it needs',
    }
  if (gpus.count > 0) sheet.gpusPerNode = gpus
  return { to: 'resources.accelerators' }
}

function time(value: string, _: Sheet, job: Job): Taken {
  if (/^(infinite|unlimited)$/i.test(value)) return { to: 'duration.maximum' }
  const seconds = secondsOf(value)
  if (seconds === undefined || seconds > 3_155_760_000) return wrong('a time')
  if (seconds > 0) job.seconds = seconds
  return { to: 'duration.maximum' }
}

function array(value: string, _: Sheet, job: Job): Taken {
  const indices = indicesOf(value)
  if (!indices) return wrong('a list of indices, such as 0-99%10')
  job.array = indices
  return { to: 'tasks, parallelism' }
}

/** A day: no spec says more. */
const longestGraceSeconds = 86_400

function signal(value: string, _: Sheet, job: Job): Taken {
  const [, name = '', before = '60'] = /^(?:[BR]+:)?(?:SIG)?([A-Z]+\d*|\d+)(?:@(\d{1,6}))?$/i.exec(value) ?? []
  if (name === '' || Number(before) > longestGraceSeconds) return wrong('a signal and seconds, such as B:TERM@120')
  job.graceSeconds = Number(before)
  if (['TERM', '15'].includes(name.toUpperCase())) return { to: 'checkpoint.grace' }
  const message = `what is to end hears SIGTERM, and ${before} s later SIGKILL; ${name} is never sent`
  return { to: 'checkpoint.grace', changed: { message, fix: 'let the script trap TERM' } }
}

function exported(value: string, _: Sheet, job: Job): Taken {
  const pairs = value.split(',').filter((part) => !['ALL', 'NIL', 'NONE', ''].includes(part))
  const named = pairs.flatMap((pair) => {
    const [, name, text] = /^([A-Za-z_]\w*)=(.*)$/s.exec(pair) ?? []
    return name !== undefined && !name.startsWith('ISOBAR_') ? [[name, text ?? ''] as const] : []
  })
  Object.assign(job.env, Object.fromEntries(named))
  if (value === 'NONE' || (named.length === pairs.length && !value.split(',').includes('ALL'))) return { to: 'env' }
  const message = 'nothing of the environment of who submits it comes along'
  return { to: 'env', changed: { message, fix: 'write what it needs under env, and secrets under secrets' } }
}

function switches(value: string, _: Sheet, job: Job): Taken {
  const [count, wait] = value.split('@')
  if (count !== '1')
    return { message: 'a spec asks for one domain or for none', fix: 'write topology: { balanced: block }' }
  job.switches = { isRequired: wait === undefined }
  return { to: 'topology.within' }
}

function segment(value: string, _: Sheet, job: Job): Taken {
  const ranks = number(value)
  if (ranks === undefined) return wrong('a number of nodes')
  job.segment = ranks
  return { to: 'topology.slices' }
}

const text =
  (field: 'name' | 'folder' | 'image', to: string): Take =>
  (value, _, job) => {
    if (value === '') return wrong('a text')
    job[field] = value
    return { to }
  }

const logs = leave('Isobar keeps the output of each rank itself', 'isobar logs NAME --rank all')
const mail = leave('Isobar sends no mail', 'isobar events, or isobar wait NAME in a script that does')
const queues = leave(
  'this is a queue of that cluster',
  'write placement: { sites: [slurm/NAME] } if it is to run only there',
)
const payer = leave('here projects pay', 'isobar run FILE --project NAME')
const hosts = leave('nodes are chosen by what they have, not by their names', 'write placement: { nodeLabels: … }')
const binding = leave(
  'ranks are not bound to parts of their node',
  'do it in the script: numactl, taskset, CUDA_VISIBLE_DEVICES',
)
const client = leave('it is a way of calling sbatch, not of running', 'nothing to do')
const later = leave(
  'Isobar starts no workload for another or by the clock',
  'isobar wait NAME --exit-code=remote && isobar run FILE',
)

/** The options of sbatch, by their long names. */
const options: Readonly<Record<string, Take>> = {
  'job-name': text('name', 'name'),
  nodes,
  ntasks: counted('tasks', 'nodes'),
  'ntasks-per-node': counted('tasksPerNode', 'run'),
  'cpus-per-task': counted('cpusPerTask', 'resources.cpus'),
  mem: measured('memoryMiB', 'resources.memory'),
  'mem-per-cpu': measured('memoryPerCpuMiB', 'resources.memory'),
  'mem-per-gpu': measured('memoryPerGpuMiB', 'resources.memory'),
  tmp: measured('diskMiB', 'resources.disk'),
  gres,
  gpus: accelerated('gpus'),
  'gpus-per-node': accelerated('gpusPerNode'),
  'gpus-per-task': accelerated('gpusPerTask'),
  time,
  array,
  signal,
  export: exported,
  switches,
  segment,
  chdir: text('folder', 'run'),
  'container-image': text('image', 'image'),
  'container-workdir': text('folder', 'run'),
  exclusive: (value, sheet) => {
    if (value !== '' && value !== 'topo')
      return { message: 'only whole nodes are kept from others', fix: 'write topology: { exclusive: node }' }
    sheet.isExclusive = true
    return { to: 'topology.exclusive' }
  },
  requeue: () => ({ to: 'retry.onLoss' }),
  'no-requeue': (_, __, job) => {
    job.isRequeued = false
    return { to: 'retry.onLoss' }
  },
  ...Object.fromEntries(['output', 'error', 'open-mode', 'input'].map((name) => [name, logs])),
  ...Object.fromEntries(['mail-type', 'mail-user'].map((name) => [name, mail])),
  ...Object.fromEntries(['partition', 'qos', 'reservation', 'clusters', 'cluster'].map((name) => [name, queues])),
  ...Object.fromEntries(['account', 'wckey'].map((name) => [name, payer])),
  ...Object.fromEntries(
    ['constraint', 'prefer', 'nodelist', 'exclude', 'nodefile', 'contiguous'].map((name) => [name, hosts]),
  ),
  ...Object.fromEntries(
    [
      'hint',
      'distribution',
      'gpu-bind',
      'cpu-bind',
      'mem-bind',
      'threads-per-core',
      'ntasks-per-socket',
      'ntasks-per-core',
      'sockets-per-node',
      'cores-per-socket',
      'core-spec',
      'gpu-freq',
      'cpu-freq',
      'ntasks-per-gpu',
      'cpus-per-gpu',
      'gpus-per-socket',
      'extra-node-info',
    ].map((name) => [name, binding]),
  ),
  ...Object.fromEntries(
    ['parsable', 'wait', 'quiet', 'verbose', 'test-only', 'comment', 'get-user-env'].map((name) => [name, client]),
  ),
  ...Object.fromEntries(
    ['dependency', 'begin', 'hold', 'deadline', 'kill-on-invalid-dep'].map((name) => [name, later]),
  ),
  nice: leave('a priority here is a number of its own', 'write priority: -100, from -1000 to 1000'),
  priority: leave('a priority here is a number of its own', 'write priority: 100, from -1000 to 1000'),
  licenses: leave(
    'Isobar counts no licences',
    'bound how many run at a time with a quota, or an array with parallelism',
  ),
  'container-mounts': leave(
    'a spec mounts nothing',
    'take code along with workdir, and save to $ISOBAR_CHECKPOINT_DIR',
  ),
  oversubscribe: leave('what a node has is shared by what each asks for', 'ask for less: resources: { cpus: 0.5 }'),
}

/** What comes of an option. */
export function take({ name, value }: Directive, sheet: Sheet, job: Job): Taken {
  const known = Object.hasOwn(options, name) ? options[name] : undefined
  return known
    ? known(value, sheet, job)
    : { message: 'no field of a spec says this', fix: 'look for it in `isobar init`, or do it in the script' }
}
