import { z } from 'zod'

import type { Answer, Asking, Client } from './client.ts'

const group = '/apis/kueue.x-k8s.io'

/** The versions of Kueue's API that we speak, the one that we ask for first. What we read of its objects is alike in all. */
export const kueueVersions = ['v1beta2', 'v1beta1'] as const

const newest = `${group}/${kueueVersions[0]}/`

/** Where Kueue's objects of a namespace are. A client that `speaksKueue` asks for them in the version that there is. */
export const kueuePath = (namespace: string): string => `${newest}namespaces/${namespace}`

const Group = z.object({ versions: z.array(z.object({ version: z.string() })) })

/**
 * A client that asks for Kueue's objects in a version that the server has: before 0.15 that is v1beta1. It is asked for
 * once, and again when the server, which somebody has updated, knows that version no more.
 */
export function speaksKueue(client: Client): Client {
  let version: string = kueueVersions[0]
  const spoken = <T extends { path: string }>(asking: T): T =>
    asking.path.startsWith(newest)
      ? { ...asking, path: `${group}/${version}/${asking.path.slice(newest.length)}` }
      : asking
  const served = async (signal: AbortSignal): Promise<string | undefined> => {
    const found = await client.ask({ path: group, signal })
    const known = found.ok ? Group.safeParse(found.body).data?.versions.map((one) => one.version) : []
    return kueueVersions.find((one) => known?.includes(one))
  }
  return {
    ...client,
    async ask(asking: Asking) {
      const tried = version // others may ask at the same time, and find another
      const answer = await client.ask(spoken(asking))
      if (!asking.path.startsWith(newest) || !isUnserved(answer)) return answer
      const other = await served(asking.signal)
      if (other === undefined || other === tried) return answer
      version = other
      return client.ask(spoken(asking))
    },
    stream: (asking) => client.stream(spoken(asking)),
  }
}

/** The server has no objects of that kind, where one that is only not there is `NotFound`. */
export const isUnserved = (answer: Answer): boolean =>
  !answer.ok && answer.refusal?.status === 404 && answer.refusal.reason !== 'NotFound'
