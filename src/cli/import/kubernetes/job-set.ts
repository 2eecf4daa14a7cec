import type { Draft } from '#cli/import/draft.ts'
import type { Field } from '#cli/import/field.ts'

import { draftOf, type Group } from './gang.ts'
import { aroundOf, endOf } from './job.ts'
import type { Setting } from './manifest.ts'
import { readPod } from './pod.ts'
import { levelOf } from './topology-request.ts'

const mostNodes = 100_000

/** A JobSet: one gang, each of its replicated jobs a role of it. */
export function readJobSet(manifest: Field, setting: Setting): Draft {
  const spec = manifest.at('spec')
  if (spec.at('suspend').value === false) spec.at('suspend').skip()
  const jobs = spec.at('replicatedJobs').items()
  let ends: Pick<Draft, 'duration'> = {}
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
    ends = { ...ends, ...endOf(inner) }
    const name = job.at('name').text('roles.name') ?? `job-${index}`
    // The index within its own job is not the rank within the gang, unless there is one job only.
    const around = { ...aroundOf(inner, setting), isGang: true }
    const isAlone = jobs.length === 1 && replicas === 1
    if (!isAlone && around.injected.length > 0)
      job.at('name').change('roles.name', {
        message: 'JOB_COMPLETION_INDEX is the rank within the whole gang here, not within this job',
        fix: 'reckon with ISOBAR_ROLE and ISOBAR_RANK: ranks are numbered in the order of the roles',
      })
    return {
      name,
      nodes: Math.max(1, replicas * parallelism),
      pod: readPod(inner.at('template'), around),
      from: inner.at('template'),
    }
  })
  if (groups.length === 0)
    spec.at('replicatedJobs').refuse({ message: 'there is no job that would do anything', fix: 'write replicatedJobs' })
  const draft = draftOf('job', manifest, groups)
  const exclusive = levelOf(
    manifest.at('metadata', 'annotations', 'alpha.jobset.sigs.k8s.io/exclusive-topology'),
    'topology.exclusive',
  )
  if (exclusive !== undefined) draft.topology = { ...draft.topology, exclusive }
  return { ...draft, ...ends }
}
