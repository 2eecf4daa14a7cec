import type { Invariant, Seen, There } from './invariant.ts'
import { createPatience } from './patience.ts'

/** Each rank that runs is written down on the node on which it is in truth, once its provider has told that. */
export function ranksAreWhereItIsSaid(): Invariant {
  const patience = createPatience()
  return {
    name: 'each rank is on the node that is written down for it',
    rule: 4,
    when: 'always',
    check(seen) {
      const strayed = seen.gangs.flatMap((there) => (isElsewhere(there, seen) ? [there] : []))
      const passing = strayed.map(({ site, gang }) => ({
        key: gang.token,
        isAble: seen.able(site) && gang.startAt <= seen.now,
        mostMs: seen.bounds.lossMs,
      }))
      const overdue = patience(seen.now, passing)
      return strayed.flatMap(({ site, gang: { token, seats } }) =>
        overdue.has(token)
          ? [
              `the ranks of ${token} at ${site} are on [${seats?.map(({ node }) => node)}], and that is not written down`,
            ]
          : [],
      )
    },
  }
}

function isElsewhere({ gang: { token, seats, stop, closed } }: There, { known }: Seen): boolean {
  const lease = known.leases.get(token)
  if (!seats || stop || closed || (lease?.state !== 'starting' && lease?.state !== 'held')) return false
  return lease.ranks.some(({ rank, node }) => seats[rank] && seats[rank].node !== node)
}
