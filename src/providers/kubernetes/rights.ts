/** A right at the API server, as RBAC writes it. */
export type Right = { apiGroups: string[]; resources: string[]; verbs: string[] }

/** All that is done in the namespace of a site. Secrets are made and removed, never read. */
export const namespaceRights: readonly Right[] = [
  { apiGroups: ['batch'], resources: ['jobs'], verbs: ['get', 'list', 'watch', 'create', 'patch', 'delete'] },
  { apiGroups: [''], resources: ['pods'], verbs: ['list', 'watch', 'deletecollection'] },
  { apiGroups: [''], resources: ['pods/log'], verbs: ['get'] },
  { apiGroups: [''], resources: ['secrets', 'services'], verbs: ['create', 'delete'] },
]

/** Why pods of ours are not made; without it only that they are not. */
export const reasonRights: readonly Right[] = [{ apiGroups: [''], resources: ['events'], verbs: ['list'] }]

/** By what its namespace is known again, so that nobody joins it twice; without it nobody knows. */
export const identityRights: readonly Right[] = [{ apiGroups: [''], resources: ['namespaces'], verbs: ['get'] }]

/** What is looked at beyond that: the nodes, and how much the pods of others use of them. */
export const clusterRights: readonly Right[] = [
  { apiGroups: [''], resources: ['nodes', 'pods'], verbs: ['list', 'watch'] },
]

/** Where gateways reach services through the API server; newer ones ask for `create` (Kubernetes 1.35), older for `get`. */
export const forwardRights: readonly Right[] = [
  { apiGroups: [''], resources: ['pods/portforward'], verbs: ['get', 'create'] },
]

/** Where its work stands in a queue of Kueue: whether that is there, and what Kueue says. */
export const queueRights: readonly Right[] = [
  { apiGroups: ['kueue.x-k8s.io'], resources: ['localqueues'], verbs: ['get'] },
  { apiGroups: ['kueue.x-k8s.io'], resources: ['workloads'], verbs: ['list', 'watch'] },
]

/** … and to make the pods of gangs that are no single Job there, and to have Kueue let go of them. */
export const podGroupRights: readonly Right[] = [
  { apiGroups: [''], resources: ['pods'], verbs: ['create'] },
  { apiGroups: ['kueue.x-k8s.io'], resources: ['workloads'], verbs: ['delete'] },
]

/** Where the scheduler knows gangs (`scheduling.k8s.io`); without it they are made without. */
export const groupRights: readonly Right[] = [
  { apiGroups: ['scheduling.k8s.io'], resources: ['podgroups'], verbs: ['create'] },
]

/** Where drivers tell of devices by themselves (`resource.k8s.io/v1`): what there is of them, and who has claimed it. */
export const deviceRights: readonly Right[] = [
  { apiGroups: ['resource.k8s.io'], resources: ['resourceslices', 'resourceclaims'], verbs: ['list', 'watch'] },
]

/** … and in the namespace: to claim them. */
export const claimRights: readonly Right[] = [
  { apiGroups: ['resource.k8s.io'], resources: ['resourceclaimtemplates'], verbs: ['create'] },
]

/** Where pods can reach memory of accelerators in other nodes (IMEX). */
export const domainRights: readonly Right[] = [
  { apiGroups: ['resource.nvidia.com'], resources: ['computedomains'], verbs: ['create'] },
]

/**
 * `queue`: whether its site has one; `groups`: whether its scheduler is to know its gangs; `devices`: whether drivers tell
 * of devices; `domains`: whether there are ComputeDomains; `forwards`: whether services are reached through the API server.
 */
type Account = {
  name: string
  namespace: string
  queue?: boolean
  groups?: boolean
  devices?: boolean
  domains?: boolean
  forwards?: boolean
}

/** What an administrator applies so that the account has these rights and no others. */
export function manifestOf({ name, namespace, ...has }: Account): object[] {
  const subjects = [{ kind: 'ServiceAccount', name, namespace }]
  const group = 'rbac.authorization.k8s.io'
  const across = `${name}-${namespace}`
  const metadata = { name, namespace }
  const rules = [
    ...namespaceRights,
    ...reasonRights,
    ...identityRights,
    ...(has.forwards ? forwardRights : []),
    ...(has.queue ? [...queueRights, ...podGroupRights] : []),
    ...(has.groups ? groupRights : []),
    ...(has.devices ? claimRights : []),
    ...(has.domains ? domainRights : []),
  ]
  const everywhere = [...clusterRights, ...(has.devices ? deviceRights : [])]
  return [
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata },
    { apiVersion: `${group}/v1`, kind: 'Role', metadata, rules },
    {
      apiVersion: `${group}/v1`,
      kind: 'RoleBinding',
      metadata,
      subjects,
      roleRef: { apiGroup: group, kind: 'Role', name },
    },
    { apiVersion: `${group}/v1`, kind: 'ClusterRole', metadata: { name: across }, rules: everywhere },
    {
      apiVersion: `${group}/v1`,
      kind: 'ClusterRoleBinding',
      metadata: { name: across },
      subjects,
      roleRef: { apiGroup: group, kind: 'ClusterRole', name: across },
    },
  ]
}
