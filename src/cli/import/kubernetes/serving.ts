import type { Draft } from '#cli/import/draft.ts'
import type { Field } from '#cli/import/field.ts'
import { listening } from '#cli/import/ports.ts'
import { word } from '#cli/import/shell.ts'

import { draftOf, type Group, mergeLabels } from './gang.ts'
import type { Around, Setting } from './around.ts'
import { readPod, type Pod } from './pod.ts'
import { levelOf } from './topology-request.ts'

const mostReplicas = 10_000
const mostNodes = 10_000

const serving = (setting: Setting): Around => ({
  ...setting,
  injected: [],
  index: '$ISOBAR_RANK',
  isGang: false,
  isService: true,
})

/** A Deployment: a service, each of its pods a replica. */
export function readDeployment(manifest: Field, setting: Setting): Draft {
  const spec = manifest.at('spec')
  const from = spec.at('template')
  const pod = readPod(from, serving(setting))
  const { nodes: _, ...draft } = draftOf('service', manifest, [{ name: 'main', nodes: 1, pod, from }])
  return { ...draft, replicas: spec.at('replicas').count('replicas', mostReplicas) ?? 1, ...served(draft, pod, from) }
}

/** A LeaderWorkerSet: a service whose replicas have several nodes each; the leader is rank 0. */
export function readLeaderWorkerSet(manifest: Field, setting: Setting): Draft {
  const spec = manifest.at('spec')
  const group = spec.at('leaderWorkerTemplate')
  const nodes = Math.max(1, group.at('size').count('nodes', mostNodes) ?? 1)
  const around: Around = {
    ...serving(setting),
    isGang: nodes > 1,
    injected: [
      ['LWS_LEADER_ADDRESS', '$MASTER_ADDR'],
      ['LWS_GROUP_SIZE', '$ISOBAR_NODES'],
      ['LWS_WORKER_INDEX', '$ISOBAR_RANK'],
    ],
  }
  const policy = group.at('restartPolicy')
  if (policy.value === 'RecreateGroupOnPodRestart') policy.carry('retry')
  const templates = [group.at('leaderTemplate'), group.at('workerTemplate')].filter(({ isThere }) => isThere)
  const [leader, worker] = templates.map((from): Group => ({ name: '', nodes: 1, pod: readPod(from, around), from }))
  if (!leader) {
    group.refuse({ message: 'there is neither a leaderTemplate nor a workerTemplate', fix: 'write workerTemplate' })
    return draftOf('service', manifest, [])
  }
  const exclusive = levelOf(
    manifest.at('metadata', 'annotations', 'leaderworkerset.sigs.k8s.io/exclusive-topology'),
    'topology.exclusive, topology.within',
  )
  const one = worker ? together(leader, worker) : leader.pod
  const draft = draftOf('service', manifest, [{ ...leader, pod: one }])
  if (worker) mergeLabels(draft, worker)
  if (exclusive !== undefined)
    draft.topology = { ...draft.topology, ...(exclusive !== 'node' && { within: exclusive }), exclusive }
  const replicas = spec.at('replicas').count('replicas', mostReplicas) ?? 1
  return { ...draft, nodes, replicas, ...served(draft, one, leader.from) }
}

/** Ranks of a service all have the same commands and resources: the leader is told by its number. */
function together(leader: Group, worker: Group): Pod {
  const [first, others] = [leader.pod, worker.pod]
  if (JSON.stringify(first.resources) !== JSON.stringify(others.resources))
    leader.from.at('spec', 'containers').remark('left out', {
      message: 'all nodes of a replica have the resources that the workers ask for',
      fix: 'write under resources what the largest of them needs',
    })
  for (const field of ['image', 'setup', 'placement', 'topology', 'graceSeconds'] as const)
    if (JSON.stringify(first[field]) !== JSON.stringify(others[field]))
      worker.from.remark('changed', {
        message: `all nodes of a replica have the same ${field === 'graceSeconds' ? 'grace' : field}: that of the leader where it has one`,
        fix: 'let one serve for both',
      })
  if (first.ports.length > 0) leaveServing(worker)
  const env = Object.fromEntries(Object.entries(first.env).filter(([name, value]) => others.env[name] === value))
  const whole = ({ env: own, run: commands }: Pod): string =>
    [...Object.entries(own).filter(([name]) => !(name in env)), undefined]
      .map((pair) => (pair ? `export ${pair[0]}=${word(pair[1])}` : commands))
      .join('\n')
  const [asLeader, asWorker] = [whole(first), whole(others)]
  const run = asLeader === asWorker ? asLeader : `if [ "$ISOBAR_RANK" = 0 ]; then\n${asLeader}\nelse\n${asWorker}\nfi`
  return {
    ...others,
    ...first,
    resources: others.resources,
    env,
    run,
    secrets: [...new Set([...first.secrets, ...others.secrets])],
    placement: { ...others.placement, ...first.placement },
    ports: first.ports.length > 0 ? first.ports : others.ports,
    readiness: first.ports.length > 0 ? first.readiness : others.readiness,
  }
}

/** Requests come to the first rank of a replica. */
function leaveServing({ from }: Group): void {
  for (const container of from.at('spec', 'containers').items())
    for (const field of [container.at('ports'), container.at('readinessProbe')])
      field.leave({
        message: 'a replica serves at its leader, and is ready when that is',
        fix: 'find the workers from there: ISOBAR_NODE_ADDRESSES',
      })
}

/** The ports of a service. A replica is told where to listen, for several may share a machine. */
function served(draft: Draft, pod: Pod, from: Field): Pick<Draft, 'ports' | 'readiness' | 'run' | 'env'> {
  const [first] = pod.ports
  const ports = from.at('spec', 'containers')
  if (first === undefined) {
    ports.refuse({
      message: 'a service serves a port, and no container names one',
      fix: 'write ports: [{ containerPort: 8000 }], or import it as a Job if it serves nothing',
    })
    return {}
  }
  const run = pod.ports.reduce(listening, draft.run ?? '')
  if (run === draft.run)
    ports.remark('changed', {
      message: `nothing in its commands says that it listens on ${first}, and a replica may be given another port`,
      fix: 'let it listen on $PORT',
    })
  return { ports: pod.ports, run, ...(pod.readiness && { readiness: pod.readiness }) }
}
