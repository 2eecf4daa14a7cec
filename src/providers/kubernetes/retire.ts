import { type Outcome, succeed } from '#model/fault.ts'
import type { Answer, Client } from './client.ts'
import { graceSeconds } from './gang.ts'
import { objectName, ours, paths } from './names.ts'
import { listOf, Named } from './wire.ts'

type Retiring = { client: Client; house: string; namespace: string; token: string; graceMs: number }

/**
 * Asks for the end of all that carries the token. The pods go first, with the grace that they are given; no Job makes them
 * anew. Then the Job, which stays until the last of its pods has gone. What is left once nothing runs is removed by name.
 */
export async function retireGang(
  { client, house, namespace, token, graceMs }: Retiring,
  signal: AbortSignal,
): Promise<Outcome<'retiring' | 'gone'>> {
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
  const { items } = listOf(Named).parse(jobs.body)
  for (const job of items) {
    if (job.metadata.deletionTimestamp != null) continue
    const body = { propagationPolicy: 'Foreground', preconditions: { uid: job.metadata.uid } }
    const told = await client.ask({ method: 'DELETE', path: paths.jobs(namespace, job.metadata.name), body, signal })
    if (!told.ok && !isAbsent(told)) return { ok: false, fault: told.fault }
  }
  if (items.length > 0 || left.length > 0) return succeed('retiring')
  return removeRest(client, { namespace, token, signal })
}

/**
 * They go with their Job by themselves, a moment later or, where the collector of garbage is away, much later. Where a Job
 * of that name is there and is none of ours, what is named like it is not ours either.
 */
async function removeRest(
  client: Client,
  { namespace, token, signal }: { namespace: string; token: string; signal: AbortSignal },
): Promise<Outcome<'retiring' | 'gone'>> {
  const found = await client.ask({ path: paths.jobs(namespace, objectName(token)), signal })
  if (found.ok) return succeed('gone')
  if (!isAbsent(found)) return { ok: false, fault: found.fault }
  for (const kind of [paths.secrets, paths.services]) {
    const removed = await client.ask({ method: 'DELETE', path: kind(namespace, objectName(token)), signal })
    // Somebody else is at it, too.
    if (!removed.ok && removed.refusal?.status === 409) return succeed('retiring')
    if (!removed.ok && !isAbsent(removed)) return { ok: false, fault: removed.fault }
  }
  return succeed('gone')
}

const isAbsent = (answer: Answer): boolean =>
  !answer.ok && (answer.refusal?.status === 404 || answer.refusal?.status === 409)
