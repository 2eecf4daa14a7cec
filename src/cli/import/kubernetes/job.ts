import { formatDuration } from '#kit/duration.ts'
import type { Draft } from '#cli/import/draft.ts'
import type { Field } from '#cli/import/field.ts'

import { draftOf } from './gang.ts'
import { readPod } from './pod.ts'
import type { Around, Setting } from './around.ts'

const mostNodes = 100_000
const mostTasks = 100_000_000

/** A Job: one pod, a gang of indexed pods that run together, or tasks of which some run at a time. */
export function readJob(manifest: Field, setting: Setting): Draft {
  const spec = manifest.at('spec')
  const size = sizeOf(spec)
  settleSize(spec, size)
  const draft = draftOf(size.kind, manifest, [
    { name: 'main', nodes: 1, pod: readPod(spec.at('template'), aroundOf(spec, setting)), from: spec.at('template') },
  ])
  const { nodes: _, ...rest } = draft
  return { ...rest, ...size, ...endOf(spec) }
}

/** What the pods of a Job find around them. */
export function aroundOf(spec: Field, setting: Setting & { index?: string }): Around {
  const { kind, nodes = 1 } = sizeOf(spec)
  const index = setting.index ?? (kind === 'array' ? '$ISOBAR_TASK_INDEX' : '$ISOBAR_RANK')
  const isIndexed = spec.at('completionMode').value === 'Indexed'
  return {
    ...setting,
    injected: isIndexed ? [['JOB_COMPLETION_INDEX', index]] : [],
    index,
    isGang: nodes > 1,
    isService: false,
  }
}

type Size = { kind: 'job' | 'array'; nodes?: number; tasks?: number; parallelism?: number }

/** Whether its pods are a gang or tasks. */
function sizeOf(spec: Field): Size {
  const parallelism = numberIn(spec.at('parallelism')) ?? 1
  const completions = numberIn(spec.at('completions'))
  if (completions === undefined && parallelism > 1) return { kind: 'array', tasks: parallelism, parallelism }
  if (completions === undefined || completions <= 1) return { kind: 'job' }
  return spec.at('completionMode').value === 'Indexed' && completions <= parallelism
    ? { kind: 'job', nodes: completions }
    : { kind: 'array', tasks: completions, parallelism: Math.max(1, Math.min(parallelism, completions)) }
}

/** Takes the fields that tell the size into the account. */
function settleSize(spec: Field, { kind, nodes, tasks }: Size): void {
  const [pods, done] = [spec.at('parallelism'), spec.at('completions')]
  spec.at('completionMode').carry('kind')
  if (spec.at('suspend').value === false) spec.at('suspend').skip()
  const to = kind === 'array' ? 'tasks, parallelism' : 'nodes'
  pods.count(to, mostNodes)
  done.count(to, kind === 'array' ? mostTasks : mostNodes)
  if (nodes !== undefined)
    done.change('nodes', {
      message: `${nodes} indexed pods that may all run at once become a gang: all start or none`,
      fix: `write kind: array, tasks: ${nodes}, parallelism: ${nodes} where each could run alone`,
    })
  else if (tasks !== undefined && !done.isThere)
    pods.change('tasks, parallelism', {
      message: 'pods that share their work among themselves become tasks, each of which runs to its end',
      fix: 'nothing to do, unless one that is done should end the others',
    })
  else if (pods.value === 0)
    pods.change('nodes', { message: 'here nothing runs with no pod', fix: 'submit it, then: isobar hold NAME' })
}

const numberIn = ({ value }: Field): number | undefined =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : undefined

const longestSeconds = 3_155_760_000

/** When it is stopped, by the field that Jobs and their relatives have for that. */
export function endOf(spec: Field): Pick<Draft, 'duration'> {
  const seconds = spec.at('activeDeadlineSeconds').count('duration.maximum', longestSeconds)
  if (spec.at('backoffLimit').value === 0) spec.at('backoffLimit').carry('retry')
  return seconds === undefined || seconds === 0 ? {} : { duration: { maximum: formatDuration(seconds * 1000) } }
}
