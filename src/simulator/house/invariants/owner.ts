import type { LeasedRank } from '#model/lease.ts'
import type { Node } from '#model/site.ts'
import { occupyingStates } from '#model/lease.ts'
import type { Invariant, Seen } from './invariant.ts'
import { isOpenLease } from './known.ts'
import { siteOf, withSpares } from './ground.ts'
import type { LeaseRow } from './tables.ts'

/** What counts as taken when others are placed; one that was lost once came back without a decision. */
const occupying = ({ known }: Pick<Seen, 'known'>): LeaseRow[] =>
  [...known.leases.values()].filter(
    ({ id, state }) => occupyingStates.some((one) => one === state) && !known.wasLost(id),
  )

/**
 * What was taken together at some moment since the last look, when something was placed: all that is now; and, with each
 * that was placed and is over already, what has been there all the time.
 */
export function takenTogether(seen: Seen): LeaseRow[][] {
  const placed = seen.changes.leases.flatMap(({ before, after }) => (before === null && after ? [after] : []))
  if (placed.length === 0) return []
  const now = occupying(seen)
  const ids = new Set(placed.map(({ id }) => id))
  const all = now.filter(({ id }) => !ids.has(id))
  return [now, ...placed.filter((one) => !isOpenLease(one)).map((one) => [...all, one])]
}

/** Of each node in an inventory no more is given than it has, nor is one that is kept free for a gang. */
export const noNodeIsGivenTwice = (): Invariant => ({
  name: 'no node is given twice',
  rule: 4,
  when: 'always',
  check: (seen) => takenTogether(seen).flatMap((leases) => givenTwice(leases, seen)),
})

function givenTwice(taken: LeaseRow[], { tables }: Seen): string[] {
  const given = new Map<string, { leases: string[]; held: LeasedRank[]; node: Node }>()
  for (const lease of taken) {
    const nodes = tables.sites.get(siteOf(lease))?.nodes
    if (!nodes) continue
    for (const rank of withSpares(lease)) {
      const node = nodes.find(({ name }) => name === rank.node)
      if (!node) continue
      const key = `${siteOf(lease)} ${node.name}`
      const all = given.get(key) ?? { leases: [], held: [], node }
      all.leases.push(lease.id)
      all.held.push(rank)
      given.set(key, all)
    }
  }
  return [...given].flatMap(([key, { leases, held, node }]) =>
    tooMuch(held, node).map((what) => `node ${key} is given to [${leases}], which is too much ${what}`),
  )
}

function tooMuch(held: LeasedRank[], { shape }: Node): string[] {
  const sum = (of: (rank: LeasedRank) => number) => held.reduce((all, rank) => all + of(rank), 0)
  const parts = Map.groupBy(
    held.flatMap(({ part }) => part ?? []),
    ({ device }) => device,
  )
  const overfull = parts.values().some((some) => some.reduce((all, { shareMilli }) => all + shareMilli, 0) > 1000)
  return [
    ...(sum(({ cpuMilli }) => cpuMilli) > shape.cpuMilli ? ['CPU'] : []),
    ...(sum(({ memoryMiB }) => memoryMiB) > shape.memoryMiB ? ['memory'] : []),
    ...(sum(({ accelerators }) => accelerators) + parts.size > shape.accelerators ? ['of its accelerators'] : []),
    ...(overfull ? ['of one accelerator'] : []),
  ]
}

/** Where the provider chooses the nodes, no more are asked for than it has told that there are, when that is decided. */
export const offersAreNotOversubscribed = (): Invariant => ({
  name: 'no more is placed than is offered',
  rule: 4,
  when: 'always',
  check: ({ decisions, known }) =>
    decisions.flatMap(({ offer, leases, most }) => {
      const counted = leases.filter(({ id }) => !known.wasLost(id))
      const nodes = counted.reduce((sum, { ranks }) => sum + ranks.length, 0)
      return nodes > most ? [`${nodes} nodes of ${offer} are placed, and ${most} are offered`] : []
    }),
})

/** A claim changes hands only with a higher epoch, and none ever goes back: who holds an older one is nobody. */
export const claimsGoUp = (): Invariant => ({
  name: 'a claim changes hands only with a higher epoch',
  rule: 4,
  when: 'always',
  check: ({ changes, tookBack }) =>
    changes.claims.flatMap(({ key, before, after }) => {
      if (!before || tookBack) return []
      if (!after) return [`the claim ${key} is no more, and its epochs would begin anew`]
      const isHigher = after.epoch > before.epoch
      if (isHigher || (after.epoch === before.epoch && after.holder === before.holder)) return []
      return [`the claim ${key} went from ${before.holder}, ${before.epoch} to ${after.holder}, ${after.epoch}`]
    }),
})
