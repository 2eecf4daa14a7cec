import { type Outcome, succeed } from '#model/fault.ts'
import type { Client, Refused } from './client.ts'
import { type GangSite, holding, jobsOf, onNodes, ownedBy, templateOf } from './gang.ts'
import { type Group, mostNodes, nodesOf, type Programmed } from './groups.ts'
import { kueuePath } from './kueue-version.ts'
import { type Queue, queueLabel, queueMarks } from './kueue.ts'
import { indexLabel, labels, objectName, paths } from './names.ts'
import { Named } from './wire.ts'

// What Kueue admits as one, and one Job cannot be: pods of several sizes, and pods of which each names its own node. They
// are pods of one group (`kueue.x-k8s.io/pod-group-name`), which Kueue keeps from starting until all are there and it has
// quota for all. No controller makes them: who launches does. A Job that makes none holds together what belongs to them.

/** So many sizes of pods Kueue takes in one group: 8 in v0.8, more in later versions. */
export const mostSizes = 8

const prefix = 'kueue.x-k8s.io'
const gate = `${prefix}/admission`
/** What Kueue writes on a pod of whose start it decides. */
const managed = `${prefix}/managed`

/** Whether a gang in a queue is more than a Job can be there, or can be well. `groups`: its rows of equal ranks. */
export const wantsGroup = ({ ranks, groups }: Pick<Programmed, 'ranks' | 'groups'>): boolean =>
  groups.length > 1 || nodesOf(ranks).length > mostNodes

/** How many sizes its pods have. */
export const sizesOf = (groups: readonly Group[]): number => new Set(groups.map(sizeOf)).size

const sizeOf = ({ ranks: [rank] }: Group): string => JSON.stringify([rank?.shape, rank?.sharedMemoryMiB, rank?.network])

/** The Job that stands for the gang and never makes a pod, whoever lets it go. */
export function holderOf(site: GangSite, order: Programmed, image: string) {
  const first = order.groups.slice(0, 1).map((group) => ({ ...group, ranks: group.ranks.slice(0, 1) }))
  const count = order.ranks.length
  return jobsOf(site, { ...order, groups: first }, image).map((job) => ({
    ...job,
    spec: { ...job.spec, completions: count, maxFailedIndexes: count, parallelism: 0 },
  }))
}

type Owner = Parameters<typeof ownedBy>[0]
type Making = { queue: Queue; owner: Owner; image: string }

/** The pods, in the order of their ranks. Who names the same role is one size to Kueue, on whichever node it is to be. */
export function podsOf(site: GangSite, order: Programmed, { queue, owner, image }: Making) {
  const sizes = [...new Set(order.groups.map(sizeOf))]
  const { ownerReferences } = holding(ownedBy(owner, site, order))
  return order.groups.flatMap((group) => {
    const { metadata, spec } = templateOf(site, order, { group, image })
    const role = `size-${sizes.indexOf(sizeOf(group))}`
    return group.ranks.map((rank, index) => {
      const name = `${group.name}-${index}`
      return {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: {
          name,
          ownerReferences,
          labels: {
            ...metadata.labels,
            ...queueMarks(queue),
            [queueLabel]: queue.name,
            [`${prefix}/pod-group-name`]: objectName(order.token),
            [labels.first]: '0',
            [indexLabel]: String(rank.rank),
          },
          annotations: {
            ...metadata.annotations,
            [indexLabel]: String(rank.rank),
            [`${prefix}/pod-group-total-count`]: String(order.ranks.length),
            [`${prefix}/role-hash`]: role,
          },
        },
        spec: {
          ...spec,
          hostname: name,
          schedulingGates: [{ name: gate }],
          ...(rank.node !== undefined && { affinity: { nodeAffinity: onNodes([rank.node]) } }),
          ...(spec.initContainers && { initContainers: spec.initContainers.map((one) => numbered(one, index)) }),
          containers: spec.containers.map((one) => numbered(one, index)),
        },
      }
    })
  })
}

/** As the controller of Jobs tells it to containers: their number among those of their group. */
const numbered = <T extends { env: object[] }>(container: T, index: number): T => ({
  ...container,
  env: [...container.env, { name: 'JOB_COMPLETION_INDEX', value: String(index) }],
})

/**
 * Why pods cannot be a group there, or null where they can: Kueue decides of them, and lets us make them and take their group
 * away, which is tried without doing it. Its administrator may have left pods out, as it is by default before 0.16.
 */
export async function whyNoGroup(
  { client, namespace, token, pod }: { client: Client; namespace: string; token: string; pod: object },
  signal: AbortSignal,
): Promise<Outcome<string | null>> {
  const tried = '?dryRun=All'
  const made = await client.ask({ method: 'POST', path: paths.pods(namespace) + tried, body: pod, signal })
  if (!made.ok && made.refusal?.reason !== 'AlreadyExists') return refusedBy(made)
  if (made.ok && !isManaged(made.body))
    return succeed('Kueue leaves pods alone there; add `pod` to integrations.frameworks of its configuration')
  const taken = await client.ask({ method: 'DELETE', path: groupPath(namespace, token) + tried, signal })
  return taken.ok || taken.refusal?.status === 404 ? succeed(null) : refusedBy(taken)
}

/** Who is refused has other ways; who was not answered may not be refused. */
const refusedBy = ({ fault }: Refused): Outcome<string> =>
  fault.kind === 'invalid' || fault.kind === 'denied'
    ? succeed(`${fault.detail}; give our Role \`create pods\` and \`delete workloads\``)
    : { ok: false, fault }

const isManaged = (body: unknown): boolean => Named.safeParse(body).data?.metadata.labels[managed] === 'true'

/**
 * Where Kueue's own object of a group is. As long as that is there Kueue keeps pods that ended, and those that never
 * started, for others in their place, of which there will be none: so one learns why they ended.
 */
export const groupPath = (namespace: string, token: string): string =>
  `${kueuePath(namespace)}/workloads/${objectName(token)}`
