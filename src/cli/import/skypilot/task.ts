import { type Draft, nameFrom } from '#cli/import/draft.ts'
import type { Field } from '#cli/import/field.ts'
import { listening } from '#cli/import/ports.ts'
import { handedTo } from '#cli/import/shell.ts'
import { EnvironmentName } from '#model/names.ts'

import { resourcesOf } from './resources.ts'

const marks = ['run', 'setup', 'resources', 'num_nodes', 'envs', 'file_mounts', 'service']

/** Whether a document is a task of SkyPilot, or the header of a file of several. */
export const isTask = (value: object): boolean =>
  !('kind' in value) && !('apiVersion' in value) && (marks.some((mark) => mark in value) || isHeader(value))
const isHeader = (value: object): boolean =>
  'name' in value &&
  Object.keys(value).every((key) => ['name', 'execution', 'primary_tasks', 'termination_delay'].includes(key))

/** A task of SkyPilot: a job, or a service where it serves; undefined for the header of several, which is told. */
export function readTask(task: Field): Draft | undefined {
  if (typeof task.value === 'object' && task.value !== null && isHeader(task.value))
    return task.leave({
      message: 'each document becomes a workload of its own',
      fix: 'isobar wait NAME --exit-code=remote between them, or roles of one job',
    })
  const written = task.at('name').text('name') ?? 'task'
  const name = nameFrom(written)
  if (name !== written && task.at('name').isThere)
    task
      .at('name')
      .remark('changed', { message: `${written} cannot be a name here; it is ${name}`, fix: 'choose another' })
  const { resources, placement, image, gpus } = resourcesOf(task.at('resources'))
  const service = task.at('service')
  const [run, setup] = [task.at('run').text('run'), task.at('setup').text('setup')]
  if (run === undefined) task.refuse({ message: 'it runs nothing', fix: 'write run: the commands that do the work' })
  const draft: Draft = {
    kind: service.isThere ? 'service' : 'job',
    name,
    labels: labelsOf(task.at('resources', 'labels')),
    nodes: task.at('num_nodes').count('nodes', 100_000) || 1,
    resources,
    ...(image !== undefined && { image }),
    ...(setup && { setup: `(\n${handedTo(['bash'], setup)}\n)` }),
    run: `${exportsFor(run ?? '', gpus)}${handedTo(['bash'], run ?? 'true')}`,
    placement,
    ...environmentOf(task),
  }
  const workdir = task.at('workdir')
  if (typeof workdir.value === 'string' && !workdir.value.includes('$')) draft.workdir = workdir.text('workdir') ?? '.'
  const priority = task.at('resources', 'priority')
  if (typeof priority.value === 'number' && Number.isInteger(priority.value) && Math.abs(priority.value) <= 1000) {
    draft.priority = priority.value
    priority.carry('priority')
  }
  readRecovery(task.at('resources', 'job_recovery'), draft)
  return service.isThere ? { ...draft, ...servingOf(task, service, draft.run ?? '') } : draft
}

const values: Readonly<Record<string, (gpus: number) => string>> = {
  SKYPILOT_NODE_IPS: () => String.raw`$(echo "$ISOBAR_NODE_ADDRESSES" | tr , '\n')`,
  SKYPILOT_NODE_RANK: () => '$ISOBAR_RANK',
  SKYPILOT_NUM_NODES: () => '$ISOBAR_NODES',
  SKYPILOT_NUM_GPUS_PER_NODE: String,
  SKYPILOT_TASK_ID: () => '$ISOBAR_WORKLOAD',
}

/** Variables that SkyPilot sets, where the commands name them. */
const exportsFor = (run: string, gpus: number): string =>
  Object.entries(values)
    .filter(([name]) => run.includes(name))
    .map(([name, value]) => `export ${name}="${value(gpus)}"\n`)
    .join('')

function labelsOf(field: Field): Record<string, string> {
  return Object.fromEntries(
    field.entries().flatMap(([name, label]) => {
      const fits = name.length <= 63 && String(label.value).length <= 200
      const text = fits
        ? label.text('labels')
        : label.leave({
            message: 'a label has 63 characters and its value 200 at the most',
            fix: 'write a shorter one',
          })
      return text === undefined ? [] : [[name, text]]
    }),
  )
}

/** Whether a spec can set a variable of this name; others are told. */
const isGood = (name: string, field: Field): boolean => {
  if (EnvironmentName.safeParse(name).success && !name.startsWith('ISOBAR_') && !/^PORT(_\d+)?$/.test(name)) return true
  field.leave({ message: `${name} is no name that a spec can set`, fix: 'choose another name' })
  return false
}

function environmentOf(task: Field): Pick<Draft, 'env' | 'secrets'> {
  const env: Record<string, string> = {}
  const secrets = new Set<string>()
  for (const [name, field] of task.at('envs').entries()) {
    if (!isGood(name, field)) continue
    if (field.isThere && typeof field.value !== 'object') {
      env[name] = String(field.value)
      field.carry('env')
    } else
      field.remark('left out', { message: `${name} has no value in the file`, fix: `isobar run --env ${name}=… FILE` })
  }
  const listed = Array.isArray(task.at('secrets').value) ? task.at('secrets').items() : []
  const named = listed.length > 0 ? [] : task.at('secrets').entries()
  const all: [string, Field][] = [
    ...listed.map((field): [string, Field] => [String(field.value).replace(/^secrets:/, ''), field]),
    ...named,
  ]
  for (const [name, field] of all) {
    if (!isGood(name, field)) continue
    if (secrets.size >= 100) {
      field.remark('left out', {
        message: 'a spec names 100 secrets at the most',
        fix: 'put several values into one secret',
      })
      continue
    }
    secrets.add(name)
    delete env[name]
    field.settle('secrets')
    field.remark('changed', {
      message: 'secrets are kept by Isobar, and no spec holds one',
      fix: `isobar secret set ${name} < file`,
    })
  }
  return { env, secrets: [...secrets] }
}

function readRecovery(recovery: Field, draft: Draft): void {
  const times = recovery.at('max_restarts_on_errors')
  const codes = [recovery.at('recover_on_exit_codes').value].flat()
  const onExit = codes.filter((code): code is number => typeof code === 'number' && code >= 1 && code <= 255)
  if (onExit.length === 0 || onExit.length !== codes.length) return
  const tries = times.count('retry.times', 1000)
  recovery.at('recover_on_exit_codes').carry('retry.onExit')
  draft.retry = { onExit, ...(tries !== undefined && { times: tries }) }
}

function servingOf(task: Field, service: Field, run: string): Partial<Draft> {
  const from = service.at('ports').isThere ? service.at('ports') : task.at('resources', 'ports')
  const port = Number([from.value].flat()[0])
  if (!Number.isInteger(port) || port < 1 || port > 65_535) {
    from.refuse({ message: 'a service serves a port, and none is named', fix: 'write service: { ports: 8000 }' })
    return {}
  }
  from.carry('ports')
  const probe = service.at('readiness_probe')
  const path = (typeof probe.value === 'string' ? probe : probe.at('path')).text('readiness.path')
  const seconds = probe.at('timeout_seconds').count('readiness.timeout', 86_400)
  const [replicas, least] = [service.at('replicas'), service.at('replica_policy', 'min_replicas')]
  const count = (replicas.isThere ? replicas : least).count('replicas', 10_000) ?? 1
  const told = listening(run, port)
  if (told === run)
    from.remark('changed', {
      message: `nothing in its commands says that it listens on ${port}, and a replica may be given another port`,
      fix: 'let it listen on $PORT',
    })
  return {
    ports: [port],
    run: told,
    replicas: count,
    readiness: {
      ...(path?.startsWith('/') && { path }),
      ...(seconds !== undefined && seconds > 0 && { timeout: `${seconds}s` }),
    },
  }
}
