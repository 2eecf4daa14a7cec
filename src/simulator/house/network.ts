import type { Plane } from './plane.ts'

/** How agents and people reach control planes. */
export type Network = {
  /** Rejects where nobody listens, and when whoever was asked dies; hangs while that one stands still. */
  fetch(url: string, init: RequestInit & { from?: string }): Promise<Response>
  join(plane: Plane): void
  /** It has died: its connections break. */
  leave(plane: Plane): void
  /** All that is sent from there is lost, or no longer. */
  cut(from: string, isCut: boolean): void
  /** Addresses of those who listen. */
  urls(): string[]
}

/** What is sent from there reaches nobody, ever. */
export const nowhere = 'nowhere'

export function createNetwork(): Network {
  const planes = new Map<string, { plane: Plane; hangUps: Set<() => void> }>()
  const severed = new Set([nowhere])
  return {
    async fetch(url, { from = '', ...init }) {
      if (severed.has(from)) throw new Error(`${from} reaches nobody`)
      const { origin, pathname, search } = new URL(url)
      const there = planes.get(origin)
      if (!there) throw new Error(`nobody listens at ${origin}`)
      const broken = Promise.withResolvers<never>()
      const hangUp = () => broken.reject(new Error(`${origin} hung up`))
      there.hangUps.add(hangUp)
      try {
        const answer = await Promise.race([there.plane.fetch(pathname + search, init), broken.promise])
        if (severed.has(from)) throw new Error(`the answer did not reach ${from}`)
        return answer
      } finally {
        there.hangUps.delete(hangUp)
      }
    },
    join: (plane) => void planes.set(new URL(plane.url).origin, { plane, hangUps: new Set() }),
    leave(plane) {
      const { origin } = new URL(plane.url)
      const hangUps = planes.get(origin)?.hangUps ?? []
      planes.delete(origin)
      for (const hangUp of hangUps) hangUp()
    },
    cut(from, isCut) {
      if (isCut) severed.add(from)
      else severed.delete(from)
    },
    urls: () => [...planes.values()].map(({ plane }) => plane.url),
  }
}
