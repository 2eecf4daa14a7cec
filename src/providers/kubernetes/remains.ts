import { type Outcome, succeed } from '#model/fault.ts'
import type { Remain } from '#model/joined-site.ts'
import type { Client } from './client.ts'
import { holdOn, Left, removeParts } from './held.ts'
import { ours, paths, tokenOf } from './names.ts'
import { pagesOf } from './pages.ts'

/**
 * What of ours is still in the namespace, and why. Objects whose deletion others hold up are told, and left to them: what
 * a finalizer waits for, only who set it knows.
 */
export async function remainsOf(
  { client, house, namespace }: { client: Client; house: string; namespace: string },
  signal: AbortSignal,
): Promise<Outcome<Remain[]>> {
  const remains: Remain[] = []
  const going: string[] = []
  for (const kind of ['jobs', 'pods'] as const) {
    const path = `${paths[kind](namespace)}?${ours(house)}`
    const listed = await pagesOf({ client, path, item: Left }, signal)
    if (!listed.ok) return listed
    for (const { metadata } of listed.value) {
      const word = kind === 'jobs' ? 'job' : 'pod'
      const isGoing = metadata.deletionTimestamp != null
      const state = { what: `${word} ${metadata.name} ${isGoing ? 'is on its way out' : 'is there'}`, fix: null }
      remains.push(holdOn(word, namespace, metadata) ?? state)
      if (isGoing && kind === 'jobs') going.push(metadata.name)
    }
  }
  // A Job that is on its way out and has no pod any more waits for what belongs to it: that is told in its place.
  if (going.length < remains.length) return succeed(remains)
  const held: Remain[] = []
  for (const token of new Set(going.flatMap((name) => tokenOf(name) ?? []))) {
    const rest = await removeParts({ client, namespace, token }, signal)
    if (!rest.ok) return rest
    if (typeof rest.value !== 'string') held.push(...rest.value.held)
  }
  return succeed(held.length > 0 ? [...remains.filter(({ fix }) => fix !== null), ...held] : remains)
}
