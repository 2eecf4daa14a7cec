/** A right at the API server, as RBAC writes it. */
export type Right = { apiGroups: string[]; resources: string[]; verbs: string[] }

/** All that is done in the namespace of a site. Secrets are made and removed, never read. */
export const namespaceRights: readonly Right[] = [
  { apiGroups: ['batch'], resources: ['jobs'], verbs: ['get', 'list', 'watch', 'create', 'patch', 'delete'] },
  { apiGroups: [''], resources: ['pods'], verbs: ['list', 'watch', 'deletecollection'] },
  { apiGroups: [''], resources: ['pods/log'], verbs: ['get'] },
  { apiGroups: [''], resources: ['secrets', 'services'], verbs: ['create', 'delete'] },
]

/** What is looked at beyond that: the nodes, and how much the pods of others use of them. */
export const clusterRights: readonly Right[] = [
  { apiGroups: [''], resources: ['nodes', 'pods'], verbs: ['list', 'watch'] },
]

/** Where its work stands in a queue of Kueue: whether that is there, and what Kueue says. */
export const queueRights: readonly Right[] = [
  { apiGroups: ['kueue.x-k8s.io'], resources: ['localqueues'], verbs: ['get'] },
  { apiGroups: ['kueue.x-k8s.io'], resources: ['workloads'], verbs: ['list'] },
]

/** Where the scheduler knows gangs (`scheduling.k8s.io`); without it they are made without. */
export const groupRights: readonly Right[] = [
  { apiGroups: ['scheduling.k8s.io'], resources: ['podgroups'], verbs: ['create'] },
]

/** `queue`: whether its site has one; `groups`: whether its scheduler is to know its gangs. */
type Account = { name: string; namespace: string; queue?: boolean; groups?: boolean }

/** What an administrator applies so that the account has these rights and no others. */
export function manifestOf({ name, namespace, queue = false, groups = false }: Account): object[] {
  const subjects = [{ kind: 'ServiceAccount', name, namespace }]
  const group = 'rbac.authorization.k8s.io'
  const across = `${name}-${namespace}`
  const metadata = { name, namespace }
  const rules = [...namespaceRights, ...(queue ? queueRights : []), ...(groups ? groupRights : [])]
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
    { apiVersion: `${group}/v1`, kind: 'ClusterRole', metadata: { name: across }, rules: clusterRights },
    {
      apiVersion: `${group}/v1`,
      kind: 'ClusterRoleBinding',
      metadata: { name: across },
      subjects,
      roleRef: { apiGroup: group, kind: 'ClusterRole', name: across },
    },
  ]
}
