import type { LeasedRank } from '#model/lease.ts'
import type { Beside, Placement } from '#model/plan.ts'
import type { Node } from '#model/site.ts'
import type { Spec } from '#model/spec/spec.ts'

type Level = 'node' | 'nvlink' | 'block' | 'site'

/** The nodes of a site by name. */
export type Nodes = ReadonlyMap<string, Node>

export const byName = (nodes: readonly Node[]): Nodes => new Map(nodes.map((node) => [node.name, node]))

/** The domain of a node at a level, by name; who does not tell one counts with the loosest that it tells, or alone. */
export function domainOf(nodes: Nodes, name: string | undefined, level: Level): string {
  if (level === 'site') return ''
  const path = nodes.get(name ?? '')?.path ?? []
  if (level === 'node' || path.length === 0) return `alone ${name}`
  return path.slice(Math.min(level === 'nvlink' ? 0 : 1, path.length - 1)).join('/')
}

const countBy = (names: readonly string[]): number[] =>
  [...Map.groupBy(names, (name) => name).values()].map((all) => all.length)

/** What of its topology a gang does not keep. */
export function* standing(
  { topology, nodes: size }: Spec,
  placement: Placement,
  { nodes, isBack }: { nodes: Nodes | null; isBack: boolean },
): Iterable<string> {
  if (!topology) return
  const { within, required, slices, spread, exclusive, spares } = topology
  const { ranks, beside = {} } = placement
  const isAsked =
    (required && within !== 'site' && size > 1) ||
    (slices && slices.ranks > 1) ||
    (spread && spread.most < size) ||
    exclusive ||
    spares
  if (isAsked && !nodes) yield 'nobody knows how its nodes are connected'
  if (!nodes) return
  const at = (level: Level) => ranks.map(({ node }) => domainOf(nodes, node, level))
  if (required && new Set(at(within)).size > 1) yield `its nodes are not in one ${within}`
  if (slices)
    for (let first = 0; first < ranks.length; first += slices.ranks)
      if (new Set(at(slices.within).slice(first, first + slices.ranks)).size > 1)
        yield `ranks from ${first} on are no slice in one ${slices.within}`
  if (spread && countBy(at(spread.within)).some((count) => count > spread.most))
    yield `more than ${spread.most} of its ranks are in one ${spread.within}`
  if (beside.exclusive !== exclusive) yield 'the domains that it has to itself are not written down'
  if (spares) {
    const used = new Set(at(spares.within))
    const kept = (beside.spares ?? []).map((name) => domainOf(nodes, name, spares.within))
    // Who comes back has used some of them up.
    if (
      (isBack ? kept.length > used.size * spares.count : kept.length !== used.size * spares.count) ||
      kept.some((domain) => !used.has(domain)) ||
      countBy(kept).some((count) => (isBack ? count > spares.count : count !== spares.count))
    )
      yield 'it has not its spares in each domain'
  }
}

/** What ranks take of nodes, with what spare nodes are kept for. */
export const withSpares = ({ ranks, beside }: { ranks: LeasedRank[]; beside?: Beside | null }): LeasedRank[] => [
  ...ranks,
  ...(beside?.spares ?? []).flatMap((node) => (ranks[0] ? [{ ...ranks[0], node }] : [])),
]

type Holder = { name: string; ranks: LeasedRank[]; beside?: Beside | null; isNew: boolean }

/** Whoever has domains to itself shares them with nobody; what was there before it came is for the one who came to see. */
export function* apart(nodes: Nodes, holders: readonly Holder[]): Iterable<string> {
  for (const { name, ranks, beside, isNew } of holders) {
    const level = beside?.exclusive
    if (!level) continue
    const own = new Set(ranks.map(({ node }) => domainOf(nodes, node, level)))
    const isIn = (node: string | undefined) => own.has(domainOf(nodes, node, level))
    for (const other of holders)
      if (other.name !== name && (isNew || other.isNew) && withSpares(other).some(({ node }) => isIn(node)))
        yield `${other.name} is in a ${level} that ${name} has to itself`
    if (isNew && [...nodes.values()].some((node) => node.foreign && node.foreign.cpuMilli > 0 && isIn(node.name)))
      yield `${name} has a ${level} to itself that others use`
  }
}
