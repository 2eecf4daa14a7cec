import { createHash } from 'node:crypto'

import { stringify } from 'yaml'
import { z } from 'zod'

import type { Fault } from '#model/fault.ts'
import type { Client } from './client.ts'
import type { Right } from './rights.ts'

/** Rights in the namespace of a site, and beyond it. */
export type Rights = { namespace: readonly Right[]; cluster: readonly Right[] }
/** Those that an account has not, of the ones that are needed. */
export type Missing = { namespace: Right[]; cluster: Right[] }

const Whoami = z.object({ status: z.object({ userInfo: z.object({ username: z.string() }) }) })
const Review = z.object({ status: z.object({ allowed: z.boolean() }) })

/** Who the API server takes us for (`SelfSubjectReview`, Kubernetes 1.28); null where it does not say. */
export async function whoami(client: Client, signal: AbortSignal): Promise<string | null> {
  const [path, kind] = ['/apis/authentication.k8s.io/v1', 'SelfSubjectReview']
  const body = { apiVersion: 'authentication.k8s.io/v1', kind }
  const answer = await client.ask({ method: 'POST', path: `${path}/selfsubjectreviews`, body, signal })
  const read = answer.ok ? Whoami.safeParse(answer.body) : undefined
  return read?.success ? read.data.status.userInfo.username : null
}

/** Asks for each right whether we have it. */
export async function missingRights(
  client: Client,
  { namespace, needed }: { namespace: string; needed: Rights },
  signal: AbortSignal,
): Promise<{ ok: true; value: Missing } | { ok: false; fault: Fault }> {
  const path = '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews'
  const may = async (resourceAttributes: object) => {
    const body = {
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SelfSubjectAccessReview',
      spec: { resourceAttributes },
    }
    const answer = await client.ask({ method: 'POST', path, body, signal })
    return answer.ok ? { ok: true as const, allowed: Review.parse(answer.body).status.allowed } : answer
  }
  const missing: Missing = { namespace: [], cluster: [] }
  for (const scope of ['namespace', 'cluster'] as const)
    for (const { group, resource, verbs } of needed[scope].flatMap(single)) {
      const [name, subresource] = resource.split('/')
      const where = scope === 'namespace' ? { namespace } : {}
      const about = { group, resource: name, ...(subresource !== undefined && { subresource }), ...where }
      const answers = await Promise.all(verbs.map((verb) => may({ ...about, verb })))
      const failed = answers.find((answer) => !answer.ok)
      if (failed && !failed.ok) return { ok: false, fault: failed.fault }
      const lacking = verbs.filter((_, at) => answers[at]?.ok && !answers[at].allowed)
      if (lacking.length > 0) missing[scope].push({ apiGroups: [group], resources: [resource], verbs: lacking })
    }
  return { ok: true, value: missing }
}

const single = ({ apiGroups, resources, verbs }: Right) =>
  apiGroups.flatMap((group) => resources.map((resource) => ({ group, resource, verbs })))

export const isNothing = ({ namespace, cluster }: Missing): boolean => namespace.length + cluster.length === 0

const rbac = 'rbac.authorization.k8s.io'
const roleOf = (kind: 'Role' | 'ClusterRole', name: string) => ({ apiGroup: rbac, kind, name })

type Lacking = { account: string; namespace: string; missing: Missing; isNamespaceMissing: boolean }

/**
 * What an administrator applies so that the account has what it lacks: that, and no more. Roles are named by what they
 * grant to whom, so that none of an earlier time is replaced. Null where nothing is missing.
 */
export function manifestOfMissing({ account, namespace, missing, isNamespaceMissing }: Lacking): string | null {
  const subject = subjectOf(account)
  const nameOf = (rules: Right[]) => {
    const grants = JSON.stringify([subject, namespace, rules])
    return `isobar-${createHash('sha256').update(grants).digest('hex').slice(0, 8)}`
  }
  const objects: object[] = []
  if (isNamespaceMissing) objects.push({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } })
  const grant = (kind: 'Role' | 'ClusterRole', rules: Right[]) => {
    if (rules.length === 0) return
    const name = nameOf(rules)
    const metadata = kind === 'Role' ? { name, namespace } : { name }
    const head = { apiVersion: `${rbac}/v1`, metadata }
    objects.push({ ...head, kind, rules })
    objects.push({ ...head, kind: `${kind}Binding`, subjects: [subject], roleRef: roleOf(kind, name) })
  }
  grant('Role', missing.namespace)
  grant('ClusterRole', missing.cluster)
  return objects.length === 0 ? null : objects.map((object) => stringify(object)).join('---\n')
}

/** An account of pods is its own kind of subject; all else is a user, however it proves who it is. */
export function subjectOf(account: string): object {
  const [, namespace, name] = /^system:serviceaccount:([^:]+):([^:]+)$/.exec(account) ?? []
  if (namespace === undefined) return { kind: 'User', name: account, apiGroup: rbac }
  return { kind: 'ServiceAccount', name, namespace }
}
