import { z } from 'zod'

import { type Outcome, succeed } from '#model/fault.ts'
import type { Remain } from '#model/joined-site.ts'
import type { Client } from './client.ts'
import { ours, paths } from './names.ts'
import { pagesOf } from './pages.ts'

const Left = z.object({
  metadata: z.object({
    name: z.string(),
    deletionTimestamp: z.string().nullish(),
    finalizers: z.array(z.string()).nullish(),
  }),
})

/** Kubernetes' own, which it takes away by itself. */
const known = /^(foregroundDeletion|orphan|kubernetes|([a-z]+\.)?kubernetes\.io\/.*)$/

/**
 * What of ours is still in the namespace, and why. Objects whose deletion others hold up are told, and left to them: what
 * a finalizer waits for, only who set it knows.
 */
export async function remainsOf(
  { client, house, namespace }: { client: Client; house: string; namespace: string },
  signal: AbortSignal,
): Promise<Outcome<Remain[]>> {
  const remains: Remain[] = []
  for (const kind of ['jobs', 'pods'] as const) {
    const path = `${paths[kind](namespace)}?${ours(house)}`
    const listed = await pagesOf({ client, path, item: Left }, signal)
    if (!listed.ok) return listed
    for (const { metadata } of listed.value) {
      const word = kind === 'jobs' ? 'job' : 'pod'
      const foreign = (metadata.finalizers ?? []).filter((finalizer) => !known.test(finalizer))
      const isHeld = metadata.deletionTimestamp != null && foreign.length > 0
      const isGoing = metadata.deletionTimestamp != null
      const state = isGoing ? 'is on its way out' : 'is there'
      const waits = isHeld ? `is deleted, and waits for ${foreign.join(' and ')}, which others set` : state
      const fix = isHeld ? `kubectl -n ${namespace} get ${word} ${metadata.name} -o yaml (see who set it)` : null
      remains.push({ what: `${word} ${metadata.name} ${waits}`, fix })
    }
  }
  return succeed(remains)
}
