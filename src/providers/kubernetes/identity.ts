import { z } from 'zod'

import { type Outcome, succeed } from '#model/fault.ts'
import type { Client } from './client.ts'

const Named = z.object({ metadata: z.object({ uid: z.string() }) })

/**
 * The uid of a site's namespace, which no other namespace of any cluster has: whichever way it is reached, by it the same
 * one is known again. Null where we may not look at it.
 */
export async function identityOf(
  { client, namespace }: { client: Client; namespace: string },
  signal: AbortSignal,
): Promise<Outcome<string | null>> {
  const answer = await client.ask({ path: `/api/v1/namespaces/${namespace}`, signal })
  if (answer.ok) return succeed(`namespace ${Named.parse(answer.body).metadata.uid}`)
  const { refusal, fault } = answer
  return refusal?.status === 403 || refusal?.status === 404 ? succeed(null) : { ok: false, fault }
}
