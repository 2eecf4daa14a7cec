import type { Draft } from '#cli/import/draft.ts'
import type { Field } from '#cli/import/field.ts'

import { draftOf, type Group } from './gang.ts'
import { aroundOf, endOf } from './job.ts'
import type { Setting } from './around.ts'
import { readPod } from './pod.ts'
import { levelOf } from './topology-request.ts'

const mostNodes = 100_000

/** A JobSet: one gang, each of its replicated jobs a role of it. */
export function readJobSet(manifest: Field, setting: Setting): Draft {
  const spec = manifest.at('spec')
  if (spec.at('suspend').value === false) spec.at('suspend').skip()
  const jobs = spec.at('replicatedJobs').items()
  let first = 0
  const groups = jobs.map((job, index): Group => {
    const inner = job.at('template', 'spec')
    const replicas = job.at('replicas').count('nodes', mostNodes) ?? 1
    const parallelism = inner.at('parallelism').count('nodes', mostNodes) ?? 1
    inner.at('completionMode').carry('nodes')
    const completions = inner.at('completions')
    if (completions.value === parallelism) completions.carry('nodes')
    else
      completions.leave({
        message: 'all pods of a gang run at the same time',
        fix: 'import its Job alone: as an array it runs some at a time',
      })
    const name = job.at('name').text('roles.name') ?? `job-${index}`
    const own = indexWithin({ first, replicas, parallelism })
    first += replicas * parallelism
    const around = aroundOf(inner, { ...setting, index: own })
    return {
      name,
      nodes: Math.max(1, replicas * parallelism),
      pod: readPod(inner.at('template'), { ...around, isGang: true }),
      from: inner.at('template'),
    }
  })
  if (groups.length === 0)
    spec.at('replicatedJobs').refuse({ message: 'there is no job that would do anything', fix: 'write replicatedJobs' })
  const draft = draftOf('job', manifest, groups)
  const topology = exclusiveOf(manifest, jobs)
  return { ...draft, ...(topology && { topology: { ...draft.topology, ...topology } }), ...endOfAll(jobs) }
}

/** Whichever of its jobs is out of time first ends the set. */
function endOfAll(jobs: readonly Field[]): Pick<Draft, 'duration'> {
  const ends = jobs.map((job) => {
    const inner = job.at('template', 'spec')
    const seconds = inner.at('activeDeadlineSeconds')
    return { end: endOf(inner), seconds, value: Number(seconds.value) }
  })
  const told = ends.filter(({ end }) => end.duration !== undefined)
  const [first] = told.toSorted((a, b) => a.value - b.value)
  for (const { seconds, value } of told)
    if (value !== first?.value)
      seconds.remark('changed', {
        message: `a gang ends as a whole: after ${String(first?.value)} s, which is when the first of its jobs is out of time`,
        fix: 'write another duration: { maximum: … } for all of it',
      })
  return first?.end ?? {}
}

/** Ranks are numbered through the whole gang, pods within each of its jobs. */
function indexWithin({
  first,
  replicas,
  parallelism,
}: {
  first: number
  replicas: number
  parallelism: number
}): string {
  if (first === 0 && replicas === 1) return '$ISOBAR_RANK'
  const own = first === 0 ? 'ISOBAR_RANK' : `(ISOBAR_RANK - ${first})`
  return replicas === 1 ? `$(${own})` : `$((${own} % ${Math.max(1, parallelism)}))`
}

/** Each job alone in a domain: slices of one gang, where all jobs are alike. */
function exclusiveOf(manifest: Field, jobs: readonly Field[]): Draft['topology'] {
  const wish = manifest.at('metadata', 'annotations', 'alpha.jobset.sigs.k8s.io/exclusive-topology')
  const [job, ...others] = jobs
  if (!job || others.length > 0)
    return wish.leave({
      message: 'a gang with roles stands in one domain or in any, not each role in one of its own',
      fix: 'write topology: { within: block } for all of it, or start its parts as jobs of their own',
    })
  const level = levelOf(wish, 'topology.exclusive, topology.slices')
  if (level === undefined) return undefined
  const pods = job.at('template', 'spec', 'parallelism').value
  const ranks = typeof pods === 'number' && Number.isInteger(pods) && pods > 0 ? Math.min(pods, mostNodes) : 1
  return { exclusive: level, slices: { ranks, within: level } }
}
