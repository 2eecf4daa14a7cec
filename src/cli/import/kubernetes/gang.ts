import { isDeepStrictEqual } from 'node:util'

import { type Draft, nameFrom } from '#cli/import/draft.ts'
import type { Field } from '#cli/import/field.ts'

import { labelsOf, type Pod } from './pod.ts'

/** Pods of an object that do the same, and how many of them. */
export type Group = { name: string; nodes: number; pod: Pod; from: Field }

/** What an object and its pods say alike: its name, its labels, and all that holds for each node. */
export function draftOf(kind: Draft['kind'], manifest: Field, groups: readonly Group[]): Draft {
  const [first] = groups
  const draft: Draft = { kind, name: nameOf(manifest), labels: { ...labelsOf(manifest) } }
  if (!first) return draft
  queueOf(manifest)
  const isAlike = areAlike(groups)
  const common = agreed(groups)
  if (!isAlike && common.topology) common.topology = ofRoles(common.topology, first)
  for (const group of groups) mergeLabels(draft, group)
  const grace = graceOf(groups)
  if (grace !== undefined) draft.checkpoint = { grace: `${grace}s` }
  return {
    ...draft,
    ...common,
    ...(isAlike ? alike(groups, first) : different(groups)),
    secrets: [...new Set(groups.flatMap(({ pod }) => pod.secrets))],
  }
}

function nameOf(manifest: Field): string {
  const written = manifest.at('metadata', 'name')
  const field = written.isThere ? written : manifest.at('metadata', 'generateName')
  const text = field.text('name') ?? ''
  const name = nameFrom(text)
  if (text !== '' && name !== text.replace(/-$/, ''))
    field.change('name', { message: `${text} cannot be a name here; it is ${name}`, fix: 'choose another with --name' })
  return name
}

/** Who waits in a queue of Kueue is let go by it; here the queue of a project does that. */
function queueOf(manifest: Field): void {
  const queue = manifest.at('metadata', 'labels', 'kueue.x-k8s.io/queue-name')
  if (!queue.isThere) return
  queue.change('labels', {
    message: 'here projects wait in line; the queue of Kueue is kept as a label only',
    fix: `isobar run FILE --project ${nameFrom(String(queue.value))}`,
  })
  for (const suspend of [manifest.at('spec', 'suspend'), manifest.at('spec', 'runPolicy', 'suspend')]) suspend.skip()
}

/** What a pod has that says nothing. */
const usualGraceSeconds = 30

/** All nodes of a gang have as long as those that need the longest. */
function graceOf(groups: readonly Group[]): number | undefined {
  if (groups.every(({ pod }) => pod.graceSeconds === undefined)) return undefined
  const longest = Math.max(...groups.map(({ pod }) => pod.graceSeconds ?? usualGraceSeconds))
  for (const { pod, from } of groups)
    if ((pod.graceSeconds ?? longest) !== longest)
      from.at('spec', 'terminationGracePeriodSeconds').remark('changed', {
        message: `a gang has one grace, and others here have ${longest} s`,
        fix: 'write checkpoint: { grace: … } if that is too long',
      })
  return longest
}

/** The labels of its pods are those of the workload. */
export function mergeLabels(draft: Draft, { pod, from }: Group): void {
  const labels = (draft.labels ??= {})
  for (const [name, value] of Object.entries(pod.labels ?? {})) {
    if ((labels[name] ?? value) === value) labels[name] = value
    else
      from.at('metadata', 'labels', name).remark('left out', {
        message: `the object has another ${name}, and a workload has one value of a label`,
        fix: 'keep the one that people look for',
      })
  }
}

const doesTheSame = ({ pod: { run, env, resources } }: Group) => ({ run, env, resources })
const areAlike = (groups: readonly Group[]): boolean =>
  groups.every((group) => isDeepStrictEqual(doesTheSame(group), doesTheSame(groups[0] ?? group)))

const alike = (groups: readonly Group[], { pod }: Group): Partial<Draft> => ({
  nodes: groups.reduce((sum, { nodes }) => sum + nodes, 0),
  run: pod.run,
  env: pod.env,
  resources: pod.resources,
})

/** Roles know of one domain for all of them. */
function ofRoles({ slices, ...topology }: NonNullable<Draft['topology']>, { from }: Group): Draft['topology'] {
  from.at('metadata', 'annotations').remark('changed', {
    message: `it holds for the whole gang here, not for each part of it${slices ? ', and roles have no slices' : ''}`,
    fix: 'write another topology, or start the parts as jobs of their own',
  })
  return topology
}

const mostRoles = 16

function different(groups: readonly Group[]): Partial<Draft> {
  for (const { from } of groups.slice(mostRoles))
    from.leave({ message: `a gang has ${mostRoles} roles at the most`, fix: 'start the rest as a job of its own' })
  const roles = groups.slice(0, mostRoles).map(({ name, nodes, pod }, index) => ({
    name: nameFrom(name) || `role-${index}`,
    nodes,
    resources: pod.resources,
    run: pod.run,
    ...(Object.keys(pod.env).length > 0 && { env: pod.env }),
  }))
  return { roles }
}

const lacks = (value: unknown): boolean =>
  value === undefined || (typeof value === 'object' && value !== null && Object.keys(value).length === 0)

/** What all nodes of a gang have in common, however different they are. What differs is told. */
function agreed(groups: readonly Group[]): Partial<Draft> {
  const common: Partial<Draft> = {}
  for (const { pod, from } of groups) {
    const clashes = (['image', 'setup', 'placement', 'topology'] as const).filter((field) => {
      const value = pod[field]
      if (value === undefined || lacks(value)) return false
      common[field] ??= value as never // the same field of both
      return !isDeepStrictEqual(common[field], value)
    })
    const alone = (['image', 'setup', 'placement'] as const).filter(
      (field) => lacks(pod[field]) && groups.some((other) => !lacks(other.pod[field])),
    )
    for (const field of alone)
      from.remark('changed', {
        message: `all nodes of a gang have the same ${field}: these have that of the others`,
        fix: 'start them as a workload of their own where that does harm',
      })
    for (const field of clashes)
      from.remark('left out', {
        message: `all nodes of a gang have the same ${field}, and others here have another`,
        fix: 'let one serve for all, or start them as workloads of their own',
      })
  }
  return common
}
