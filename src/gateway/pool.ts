/** A ready replica of a service, as `host:port`, and how many requests it is answering through this gateway. */
type Member = { endpoint: string; busy: number; avoidUntil: number }

/** How long an endpoint that refused a connection is asked last. */
const avoidMs = 1000

/**
 * The ready endpoints of one service. `order` gives them as they should be tried: the least busy first, those that
 * failed a moment ago last, so that a lost replica costs a request one connection attempt at the most.
 */
export type Pool = {
  update(endpoints: string[]): void
  order(now: number): string[]
  begin(endpoint: string): () => void
  failed(endpoint: string, now: number): void
}

export function createPool(): Pool {
  let members = new Map<string, Member>()
  let turn = 0
  return {
    update(endpoints) {
      members = new Map(
        endpoints.map((endpoint) => [endpoint, members.get(endpoint) ?? { endpoint, busy: 0, avoidUntil: 0 }]),
      )
    },
    order(now) {
      const all = [...members.values()]
      turn++
      // Rotating first makes equally busy endpoints take turns; the sort is stable.
      const rotated = all.map((_, i) => all[(i + turn) % all.length]).filter((member) => member !== undefined)
      const rank = (member: Member) => (member.avoidUntil > now ? 1_000_000 : 0) + member.busy
      return rotated.sort((a, b) => rank(a) - rank(b)).map(({ endpoint }) => endpoint)
    },
    begin(endpoint) {
      const member = members.get(endpoint)
      if (member) member.busy++
      return () => {
        if (member) member.busy--
      }
    },
    failed(endpoint, now) {
      const member = members.get(endpoint)
      if (member) member.avoidUntil = now + avoidMs
    },
  }
}
