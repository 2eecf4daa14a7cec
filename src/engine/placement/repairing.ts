import { setUsable } from '#engine/cell/nodes.ts'
import { domainAt } from '#engine/cell/tree.ts'
import type { Line } from '#engine/queue/line.ts'
import type { KeptFor, LiveLease } from '#model/live-lease.ts'
import { sayRepair, type Refusal, type Repair } from '#model/plan.ts'
import type { Node } from '#model/site.ts'

import type { Asked, SiteFacts, Snapshot } from './facts.ts'
import { otherShapes } from './look.ts'
import { levelOf, type Ground, type Market } from './market.ts'
import { heldId } from './preempting.ts'
import { idOf } from './queue.ts'
import type { Row, Queue } from './rows.ts'

type KeptLease = LiveLease & { keptFor: KeptFor }

/** A gang that lost nodes and waits, with the lease whose other nodes are kept for it, and the way in which it comes back. */
export type Comeback = { asked: Asked; row: Row; lease: KeptLease; option: number; ground: Ground; ranks: number[] }

/** How it stands once others have taken the place of the nodes that it lost. */
export type Repaired = { ranks: number[]; spares: number[]; repair: Repair }

const isKept = (lease: LiveLease): lease is KeptLease => Boolean(lease.keptFor)

/**
 * Nodes that were lost and are no longer told of, put back as ones that cannot be used: beside the rank that is next to
 * theirs in number, for ranks are numbered in the order of the fabric.
 */
export function withLostNodes({ sites, leases }: Pick<Snapshot, 'sites' | 'leases'>): SiteFacts[] {
  const kept = leases.filter(isKept)
  if (kept.length === 0) return sites
  return sites.map((site) => {
    if (!site.nodes) return site
    const told = new Map(site.nodes.map((node) => [node.name, node]))
    const lost = new Map<string, Node>()
    for (const { ranks } of kept.filter((lease) => `${lease.provider}/${lease.site}` === site.site))
      for (const [rank, { node: name }] of ranks.entries()) {
        if (name === undefined || told.has(name)) continue
        let beside: Node | undefined
        for (let by = 1; !beside && by < ranks.length; by++)
          beside = told.get(ranks[rank - by]?.node ?? '') ?? told.get(ranks[rank + by]?.node ?? '')
        if (beside) lost.set(name, { ...beside, name, usable: false })
      }
    return lost.size === 0 ? site : { ...site, nodes: [...site.nodes, ...lost.values()] }
  })
}

/** Those that may come back to their nodes, by what they go by; the rules that do not change in this round still hold there. */
export function comebacksOf(leases: readonly LiveLease[], market: Market, queue: Queue): Map<string, Comeback> {
  const kept = new Map(leases.filter(isKept).map((lease) => [`${lease.workload} ${lease.keptFor.replica}`, lease]))
  const found = new Map<string, Comeback>()
  for (const asked of kept.size > 0 ? queue.waiting : []) {
    const [lease, row] = [kept.get(idOf(asked)), queue.rowOf.get(idOf(asked))]
    const ground = lease && market.namedAt.get(`${lease.provider}/${lease.site}`)
    if (!row || !ground) continue
    const ways = [...row.fits.entries()].filter(([, { look }]) => {
      const { candidate } = look
      const { provider, tier, shape } = candidate.offer
      const others = otherShapes(look)
      const isThere = candidate.ground === ground && provider === lease.provider
      const isAlike = lease.ranks.every((rank, i) => rank.shape === others[i])
      return isThere && tier === lease.tier && shape.name === lease.shape && isAlike
    })
    // Where closeness is only preferred, it may have stood apart.
    const [option] = ways.find(([, { isClose }]) => !isClose) ?? ways[0] ?? []
    const ranks = lease.ranks.flatMap(({ node }) => ground.numberOf.get(node ?? '') ?? [])
    if (option === undefined || ranks.length !== row.need.ranks) continue
    found.set(idOf(asked), { asked, row, lease, option, ground, ranks })
  }
  return found
}

/** Holds what it held, so that nobody else takes it: until it starts, nobody knows how long. */
export function holdKept(line: Line, { row, lease, option, ground, ranks }: Comeback, now: number): void {
  const spares = (lease.beside?.spares ?? []).flatMap((name) => ground.numberOf.get(name) ?? [])
  const ends = lease.keptFor.isGone ? now + row.need.lastsMs : Infinity
  const request = { id: heldId(lease, 0, 0), want: row.want, since: 0, lastsMs: Infinity, work: lease.workload }
  line.adopt(request, { option, ranks, spares, ends, since: lease.since }, now)
}

/** Whether more is held on a node than there is of it. */
const isOver = ({ free }: Ground['cell'], node: number): boolean =>
  free.subarray(4 * node, 4 * node + 4).some((left) => left < 0)

/**
 * Lets the line replace each node that was lost, or cannot be used by now. Null where it knows of no other for one of
 * them that keeps the rules of the gang: then the gang starts anew as a whole.
 */
export function repair(line: Line, { row, lease, ground, ranks }: Comeback): Repaired | null {
  const { cell, names } = ground
  // Somebody else is there by now: the note of what is kept was not heeded, or is old.
  if (ranks.some((node) => isOver(cell, node))) return null
  const lost = new Set(lease.keptFor.lost.flatMap((rank) => ranks[rank] ?? []))
  const bad = new Set(ranks.filter((node) => lost.has(node) || cell.usable[node] === 0))
  const kept = ranks.filter((node) => !bad.has(node)).length
  // What it lost takes the place of nothing else that it lost, whatever its site says of it.
  const open = [...bad].filter((node) => cell.usable[node] === 1)
  const use = (usable: boolean): void => {
    for (const node of open) setUsable(cell, { first: node, end: node + 1, usable })
  }
  use(false)
  const moves = new Map<number, number>()
  for (const node of bad) {
    const other = line.repair(heldId(lease, 0, 0), node)
    if (other === null) break
    moves.set(node, other)
  }
  // Until nothing is left there, what it lost is nobody's.
  if (lease.keptFor.isGone) use(true)
  if (moves.size < bad.size) return null
  const spares = (lease.beside?.spares ?? []).flatMap((name) => ground.numberOf.get(name) ?? [])
  for (const node of ranks) {
    const taken = spares.indexOf(moves.get(node) ?? -1)
    if (taken >= 0) spares.splice(taken, 1)
  }
  const nameOf = (node: number): string => names?.[node] ?? ''
  const now = ranks.map((node) => moves.get(node) ?? node)
  const level = levelOf(ground, row.need.spec.topology?.spares?.within ?? 'site')
  const used = new Set(now.map((node) => domainAt(cell.tree, node, level)))
  const isOfUse = (node: number): boolean => !bad.has(node) && used.has(domainAt(cell.tree, node, level))
  return {
    ranks: now,
    spares: spares.filter((node) => cell.usable[node] === 1 && isOfUse(node)),
    repair: { kept, replaced: [...moves].map(([from, to]) => ({ from: nameOf(from), to: nameOf(to) })) },
  }
}

/** What is left of an attempt is waited for no longer than so long after it was to be gone: its provider may be stuck. */
const mostLateMs = 60_000

/** Whether who waits for the rest of its last attempt has waited too long: then it starts anew, and its nodes are let go. */
export const isLate = ({ asked, lease }: Comeback, now: number): boolean =>
  !lease.keptFor.isGone && now >= lateAt(asked)

/** When that is; Infinity for who waits for nothing of its own. */
export const lateAt = ({ start }: Asked): number => (start?.repairs === true ? start.at + mostLateMs + 1 : Infinity)

/** What somebody is told who comes back when what is left there has ended. */
export function comingBack({ asked, lease }: Comeback, { repair: found }: Repaired, now: number): Refusal {
  const { workload, start } = asked
  const site = `${lease.provider}/${lease.site}`
  const at = now + (lease.graceMs ?? 0)
  return {
    cause: 'repairing',
    text: `It lost a node and ${sayRepair(found)}. It starts when the rest of its last attempt has ended.`,
    frees: 'What is left of its last attempt ending.',
    // As it was told first: it does not take longer because we looked again.
    start: start?.repairs ? start : { earliest: now, at, site, order: 0, repairs: true },
    next: [`isobar describe ${workload.name}`],
  }
}

/** What somebody is told who cannot come back. */
export const startsAnew = ({ workload }: Asked): Refusal => ({
  cause: 'not-repaired',
  text: 'It lost a node and cannot come back to its others: it starts anew as a whole.',
  next: [`isobar why ${workload.name}`],
})
