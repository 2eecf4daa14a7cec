import type { Amounts } from './quota.ts'

/**
 * Who has had the least so far, by weight: dominant-resource fairness (Ghodsi et al., NSDI 2011) over a tree of
 * projects, on use that is forgotten with a half-life instead of use at this moment. So a project that held everything
 * all night does not start the day level with one that slept.
 */
export type ShareNode = { name: string; parent: string | null; weight: number }

export type Shares = {
  /** What a project holds of each resource from `now` on; its ancestors hold the sum of their children. */
  change: (name: string, by: Amounts, now: number) => void
  /**
   * The dominant share of a node at `now`: of all resources the largest part of the capacity that it held on average,
   * newer times counting more, divided by its weight.
   */
  share: (name: string, now: number) => number
  /** The largest part of all there is of a resource that amounts take. */
  part: (amounts: Amounts) => number
  /**
   * The order in which projects are asked: at each node of the tree the child with the smaller share goes first, equal
   * shares by name. So two projects are compared where their paths part, by the shares of the groups that they are in.
   */
  compare: (a: string, b: string, now: number) => number
  /** The shares that decide where a project stands: its root's first, its own last. The same array if nothing changed. */
  path: (name: string, now: number) => readonly Step[]
}

type Average = { holds: number; average: number; since: number }
/** `share` is what was found at `askedAt`; nobody needs to count it twice for one moment. */
type Row = ShareNode & {
  above: Row | null
  depth: number
  of: Map<string, Average>
  askedAt: number
  share: number
  /** The path found last; it is given again as long as nothing on it has changed. */
  path: Step[]
}
type Step = { name: string; share: number }

type Options = {
  nodes: readonly ShareNode[]
  /** What there is of each resource in all; a resource that is not named here counts for nobody. */
  capacity: Amounts
  /** After so long use counts half; 0 counts only what is held at the moment. */
  halfLifeMs: number
}

export function createShares({ nodes, capacity, halfLifeMs }: Options): Shares {
  const rows = new Map<string, Row>()
  const byName = new Map(nodes.map((node) => [node.name, node]))
  const rowOf = (name: string): Row => {
    const known = rows.get(name)
    if (known) return known
    const node = byName.get(name)
    if (!node) throw new Error(`There is no project ${name} in this tree of shares.`)
    const above = node.parent === null ? null : rowOf(node.parent)
    const depth = above ? above.depth + 1 : 0
    const row: Row = { ...node, above, depth, of: new Map(), askedAt: -1, share: 0, path: [] }
    rows.set(name, row)
    return row
  }
  const averageAt = ({ holds, average, since }: Average, now: number): number => {
    if (halfLifeMs === 0) return holds
    // To the bit what it was, so that within one moment no share becomes smaller by rounding.
    return now === since ? average : holds + (average - holds) * 2 ** (-(now - since) / halfLifeMs)
  }
  const shareOf = (row: Row, now: number): number => {
    if (row.askedAt === now) return row.share
    let most = 0
    for (const [resource, use] of row.of) {
      const all = capacity[resource] ?? 0
      if (all > 0) most = Math.max(most, averageAt(use, now) / all)
    }
    row.askedAt = now
    row.share = most / row.weight
    return row.share
  }
  return {
    change(name, by, now) {
      for (let row: Row | null = rowOf(name); row; row = row.above) {
        row.askedAt = -1
        for (const resource of Object.keys(by)) {
          const use = useOf(row, resource, now)
          use.average = averageAt(use, now)
          use.holds += by[resource] ?? 0
          use.since = now
        }
      }
    },
    part: (amounts) => partOf(capacity, amounts),
    share: (name, now) => shareOf(rowOf(name), now),
    path: (name, now) => pathOf(rowOf(name), (row) => shareOf(row, now)),
    compare(a, b, now) {
      if (a === b) return 0
      let [left, right] = [rowOf(a), rowOf(b)]
      while (left.depth > right.depth && left.above) left = left.above
      while (right.depth > left.depth && right.above) right = right.above
      // One is the other's ancestor: work of the group itself goes before that of its parts.
      if (left === right) return rowOf(a).depth - rowOf(b).depth
      while (left.above !== right.above && left.above && right.above) [left, right] = [left.above, right.above]
      return shareOf(left, now) - shareOf(right, now) || (left.name < right.name ? -1 : 1)
    },
  }
}

function useOf({ of }: Row, resource: string, now: number): Average {
  const known = of.get(resource)
  if (known) return known
  const use = { holds: 0, average: 0, since: now }
  of.set(resource, use)
  return use
}

function pathOf(own: Row, shareOf: (row: Row) => number): readonly Step[] {
  let isSame = own.path.length > 0
  for (let row: Row | null = own; row && isSame; row = row.above) isSame = own.path[row.depth]?.share === shareOf(row)
  if (isSame) return own.path
  own.path = []
  for (let row: Row | null = own; row; row = row.above) own.path.unshift({ name: row.name, share: shareOf(row) })
  return own.path
}

const partOf = (capacity: Amounts, amounts: Amounts): number =>
  Math.max(
    0,
    ...Object.entries(amounts).map(([one, amount]) => (amount > 0 ? amount / (capacity[one] || Infinity) : 0)),
  )
