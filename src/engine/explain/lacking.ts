import type { Ask } from '#engine/cell/ask.ts'
import { slotsOf, slotsWhenEmpty } from '#engine/cell/nodes.ts'
import { domainAt } from '#engine/cell/tree.ts'
import type { Look } from '#engine/placement/look.ts'
import type { Need } from '#engine/placement/need.ts'
import { askAt } from '#engine/placement/room.ts'
import type { LeasedRank } from '#model/lease.ts'
import type { LiveLease } from '#model/live-lease.ts'

/** Of a large gang so many ranks tell what it holds. */
const mostRanks = 64

/**
 * Whether a lease holds some of what a need lacks at a candidate: at least one of its nodes could take a rank of the need, in a
 * domain that is large enough for all of them, and takes fewer than it could for the want of something that the lease has.
 * Where the provider chooses the nodes, what it holds of that offer.
 */
export function holdsLacking(need: Need, look: Look): (lease: LiveLease) => boolean {
  const { ground, offer } = look.candidate
  if (!ground.names) return ({ tier }) => tier === offer.tier
  const ask = askAt(need, look)
  const isLarge = largeEnough(ask)
  return ({ ranks }) =>
    ranks.slice(0, mostRanks).some((rank) => {
      const node = ground.numberOf.get(rank.node ?? '')
      return node !== undefined && ask.roles.some(({ size }) => lacksOf(ask, { node, size, rank })) && isLarge(node)
    })
}

function lacksOf({ cell }: Ask, { node, size, rank }: { node: number; size: number; rank: LeasedRank }): boolean {
  const slots = slotsOf(cell, node, size)
  if (slots >= slotsWhenEmpty(cell, cell.classOf[node] ?? 0, size)) return false
  if (cell.sizes.whole[size] === 1) return true
  if (cell.sizes.share[size] !== 0 && (rank.accelerators > 0 || rank.part)) return true
  const held = [rank.accelerators + (rank.part ? 1 : 0), rank.cpuMilli, rank.memoryMiB, rank.diskMiB]
  return held.some((amount, i) => {
    const asked = cell.sizes.amounts[4 * size + i] ?? 0
    // What there is more of than of others would not be missed.
    return amount > 0 && asked > 0 && Math.floor((cell.free[4 * node + i] ?? 0) / asked) <= slots
  })
}

/** Whether the domain of a node, of the level in which all are to stand, could hold them when nobody is there. */
function largeEnough({ cell, loosest, roles, ranks }: Ask): (node: number) => boolean {
  const known = new Map<number, boolean>()
  const sizes = roles.map(({ size }) => size)
  return (node) => {
    const domain = domainAt(cell.tree, node, loosest)
    const found = known.get(domain) ?? hasSlots(domain)
    known.set(domain, found)
    return found
  }
  function hasSlots(domain: number): boolean {
    const starts = cell.tree.nodes[loosest]
    let slots = 0
    for (let node = starts?.[domain] ?? 0; node < (starts?.[domain + 1] ?? 0) && slots < ranks; node++)
      if (cell.usable[node] !== 0)
        slots += Math.max(...sizes.map((size) => slotsWhenEmpty(cell, cell.classOf[node] ?? 0, size)))
    return slots >= ranks
  }
}
