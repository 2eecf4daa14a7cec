import type { Duplex } from 'node:stream'

import { fail, type Outcome, succeed } from '#model/fault.ts'
import { type Forwarded, forwardedEndpoint } from '#model/forwarded.ts'
import type { Serves, Sighting } from '#providers/provider.ts'
import type { Client } from './client.ts'
import { findRank, isOfNode } from './logs.ts'
import { isToken, paths } from './names.ts'

/** The same gang with endpoints that only this provider reaches, where gateways do not stand in the network of the pods. */
export const withForwarded = (at: Pick<Forwarded, 'provider' | 'site'>, seen: Sighting): Sighting => ({
  ...seen,
  ranks: seen.ranks.map((one) => {
    const { serving, rank } = one
    if (!serving) return one
    const endpoints = serving.endpoints.map((endpoint) =>
      forwardedEndpoint({ ...at, token: seen.token, rank }, Number(endpoint.slice(endpoint.lastIndexOf(':') + 1))),
    )
    return { ...one, serving: { ...serving, endpoints } }
  }),
})

type Dialling = Serves & { client: Client; house: string; namespace: string }

/** Bytes to and from a port on which a rank says that it serves, and no other. */
export async function dialPod(
  { port, rank, namespace, ...of }: Dialling,
  signal: AbortSignal,
): Promise<Outcome<Duplex>> {
  const { client } = of
  if (!isToken(of.token)) return fail('invalid', 'never', 'no order has such a token')
  const found = await findRank({ ...of, namespace }, rank, signal)
  if (!found.ok) return found
  const { pod } = found.value
  const serves = pod?.spec.containers.some(({ ports }) => ports?.some((one) => one.containerPort === port))
  if (!pod || !serves) return fail('conflict', 'later', `rank ${rank} does not serve on port ${port}`)
  const path = `${paths.pods(namespace, pod.metadata.name)}/portforward?ports=${port}`
  const reached = await client.forward({ path, signal })
  if (reached.ok) return succeed(reached.stream)
  if (isOfNode(reached.refusal)) return fail('conflict', 'later', `the node of rank ${rank} does not answer`)
  return { ok: false, fault: reached.fault }
}
