import { z } from 'zod'

import { type Cause, causeOf } from '#model/cause.ts'
import type { RankSighting, Sighting } from '#providers/provider.ts'
import type { Client } from './client.ts'
import { tokenOf } from './names.ts'

/** An event of a Job, as far as it is read: why no pod of it was made. */
const Events = z.object({
  items: z
    .array(z.object({ involvedObject: z.object({ name: z.string() }), message: z.string().nullish() }))
    .nullish()
    .transform((items) => items ?? []),
})

/** The cluster keeps events for an hour, and one for each reason of each Job. */
const mostEvents = 500

/**
 * Why ranks are missing of which no pod was made. It is the Job's controller whom quotas, limits, policies and webhooks
 * refuse its pods, and it tells nobody but the events; so they are asked where a rank has neither a pod nor a reason.
 * Whoever may not read them is told no more than that it does not start.
 */
export async function withRefusals(
  { client, namespace }: { client: Client; namespace: string },
  sightings: Sighting[],
  signal: AbortSignal,
): Promise<Sighting[]> {
  if (!sightings.some(({ ranks }) => ranks.some(isMissing))) return sightings
  const selector = encodeURIComponent('involvedObject.kind=Job,reason=FailedCreate')
  const path = `/api/v1/namespaces/${namespace}/events?fieldSelector=${selector}&limit=${mostEvents}`
  const answer = await client.ask({ path, signal })
  const events = answer.ok ? Events.parse(answer.body).items : []
  const causes = new Map(
    events.flatMap(({ involvedObject, message }) => {
      const token = tokenOf(involvedObject.name)
      return token === null ? [] : [[token, causeOfRefusal(message ?? '')] as const]
    }),
  )
  if (causes.size === 0) return sightings
  return sightings.map((sighting) => {
    const cause = causes.get(sighting.token)
    return cause
      ? { ...sighting, ranks: sighting.ranks.map((rank) => (isMissing(rank) ? { ...rank, cause } : rank)) }
      : sighting
  })
}

/** It has no pod, or one that stands nowhere, and nobody says why. */
const isMissing = ({ state, cause, node }: RankSighting): boolean =>
  state === 'expected' && cause === undefined && node === undefined

/** `Error creating: pods "x-0-" is forbidden: exceeded quota: gpus, requested: …`, without what is always the same. */
export function causeOfRefusal(message: string): Cause {
  const why = message.replace(/^Error creating: /, '').replace(/^pods "[^"]*" is forbidden: /, '')
  return causeOf(why.startsWith('exceeded quota') ? 'quota' : 'turned-away', why)
}
