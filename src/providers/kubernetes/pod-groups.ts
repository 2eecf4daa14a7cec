import { type Outcome, succeed } from '#model/fault.ts'
import type { CredentialedOrder } from '#model/order.ts'
import type { Client } from './client.ts'
import { objectName } from './names.ts'

// The scheduler's own gangs: either all pods of a group are bound to nodes, or none. Alpha in Kubernetes 1.36; a version
// that we do not know is not used.

export const groupsVersion = 'v1alpha2'
const version = `scheduling.k8s.io/${groupsVersion}`

export const podGroupsPath = (namespace: string): string => `/apis/${version}/namespaces/${namespace}/podgroups`

/** A group of all pods of a gang, whatever Jobs they are of. */
export const podGroupOf = ({ token, ranks }: CredentialedOrder, metadata: object) => ({
  apiVersion: version,
  kind: 'PodGroup',
  metadata: { ...metadata, name: objectName(token) },
  spec: { schedulingPolicy: { gang: { minCount: ranks.length } } },
})

/** What a pod says of the group that it is in. */
export const inGroup = (token: string) => ({ schedulingGroup: { podGroupName: objectName(token) } })

/** Whether the cluster has such groups and lets us make one: it is asked for one that it is not to make. */
export async function mayGroup(
  { client, namespace, order }: { client: Client; namespace: string; order: CredentialedOrder },
  signal: AbortSignal,
): Promise<Outcome<boolean>> {
  const path = `${podGroupsPath(namespace)}?dryRun=All`
  const answer = await client.ask({ method: 'POST', path, body: podGroupOf(order, {}), signal })
  if (answer.ok || answer.refusal?.reason === 'AlreadyExists') return succeed(true)
  const { kind } = answer.fault
  // Who did not answer may have them: a gang that is made half with and half without would never start.
  return kind === 'invalid' || kind === 'denied' ? succeed(false) : { ok: false, fault: answer.fault }
}
