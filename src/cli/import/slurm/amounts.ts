import { modelOf } from '#providers/kubernetes/nodes.ts'

/**
 * A time limit as Slurm writes it, in seconds: `90` (minutes), `90:30`, `12:00:00`, `2-12`, `2-12:30`, `2-12:30:00`.
 * Undefined for none, and for what is no time. Source: sbatch(1), `--time`.
 */
export function secondsOf(text: string): number | undefined {
  const [, days, rest = ''] = /^(?:(\d+)-)?(\d+(?::\d+){0,2})$/.exec(text) ?? []
  if (rest === '') return undefined
  const parts = rest.split(':').map(Number)
  const [first = 0, second = 0, third = 0] = parts
  if (days !== undefined) return Number(days) * 86_400 + first * 3600 + second * 60 + third
  if (parts.length === 3) return first * 3600 + second * 60 + third
  return first * 60 + second
}

/** Memory as Slurm writes it, in MiB: `4000`, `64G`, `512M`. Undefined for what is none. */
export function mebibytesOf(text: string): number | undefined {
  const [, digits = '', unit = ''] = /^(\d+(?:\.\d+)?)([KMGT]?)B?$/i.exec(text) ?? []
  if (digits === '') return undefined
  const factors: Record<string, number> = { K: 1 / 1024, '': 1, M: 1, G: 1024, T: 1024 * 1024 }
  return Math.ceil(Number(digits) * (factors[unit.toUpperCase()] ?? 1))
}

export type Gpus = { model: string | undefined; count: number }

/** `gpu:h100:8`, `h100:8`, `8`: how many accelerators of which model. Undefined for other generic resources. */
export function gpusOf(text: string): Gpus | undefined {
  const plain = text.replace(/\(.*\)$/, '').replace(/^gres[/:]/, '')
  const [, type, digits] = /^(?:gpu:?)?(?:([A-Za-z][\w.-]*?))?:?(\d+)?$/.exec(plain) ?? []
  if (plain === '' || (type === undefined && digits === undefined && plain !== 'gpu')) return undefined
  return {
    model: type === undefined || type === 'gpu' ? undefined : modelOf({ 'nvidia.com/gpu.product': type }),
    count: digits === undefined ? 1 : Number(digits),
  }
}

export type Indices = {
  tasks: number
  atOnce: number | undefined
  /** The index of a task, as a shell reckons it. */ index: string
  first: number
  last: number
}

const mostTasks = 100_000_000
/** Listed one by one; a spec has no room for many more. */
const mostListed = 5000

/** `0-99%10`, `1-9:2`, `1,3,7`: the tasks of an array. Undefined for what is none. */
export function indicesOf(text: string): Indices | undefined {
  const [list = '', atOnce] = text.split('%')
  const parts = list.split(',', mostListed + 1)
  if (parts.length > mostListed) return undefined
  const ranges = parts.map((part) => /^(\d{1,9})(?:-(\d{1,9})(?::(\d{1,9}))?)?$/.exec(part))
  if (ranges.some((range) => range === null) || (atOnce !== undefined && !/^[1-9]\d{0,8}$/.test(atOnce)))
    return undefined
  const known = ranges.map((range) => {
    const first = Number(range?.[1])
    const step = Number(range?.[3] ?? 1)
    const count = Math.floor((Number(range?.[2] ?? first) - first) / step) + 1
    return { first, step, count }
  })
  const tasks = known.reduce((sum, { count }) => sum + count, 0)
  if (!(tasks >= 1) || tasks > mostTasks || known.some(({ count }) => !(count >= 1))) return undefined
  const [only, ...others] = known
  if (!only) return undefined
  const lasts = known.map(({ first, step, count }) => first + step * (count - 1))
  const bounds = { first: Math.min(...known.map(({ first }) => first)), last: Math.max(...lasts) }
  const common = { tasks, atOnce: atOnce === undefined ? undefined : Number(atOnce), ...bounds }
  if (others.length === 0) {
    const { first, step } = only
    const isPlain = first === 0 && step === 1
    const scaled = step === 1 ? 'ISOBAR_TASK_INDEX' : `${step} * ISOBAR_TASK_INDEX`
    return { ...common, index: isPlain ? '$ISOBAR_TASK_INDEX' : `$((${first} + ${scaled}))` }
  }
  if (tasks > mostListed) return undefined
  const all = known.flatMap(({ first, step, count }) => Array.from({ length: count }, (_, i) => first + step * i))
  return { ...common, index: `$(echo ${all.join(' ')} | cut -d ' ' -f $((ISOBAR_TASK_INDEX + 1)))` }
}
