import { z } from 'zod'

import { type Outcome, succeed } from '#model/fault.ts'
import type { Remain } from '#model/joined-site.ts'
import type { Retired } from '#providers/provider.ts'
import type { Answer, Client } from './client.ts'
import { keeperSecretName } from './keeper-in-pod.ts'
import { objectName, paths } from './names.ts'

// What others hold up the end of, by finalizers of theirs. It is told, and left to them: what a finalizer waits for, only
// who set it knows.

/** An object as far as it says whether and why it is still there. */
export const Left = z.object({
  metadata: z.object({
    name: z.string(),
    deletionTimestamp: z.string().nullish(),
    finalizers: z.array(z.string()).nullish(),
  }),
})
type Metadata = z.output<typeof Left>['metadata']
type Kind = 'job' | 'pod' | 'secret' | 'service'

/** Kubernetes' own, which it takes away by itself. */
const known = /^(foregroundDeletion|orphan|kubernetes|([a-z]+\.)?kubernetes\.io\/.*)$/

/** A deleted object that waits for others: for whom, and how one sees who set that. Null for one that does not. */
export function holdOn(
  kind: Kind,
  namespace: string,
  { name, deletionTimestamp, finalizers }: Metadata,
): Remain | null {
  const foreign = (finalizers ?? []).filter((finalizer) => !known.test(finalizer))
  if (deletionTimestamp == null || foreign.length === 0) return null
  return {
    what: `${kind} ${name} is deleted, and waits for ${foreign.join(' and ')}, which others set`,
    fix: `kubectl -n ${namespace} get ${kind} ${name} -o yaml (see who set it)`,
  }
}

/** Whether it waits for nobody but others: Kubernetes itself is done with it. */
export const isLeftToOthers = ({ deletionTimestamp, finalizers }: Metadata): boolean =>
  deletionTimestamp != null && finalizers?.length !== 0 && finalizers?.every((one) => !known.test(one)) === true

type Parts = { client: Client; namespace: string; token: string }

/** Removes by name what a gang has beside its Jobs. They may be made and removed, and not be looked at: the answer tells. */
export async function removeParts({ client, namespace, token }: Parts, signal: AbortSignal): Promise<Outcome<Retired>> {
  const held: Remain[] = []
  for (const [kind, path] of [
    ['secret', paths.secrets(namespace, objectName(token))],
    ['secret', paths.secrets(namespace, keeperSecretName(token))],
    ['service', paths.services(namespace, objectName(token))],
  ] as const) {
    const removed = await client.ask({ method: 'DELETE', path, signal })
    // Somebody else is at it, too.
    if (!removed.ok && removed.refusal?.status === 409) return succeed('retiring')
    if (!removed.ok && !isAbsent(removed)) return { ok: false, fault: removed.fault }
    const still = removed.ok ? Left.safeParse(removed.body).data?.metadata : undefined
    if (still?.deletionTimestamp == null) continue // what is gone with that is answered by no object that is being deleted
    const hold = holdOn(kind, namespace, still)
    if (!hold) return succeed('retiring')
    held.push(hold)
  }
  return succeed(held.length > 0 ? { held } : 'gone')
}

/** It is not there, or somebody else is about to change it. */
export const isAbsent = (answer: Answer): boolean =>
  !answer.ok && (answer.refusal?.status === 404 || answer.refusal?.status === 409)
