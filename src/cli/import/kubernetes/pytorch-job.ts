import type { Draft } from '#cli/import/draft.ts'
import type { Field } from '#cli/import/field.ts'

import { draftOf, type Group } from './gang.ts'
import { endOf } from './job.ts'
import type { Around, Setting } from './around.ts'
import { readPod } from './pod.ts'

const mostNodes = 50_000

/** A PyTorchJob of Kubeflow: one gang, the master first, which is rank 0 there and here. */
export function readPyTorchJob(manifest: Field, setting: Setting): Draft {
  const spec = manifest.at('spec')
  const replicas = spec.at('pytorchReplicaSpecs')
  const processes = spec.at('nprocPerNode')
  const perNode = typeof processes.value === 'number' ? String(processes.value) : processes.value
  processes.carry('run')
  const nodes = ['Master', 'Worker'].reduce((sum, name) => {
    const one = replicas.at(name)
    const count = one.at('replicas').value
    return sum + (one.isThere ? (typeof count === 'number' ? count : 1) : 0)
  }, 0)
  const around: Around = {
    ...setting,
    container: 'pytorch',
    index: '$ISOBAR_RANK',
    isGang: nodes > 1,
    isService: false,
    injected: [
      ['RANK', '$NODE_RANK'],
      ['WORLD_SIZE', '$NNODES'],
      ['PET_NNODES', '$NNODES'],
      ['PET_NODE_RANK', '$NODE_RANK'],
      ['PET_MASTER_ADDR', '$MASTER_ADDR'],
      ['PET_MASTER_PORT', '$MASTER_PORT'],
      ...(typeof perNode === 'string' ? ([['PET_NPROC_PER_NODE', perNode.replaceAll(/[^a-z0-9]/g, '')]] as const) : []),
    ],
  }
  const groups = ['Master', 'Worker'].flatMap((name): Group[] => {
    const one = replicas.at(name)
    if (!one.isThere) return []
    const count = one.at('replicas').count('nodes', mostNodes) ?? 1
    if (count === 0) return []
    if (one.at('restartPolicy').value === 'Never') one.at('restartPolicy').carry('retry')
    const from = one.at('template')
    return [{ name, nodes: count, pod: readPod(from, withMaster(around)), from }]
  })
  if (groups.length === 0)
    replicas.refuse({
      message: 'there is neither a Master nor a Worker',
      fix: 'write pytorchReplicaSpecs: { Worker: … }',
    })
  const policy = spec.at('runPolicy')
  if (policy.at('suspend').value === false) policy.at('suspend').skip()
  const least = policy.at('schedulingPolicy', 'minAvailable')
  if (least.value === nodes) least.carry('nodes')
  return { ...draftOf('job', manifest, groups), ...endOf(policy) }
}

/** Isobar sets these under the same names, so commands may refer to them. */
const withMaster = (around: Around): Around => ({ ...around, known: ['MASTER_ADDR', 'MASTER_PORT'] })
