import type { GangRequest } from './ask.ts'
import type { CellPlan, NodeClass } from './cell.ts'
import type { RankSize } from './sizes.ts'

/**
 * The same promises as the cell's, kept in the slowest and plainest way: objects, no index, and every way to place
 * a gang tried one after the other. It shares no code with the cell; tests compare the two on small trees.
 */
export type Plain = {
  nodes: { nodeClass: NodeClass; path: number[]; usable: boolean; foreign: number[] }[]
  levels: number
  held: Map<number, { request: GangRequest; ranks: number[]; spares: number[] }>
}

export function plainOf(plan: CellPlan): Plain {
  const nodes = Array.from(plan.classOf, (c, node) => {
    const nodeClass = plan.classes[c]
    if (!nodeClass) throw new Error('no such class')
    return { nodeClass, path: plan.domains.map((names) => names[node] ?? 0), usable: true, foreign: [0, 0, 0, 0] }
  })
  return { nodes, levels: plan.domains.length + 2, held: new Map() }
}

const amounts = (of: RankSize | NodeClass): number[] => [
  of.accelerators ?? 0,
  of.cpuMilli ?? 0,
  of.memoryMiB ?? 0,
  of.diskMiB ?? 0,
]

/** A name for the domain of a level that a node is in. */
export const domain = ({ nodes, levels }: Plain, node: number, level: number): string =>
  level === 0 ? `node ${node}` : level === levels - 1 ? 'site' : (nodes[node]?.path.slice(level - 1).join(' ') ?? '')

/** The size of each rank, role after role. */
export const sizesOf = ({ roles }: GangRequest): RankSize[] =>
  roles.flatMap(({ size, ranks }) => Array.from({ length: ranks }, () => size))

/** All that is on each node: sizes of ranks and spare ranks, of gangs other than `but`. */
function guests(plain: Plain, but = -1): RankSize[][] {
  const on = plain.nodes.map((): RankSize[] => [])
  for (const [gang, { request, ranks, spares }] of plain.held) {
    if (gang === but) continue
    const sizes = sizesOf(request)
    ranks.forEach((node, rank) => on[node]?.push(sizes[rank] ?? {}))
    for (const node of spares) on[node]?.push(sizes[0] ?? {})
  }
  return on
}

/**
 * Whether the guests of a node, with what others use of it, are within what it has of all that those who start want.
 * (Others may use what was given to us; that bars only who wants more of it.)
 */
function fits(plain: Plain, node: number, { sizes, starting }: { sizes: RankSize[]; starting: RankSize[] }): boolean {
  const at = plain.nodes[node]
  if (!at) return false
  const isForeign = at.foreign.some((amount) => amount > 0)
  if (sizes.some(({ whole }) => whole)) return sizes.length === 1 && !isForeign
  return amounts(at.nodeClass).every((has, i) => {
    const wanted = sizes.reduce((sum, size) => sum + (amounts(size)[i] ?? 0), 0)
    return starting.every((size) => !amounts(size)[i]) || wanted + (at.foreign[i] ?? 0) <= has
  })
}

/** The gangs' domains that nobody else may enter: who has each node to itself. */
function closedTo(plain: Plain, node: number, gang: number): boolean {
  for (const [other, { request, ranks, spares }] of plain.held) {
    const level = request.exclusive
    if (other === gang || level === undefined) continue
    if ([...ranks, ...spares].some((n) => domain(plain, n, level) === domain(plain, node, level))) return true
  }
  return false
}

/** Whether somebody else than the gang uses the domain of a level that a node is in. */
function inUse(plain: Plain, node: number, { level, gang }: { level: number; gang: number }): boolean {
  const on = guests(plain, gang)
  return plain.nodes.some(
    (other, n) =>
      domain(plain, n, level) === domain(plain, node, level) &&
      ((on[n]?.length ?? 0) > 0 || other.foreign.some((amount) => amount > 0)),
  )
}

type Try = { request: GangRequest; ranks: number[]; spares: number[]; gang: number; moved?: number[] }

/** Whether all rules hold for a placement of a gang beside all others. Only the ranks in `moved` (all) must start. */
export function accepts(plain: Plain, { request, ranks, spares, gang, moved }: Try): boolean {
  const sizes = sizesOf(request)
  const nodes = [...ranks, ...spares]
  const starting = moved ?? nodes
  const on = guests(plain, gang)
  const own = plain.nodes.map((): RankSize[] => [])
  for (const each of [on, own]) {
    ranks.forEach((node, rank) => each[node]?.push(sizes[rank] ?? {}))
    for (const node of spares) each[node]?.push(sizes[0] ?? {})
  }
  const fitsOn = (node: number) => fits(plain, node, { sizes: on[node] ?? [], starting: own[node] ?? [] })
  const isOpen = (node: number) => plain.nodes[node]?.usable && !closedTo(plain, node, gang)
  const allowed = nodes.every((node, i) => {
    const at = plain.nodes[node]
    return at && ((i < ranks.length ? sizes[i] : sizes[0])?.allows ?? (() => true))(at.nodeClass)
  })
  if (!allowed || !starting.every((node) => isOpen(node) && fitsOn(node))) return false
  return keepsRules(plain, { request, ranks, spares, gang, moved: starting })
}

function keepsRules(plain: Plain, { request, ranks, spares, gang, moved = [] }: Try): boolean {
  const { within, slices, spread, exclusive, spares: kept } = request
  const counts = (level: number, nodes: number[]) => {
    const each = new Map<string, number>()
    for (const node of nodes) each.set(domain(plain, node, level), (each.get(domain(plain, node, level)) ?? 0) + 1)
    return each
  }
  if (within && !within.preferred && counts(within.level, ranks).size > 1) return false
  if (slices && [...counts(slices.level, ranks).values()].some((n) => n % slices.ranks !== 0)) return false
  if (spread && [...counts(spread.level, ranks).values()].some((n) => n > spread.most)) return false
  if (exclusive !== undefined) if (moved.some((node) => inUse(plain, node, { level: exclusive, gang }))) return false
  if (!kept) return true
  const beside = counts(kept.level, spares)
  const used = counts(kept.level, ranks)
  return [...used.keys()].every((d) => beside.get(d) === kept.count) && [...beside.keys()].every((d) => used.has(d))
}

/** All ways to place the ranks (and the spare ones) of a request, as far as they fit, in the order of the nodes. */
export function* placements(plain: Plain, request: GangRequest): Generator<{ ranks: number[]; spares: number[] }> {
  const sizes = sizesOf(request)
  const on = guests(plain)
  for (const ranks of ways(plain, { sizes, on, from: 0, firstNode: 0 })) {
    const { spares } = request
    if (!spares) yield { ranks, spares: [] }
    else yield* withSpares(plain, request, ranks)
  }
}

type Way = { sizes: RankSize[]; on: RankSize[][]; from: number; firstNode: number }

function* ways(plain: Plain, { sizes, on, from, firstNode }: Way): Generator<number[]> {
  const size = sizes[from]
  if (!size) return yield []
  for (let node = firstNode; node < plain.nodes.length; node++) {
    const here = on[node] ?? []
    if (!plain.nodes[node]?.usable || !fits(plain, node, { sizes: [...here, size], starting: [size] })) continue
    here.push(size)
    // Ranks of one size are alike: they need not be tried in every order.
    const next = sizes[from + 1] === size ? node : 0
    for (const rest of ways(plain, { sizes, on, from: from + 1, firstNode: next })) yield [node, ...rest]
    here.pop()
  }
}

function* withSpares(plain: Plain, request: GangRequest, ranks: number[]) {
  const { level = 0, count = 0 } = request.spares ?? {}
  const size = sizesOf(request)[0] ?? {}
  const on = guests(plain)
  ranks.forEach((node) => on[node]?.push(size))
  const domains = [...new Set(ranks.map((node) => domain(plain, node, level)))]
  const wanted = Array.from({ length: count * domains.length }, () => size)
  for (const spares of ways(plain, { sizes: wanted, on, from: 0, firstNode: 0 })) yield { ranks, spares }
}

/** The tightest level of which one domain can hold the gang under all rules, or -1 if none can. */
export function tightestLevel(plain: Plain, request: GangRequest): number {
  let best = -1
  for (const { ranks, spares } of placements(plain, request)) {
    const level = levelOf(plain, ranks)
    if (best !== -1 && level >= best) continue
    if (accepts(plain, { request, ranks, spares, gang: -1 })) best = level
  }
  return best
}

/** The tightest level of which one domain holds all these nodes. */
export function levelOf(plain: Plain, nodes: number[]): number {
  let level = 0
  while (new Set(nodes.map((node) => domain(plain, node, level))).size > 1) level++
  return level
}
