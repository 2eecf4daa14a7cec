import { type Draft, nameFrom } from '#cli/import/draft.ts'
import { type ImportNote, mostNotes, noteAt, type Read, tooManyNotes } from '#cli/import/note.ts'
import { formatDuration } from '#kit/duration.ts'
import type { Source } from '#model/spec/problem.ts'

import { commandsOf } from './commands.ts'
import { readScript, type Directive, type Script } from './directives.ts'
import { type Layout, layoutOf, type Tell } from './layout.ts'
import { type Job, type Sheet, take } from './options.ts'
import type { Remark } from './script.ts'

/** Whether a text is a script for sbatch rather than a document. */
export const isBatchScript = (text: string): boolean => text.startsWith('#!') || /^#SBATCH\b/m.test(text)

/** Reads a batch script: a gang, an array, or a gang with roles where it is heterogeneous. */
export function readBatchScript(text: string, source: Source): Read {
  const script = readScript(text)
  const refused = tooLarge(text, script)
  if (refused) return { problems: [source.problem(0, refused)] }
  const notes: ImportNote[] = []
  const carried: { kind: string; from: string; to: string }[] = []
  const sheets = Array.from({ length: script.components }, (): Sheet => ({}))
  const job: Job = { env: {} }
  for (const directive of script.directives) {
    const isLast = !script.directives.some((other) => other.at > directive.at && isSame(other, directive))
    const taken = isLast ? take(directive, sheets[directive.component] ?? {}, job) : saidAgain
    if (!('to' in taken))
      notes.push(noteAt(source, directive.at, { path: pathOf(directive), what: 'left out', ...taken }))
    else {
      carried.push({ kind: 'sbatch', from: `--${directive.name}`, to: taken.to })
      if (taken.changed)
        notes.push(noteAt(source, directive.at, { path: pathOf(directive), what: 'changed', ...taken.changed }))
    }
  }
  for (const at of script.late) notes.push(noteAt(source, at, { path: '#SBATCH', what: 'left out', ...tooLate }))
  const tell = (names: string[], message: string, fix: string): void => {
    const directive = script.directives.find(({ name }) => names.includes(name))
    const path = `--${directive?.name ?? names[0] ?? ''}`
    notes.push(noteAt(source, directive?.at ?? 0, { path, what: 'changed', message, fix }))
  }
  const layouts: Layout[] = []
  let firstRank = 0
  for (const sheet of sheets) {
    layouts.push({ ...layoutOf(sheet, tell), firstRank })
    firstRank += layouts.at(-1)?.nodes ?? 0
  }
  const problem = impossible(job, layouts)
  if (problem) {
    const at = script.directives.find(({ name }) => `--${name}` === problem.path)?.at ?? text.length
    return { problems: [source.problem(at, problem)] }
  }
  const { draft, remarks } = draftOf({ text, script, job, layouts, tell, sheets })
  for (const { at, ...remark } of remarks) notes.push(noteAt(source, at, { what: 'changed', ...remark }))
  return notes.length > mostNotes ? tooManyNotes(source, notes.length) : { drafts: [draft], notes, carried }
}

/** Slurm takes no more either, unless it is told to (`max_script_size`). */
const mostCharacters = 4_000_000
const mostDirectives = 1000
const mostCalls = 1000
const mostRoles = 16

function tooLarge(text: string, { directives, components }: Script): { message: string; fix: string } | undefined {
  if (text.split('srun', mostCalls + 2).length > mostCalls + 1)
    return { message: `the script calls srun more than ${mostCalls} times`, fix: 'call it in a loop' }
  if (text.length > mostCharacters)
    return {
      message: `the script has ${text.length} characters, the most is ${mostCharacters}`,
      fix: 'keep data in files beside it',
    }
  if (directives.length > mostDirectives)
    return { message: `the script has more than ${mostDirectives} options`, fix: 'remove those that say the same' }
  if (components > mostRoles)
    return {
      message: `a gang has ${mostRoles} roles at the most, and this job ${components} parts`,
      fix: 'submit some of them as jobs of their own',
    }
  return undefined
}

const isSame = (a: Directive, b: Directive): boolean => a.name === b.name && a.component === b.component
const saidAgain = { message: 'it is said again below, and the last one counts', fix: 'remove one of the two' }

const pathOf = ({ name }: Directive): string => (name.startsWith('-') ? name : `--${name}`)

const tooLate = {
  message: 'it stands below the first command, where Slurm does not read it either',
  fix: 'move it to the top of the script',
}

/** What no spec could say. */
function impossible(
  { array }: Job,
  layouts: readonly Layout[],
): { path: string; message: string; fix: string } | undefined {
  if (array && (layouts.length > 1 || layouts.some(({ nodes }) => nodes > 1)))
    return {
      path: '--array',
      message: 'each task of an array runs on one node, and here it has several',
      fix: 'import it without --array, and run it once for each index: isobar run --env SLURM_ARRAY_TASK_ID=1 FILE',
    }
  return undefined
}

type Whole = {
  text: string
  script: Script
  job: Job
  layouts: readonly Layout[]
  sheets: readonly Sheet[]
  tell: Tell
}

function draftOf({ text, script, job, layouts, sheets, tell }: Whole): { draft: Draft; remarks: Remark[] } {
  const name = nameFrom(job.name ?? 'batch')
  if (job.name !== undefined && name !== job.name)
    tell(['job-name'], `${job.name} cannot be a name here; it is ${name}`, 'choose another')
  const [first] = layouts
  const isHet = layouts.length > 1
  const parts = layouts.map((layout, component) =>
    commandsOf({ text, script, job, name: job.name ?? name, layout, component: isHet ? component : undefined }),
  )
  const { array } = job
  const draft: Draft = {
    kind: array ? 'array' : 'job',
    name,
    ...(array && { tasks: array.tasks, parallelism: Math.min(1_000_000, array.atOnce ?? array.tasks) }),
    ...(!array && !isHet && { nodes: first?.nodes ?? 1 }),
    ...(isHet
      ? {
          roles: layouts.map(({ nodes, resources }, index) => ({
            name: `part-${index}`,
            nodes,
            resources,
            run: parts[index]?.run ?? '',
          })),
        }
      : { resources: first?.resources ?? {}, run: parts[0]?.run ?? '' }),
    ...(job.image !== undefined && { image: job.image }),
    env: job.env,
    ...(job.seconds !== undefined && { duration: { maximum: formatDuration(job.seconds * 1000) } }),
    ...(job.graceSeconds !== undefined && { checkpoint: { grace: `${job.graceSeconds}s` } }),
    ...(job.isRequeued === false && { retry: { onLoss: 0 } }),
    topology: isHet ? {} : topologyOf(job, layouts, sheets),
  }
  for (const option of ['exclusive', 'mem', 'switches', 'segment'])
    if (isHet && script.directives.some((each) => each.name === option && (option !== 'mem' || each.value === '0')))
      tell(
        [option],
        'a gang with roles says nothing of topology here',
        'write topology: { within: block } for all of it',
      )
  const seen = new Set<string>()
  const remarks = parts
    .flatMap((part) => part.remarks)
    .filter(({ at, path }) => !seen.has(`${at} ${path}`) && seen.add(`${at} ${path}`))
  return { draft, remarks }
}

function topologyOf(
  { switches, segment }: Job,
  layouts: readonly Layout[],
  sheets: readonly Sheet[],
): NonNullable<Draft['topology']> {
  const [first] = layouts
  const isGang = layouts.length === 1 && (first?.nodes ?? 1) > 1
  return {
    ...(switches && isGang && { within: 'block' as const, ...(!switches.isRequired && { required: false }) }),
    ...(segment !== undefined && isGang && { slices: { ranks: segment, within: 'nvlink' as const } }),
    ...(layouts.length === 1 && sheets[0]?.isExclusive && { exclusive: 'node' as const }),
  }
}
