import type { Draft } from '#cli/import/draft.ts'
import type { Field } from '#cli/import/field.ts'
import { word } from '#cli/import/shell.ts'

import { draftOf, type Group } from './gang.ts'
import { endOf } from './job.ts'
import type { Around, Setting } from './around.ts'
import { readPod } from './pod.ts'

const mostNodes = 10_000
const port = 6379

/** A RayJob: a gang that makes the cluster of its entry point, and ends with it. */
export function readRayJob(manifest: Field, setting: Setting): Draft {
  const spec = manifest.at('spec')
  if (spec.at('suspend').value === false) spec.at('suspend').skip()
  if (spec.at('clusterSelector').isThere)
    spec.at('clusterSelector').refuse({
      message: 'it runs on a Ray cluster that somebody keeps, and Isobar keeps none',
      fix: 'write the rayClusterSpec that it needs in place of the clusterSelector',
    })
  const entry = spec.at('entrypoint').text('run')
  if (entry === undefined)
    spec
      .at('entrypoint')
      .refuse({ message: 'it has no entry point that would do anything', fix: 'write entrypoint: python train.py' })
  const cluster = spec.at('rayClusterSpec')
  const head = cluster.at('headGroupSpec')
  const workers = cluster.at('workerGroupSpecs').items()
  ending(spec)
  const around: Around = {
    ...setting,
    injected: [],
    index: '$ISOBAR_RANK',
    isGang: workers.length > 0,
    isService: false,
  }
  const from = head.at('template')
  const pod = readPod(from, { ...around, instead: headCommands(optionsOf(head), entry ?? 'true') })
  const groups: Group[] = [{ name: 'head', nodes: 1, pod, from }]
  for (const worker of workers) groups.push(workerOf(worker, around))
  return { ...draftOf('job', manifest, groups), ...endOf(spec) }
}

function ending(spec: Field): void {
  const shutdown = spec.at('shutdownAfterJobFinishes')
  if (shutdown.value === true) return shutdown.carry('kind')
  shutdown.change('kind', {
    message: 'the cluster of a gang ends with its entry point',
    fix: 'nothing to do, unless others use that cluster',
  })
}

function workerOf(worker: Field, around: Around): Group {
  const replicas = worker.at('replicas').count('nodes', mostNodes) ?? 1
  const hosts = worker.at('numOfHosts').count('nodes', 1000) ?? 1
  for (const bound of [worker.at('minReplicas'), worker.at('maxReplicas')])
    if (bound.value === replicas) bound.carry('nodes')
    else
      bound.leave({
        message: 'a gang has as many nodes as it has',
        fix: `write replicas: ${String(bound.value)} if that is better`,
      })
  const from = worker.at('template')
  return {
    name: worker.at('groupName').text('roles.name') ?? 'worker',
    nodes: Math.max(1, replicas * hosts),
    pod: readPod(from, { ...around, instead: workerCommands(optionsOf(worker)) }),
    from,
  }
}

/** Options of `ray start`; those that say where are known here. */
function optionsOf(group: Field): string {
  return group
    .at('rayStartParams')
    .entries()
    .flatMap(([name, field]) => {
      const value = field.text('run')
      if (value === undefined || ['port', 'address', 'block', 'node-ip-address', 'head'].includes(name)) return []
      return /^[a-z][a-z-]*$/.test(name) ? ` --${name}=${word(value)}` : []
    })
    .join('')
}

const headCommands = (options: string, entry: string): string => `ray start --head --port=${port}${options} || exit
export RAY_ADDRESS="$MASTER_ADDR:${port}"
(
${entry}
)
code=$?
ray stop
exit $code`

const workerCommands = (options: string): string => `address="$MASTER_ADDR:${port}"
until ray health-check --address "$address" >/dev/null 2>&1; do sleep 2; done
ray start --block --address="$address"${options} || true   # it ends with the head, whose exit code counts`
