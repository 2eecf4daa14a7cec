import { type Outcome, succeed } from '#model/fault.ts'
import type { Retired } from '#providers/provider.ts'
import type { Client } from './client.ts'
import { graceSeconds } from './gang.ts'
import { holdOn, isAbsent, isLeftToOthers, removeParts } from './held.ts'
import { groupPath } from './kueue-group.ts'
import { objectName, ours, paths } from './names.ts'
import { listOf, Named } from './wire.ts'

type Retiring = {
  client: Client
  house: string
  namespace: string
  token: string
  graceMs: number
  /** Its work stands in a queue of Kueue. */
  isQueued: boolean
}

/**
 * Asks for the end of all that carries the token. The pods go first, with the grace that they are given; no Job makes them
 * anew. Then the Job, which stays until the last of its pods has gone, and of its Secrets. What is left once nothing runs is
 * removed by name. What others hold up is told, and left to them.
 */
export async function retireGang(
  { client, house, namespace, token, graceMs, isQueued }: Retiring,
  signal: AbortSignal,
): Promise<Outcome<Retired>> {
  const query = ours(house, token)
  // A thousand pods are 11 MB, and are looked at again and again until they are gone.
  const jobs = await client.ask({ path: `${paths.jobs(namespace)}?${query}`, namesOnly: true, signal })
  const pods = await client.ask({ path: `${paths.pods(namespace)}?${query}`, namesOnly: true, signal })
  if (!jobs.ok) return { ok: false, fault: jobs.fault }
  if (!pods.ok) return { ok: false, fault: pods.fault }
  const seconds = graceSeconds(graceMs)
  const left = listOf(Named).parse(pods.body).items
  if (left.some(({ metadata }) => metadata.deletionTimestamp == null)) {
    const path = `${paths.pods(namespace)}?${query}`
    const told = await client.ask({ method: 'DELETE', path, body: { gracePeriodSeconds: seconds }, signal })
    if (!told.ok && !isAbsent(told)) return { ok: false, fault: told.fault }
  }
  // Kueue keeps the pods of a group as long as it knows that.
  if (isQueued && left.length > 0) await client.ask({ method: 'DELETE', path: groupPath(namespace, token), signal })
  const { items } = listOf(Named).parse(jobs.body)
  const standing = items.filter(({ metadata }) => metadata.deletionTimestamp == null)
  for (const job of standing) {
    const body = { propagationPolicy: 'Foreground', preconditions: { uid: job.metadata.uid } }
    const told = await client.ask({ method: 'DELETE', path: paths.jobs(namespace, job.metadata.name), body, signal })
    if (!told.ok && !isAbsent(told)) return { ok: false, fault: told.fault }
  }
  // Once Kubernetes is done with all pods, or with all Jobs of no pods.
  const [kind, last] = left.length > 0 ? (['pod', left] as const) : (['job', items] as const)
  if (last.length > 0 && last.every(({ metadata }) => isLeftToOthers(metadata)))
    return succeed({ held: last.flatMap(({ metadata }) => holdOn(kind, namespace, metadata) ?? []) })
  if (left.length > 0 || standing.length > 0) return succeed('retiring')
  return removeRest(client, { namespace, token, isOurs: items.length > 0, signal })
}

/**
 * It goes with its Job by itself, a moment later or, where the collector of garbage is away, much later. Where a Job of that
 * name is there and is none of ours, what is named like it is not ours either.
 */
async function removeRest(client: Client, { namespace, token, isOurs, signal }: Rest): Promise<Outcome<Retired>> {
  if (!isOurs) {
    const found = await client.ask({ path: paths.jobs(namespace, objectName(token)), signal })
    if (found.ok) return succeed('gone')
    if (!isAbsent(found)) return { ok: false, fault: found.fault }
  }
  const rest = await removeParts({ client, namespace, token }, signal)
  return rest.ok && rest.value === 'gone' && isOurs ? succeed('retiring') : rest
}

type Rest = { namespace: string; token: string; isOurs: boolean; signal: AbortSignal }
