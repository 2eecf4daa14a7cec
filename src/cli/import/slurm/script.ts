import { optionOf } from './directives.ts'

/** Something in the commands of a script that is not as it was in Slurm. */
export type Remark = { at: number; path: string; message: string; fix: string }

export type Rewritten = {
  text: string
  remarks: Remark[]
  /** Whether anything is started as often as a node has tasks. */
  hasTasks: boolean
  usesSrun: boolean
}

type Around = {
  tasksPerNode: number
  nodes: number
  /** Which part of a heterogeneous job runs these commands, if it is one. */
  component?: number | undefined
}

/** Where a shell takes a word as a command. */
const start = String.raw`(?:^|[;&|({]|\$\(|${'`'}|\b(?:then|do|else|time|exec|if|while)[ \t])[ \t]*`

/** The commands of a script without `srun`: here every node runs the script, and a task of a node is started on it. */
export function withoutSrun(script: string, around: Around): Rewritten {
  const result: Rewritten = { text: '', remarks: [], hasTasks: false, usesSrun: false }
  let done = 0
  for (const found of script.matchAll(new RegExp(`${start}(srun)(?=\\s)`, 'gm'))) {
    const at = found.index + found[0].length - 'srun'.length
    if (at < done || isComment(script, at)) continue
    result.usesSrun = true
    const call = readCall(script, at + 'srun'.length)
    const chosen =
      around.component === undefined
        ? call.parts[0]
        : call.parts.find((part) => groupsOf(part).includes(around.component ?? 0))
    const isSplit = call.parts.length > 1 || around.component !== undefined
    result.text += script.slice(done, at)
    if (!chosen) result.text += ':'
    else {
      result.text += starterOf({ ...chosen, at }, around, result)
      if (isSplit) result.text += script.slice(chosen.command, chosen.end).trimEnd()
    }
    done = isSplit ? call.end : (chosen?.command ?? call.end)
  }
  result.text += script.slice(done)
  return result
}

const isComment = (script: string, at: number): boolean =>
  /^\s*#/.test(script.slice(script.lastIndexOf('\n', at - 1) + 1, at))

type Part = {
  options: { name: string; value: string; written: string }[]
  /** Offsets of its command. */
  command: number
  end: number
}

/** Options and commands of a call of srun, several where it starts parts of a heterogeneous job. */
function readCall(script: string, from: number): { parts: Part[]; end: number } {
  const end = endOfCommand(script, from)
  const parts: Part[] = []
  let at = from
  for (const piece of script.slice(from, end).split(/(?<=\s):(?=\s)/)) {
    parts.push(readPart(script, at, at + piece.length))
    at += piece.length + 1
  }
  return { parts, end }
}

const wordPattern = /(?:\\\n|[ \t])*((?:"(?:[^"\\]|\\.)*"|'[^']*'|\\[^\n]|[^\s"'\\;&|<>])+)/y

function readPart(script: string, from: number, end: number): Part {
  const part: Part = { options: [], command: end, end }
  const wordAt = (at: number): { text: string; from: number; to: number } | undefined => {
    wordPattern.lastIndex = at
    const found = wordPattern.exec(script)
    if (!found?.[1] || wordPattern.lastIndex > end) return undefined
    return {
      text: found[1].replaceAll(/["']/g, ''),
      from: wordPattern.lastIndex - found[1].length,
      to: wordPattern.lastIndex,
    }
  }
  let at = from
  for (let word = wordAt(at); word; word = wordAt(at)) {
    if (!word.text.startsWith('-')) {
      part.command = word.from
      break
    }
    at = word.to
    if (word.text === '--') continue
    const next = wordAt(at)
    const { option, tookNext } = optionOf(word.text, next?.text, 'srun')
    part.options.push({ ...option, written: word.text })
    if (tookNext && next) at = next.to
  }
  return part
}

/** Nobody writes a longer one by hand. */
const longestCommand = 20_000

/** The end of a simple command: what ends it in a shell, outside quotes. */
function endOfCommand(whole: string, from: number): number {
  const script = whole.slice(0, from + longestCommand)
  const pattern = /"(?:[^"\\]|\\[^])*"|'[^']*'|\\[^]|\$\([^)]*\)|&>|>&|[\n;&|)`]|[^]/gy
  pattern.lastIndex = from
  for (let found = pattern.exec(script); found; found = pattern.exec(script))
    if (/^[\n;&|)`]$/.test(found[0])) return found.index
  return script.length
}

function groupsOf({ options }: Part): number[] {
  const value = options.find(({ name }) => name === 'het-group' || name === 'pack-group')?.value ?? '0'
  return value.split(',').flatMap((piece) => {
    const [first = 0, last = first] = piece.split('-').map(Number)
    return Array.from({ length: Math.min(16, last - first + 1) }, (_, index) => first + index)
  })
}

/** What stands in the place of srun: nothing, the starter of all tasks of a node, or a guard for what is to run once. */
function starterOf({ at, ...part }: Part & { at: number }, around: Around, result: Rewritten): string {
  const valueOf = (name: string): string | undefined => part.options.find((option) => option.name === name)?.value
  const isPlaced = part.options.some(({ name }) => ['nodelist', 'relative', 'exclude'].includes(name))
  const isOnce =
    around.nodes * around.tasksPerNode > 1 &&
    !isPlaced &&
    (valueOf('ntasks') === '1' ||
      (valueOf('nodes') === '1' && valueOf('ntasks') === undefined && around.tasksPerNode === 1))
  for (const option of part.options) {
    if (isKnown(option, around, isOnce)) continue
    result.remarks.push({
      at,
      path: `srun ${option.written}`,
      message: 'tasks are started as plain commands on every node, without this option of srun',
      fix: isPlaced ? 'ask which node it is: [ "$ISOBAR_RANK" = 0 ] && …' : 'nothing to do where it made no difference',
    })
  }
  if (isOnce) return '[ "$ISOBAR_RANK" != 0 ] || '
  if (around.tasksPerNode === 1) return ''
  result.hasTasks = true
  return 'each_task '
}

const quiet: ReadonlySet<string> = new Set([
  'label',
  'unbuffered',
  'quiet',
  'verbose',
  'het-group',
  'pack-group',
  'overlap',
  'exact',
])

/** What says again what holds anyway. */
function isKnown({ name, value }: Part['options'][number], around: Around, isOnce: boolean): boolean {
  if (quiet.has(name)) return true
  const same: Record<string, number> = {
    nodes: around.nodes,
    ntasks: around.nodes * around.tasksPerNode,
    'ntasks-per-node': around.tasksPerNode,
  }
  if (isOnce && (name === 'nodes' || name === 'ntasks')) return true
  const own = { nodes: /^\$\{?SLURM_(NNODES|JOB_NUM_NODES)\}?$/, ntasks: /^\$\{?SLURM_(NTASKS|NPROCS)\}?$/ }[name]
  return same[name] !== undefined && (own?.test(value) === true || value === String(same[name]))
}
