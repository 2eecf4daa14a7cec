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
 * A cluster with thousands of pods has tens of thousands of events, all of which it reads for an answer. Nobody asks again for
 * so many times as long as that took; what was told last holds meanwhile.
 */
const restTimes = 20

/**
 * Why ranks are missing of which no pod was made. It is the Job's controller whom quotas, limits, policies and webhooks
 * refuse its pods, and it tells nobody but the events; so they are asked where a rank has neither a pod nor a reason.
 * Whoever may not read them is told no more than that it does not start.
 */
export function createRefusals({ client, namespace }: { client: Client; namespace: string }) {
  const selector = encodeURIComponent('involvedObject.kind=Job,reason=FailedCreate')
  const path = `/api/v1/namespaces/${namespace}/events?fieldSelector=${selector}&limit=${mostEvents}`
  let causes = new Map<string, Cause>()
  let askAt = -Infinity
  async function ask(signal: AbortSignal): Promise<void> {
    const began = performance.now()
    const answer = await client.ask({ path, signal })
    const now = performance.now()
    askAt = now + restTimes * (now - began)
    causes = answer.ok ? causesIn(Events.parse(answer.body).items) : new Map()
  }
  return async (sightings: Sighting[], signal: AbortSignal): Promise<Sighting[]> => {
    if (!sightings.some(({ ranks }) => ranks.some(isMissing))) return sightings
    if (performance.now() >= askAt) await ask(signal)
    return causes.size === 0 ? sightings : sightings.map((one) => withCause(one, causes.get(one.token)))
  }
}

const causesIn = (events: z.infer<typeof Events>['items']): Map<string, Cause> =>
  new Map(
    events.flatMap(({ involvedObject, message }) => {
      const token = tokenOf(involvedObject.name)
      return token === null ? [] : [[token, causeOfRefusal(message ?? '')] as const]
    }),
  )

const withCause = (sighting: Sighting, cause: Cause | undefined): Sighting =>
  cause ? { ...sighting, ranks: sighting.ranks.map((rank) => (isMissing(rank) ? { ...rank, cause } : rank)) } : sighting

/** It has no pod, or one that stands nowhere, and nobody says why. */
const isMissing = ({ state, cause, node }: RankSighting): boolean =>
  state === 'expected' && cause === undefined && node === undefined

/** The Pod Security Standard of its namespace wants what a site gives its pods once it names a user; `security.ts`. */
const lacksUser = /^violates PodSecurity "restricted:[^"]*": (?=.*runAsNonRoot)/s

/** `Error creating: pods "x-0-" is forbidden: exceeded quota: gpus, requested: …`, without what is always the same. */
export function causeOfRefusal(message: string): Cause {
  const why = message.replace(/^Error creating: /, '').replace(/^pods "[^"]*" is forbidden: /, '')
  const cause = causeOf(why.startsWith('exceeded quota') ? 'quota' : 'turned-away', why)
  return lacksUser.test(why)
    ? { ...cause, fix: 'name the user that its programs run as: runAsUser of the site' }
    : cause
}
