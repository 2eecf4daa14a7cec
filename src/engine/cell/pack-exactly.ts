import { slotsOf } from './nodes.ts'

import type { Ask } from './ask.ts'

/** Steps of one search. */
const stepsAtMost = 20_000

type Search = {
  ask: Ask
  /** The nodes of the domain that can take a rank of any role. */
  nodes: number[]
  /** For each node (and past the last one) and role: ranks that all nodes from there on could take, each role alone. */
  reach: number[][]
  /** Ranks of each role that are not placed yet. */
  left: number[]
  /** For each node the ranks of each role that it is given. */
  given: number[][]
  dead: Set<string>
  steps: number
}

/**
 * Tries all ways to put the roles of a gang on the nodes of the domain that was found (node by node, remembering what
 * led nowhere), and writes the first that fits to `cell.chosen`. `full`: there is none. `unproven`: too many ways.
 */
export function packExactly(ask: Ask): 'placed' | 'full' | 'unproven' {
  const search = begin(ask)
  if (!fill(search, 0)) return search.steps > stepsAtMost ? 'unproven' : 'full'
  let at = 0
  for (let role = 0; role < ask.roles.length; role++)
    search.nodes.forEach((node, i) => {
      for (let n = search.given[i]?.[role] ?? 0; n > 0; n--) ask.cell.chosen[at++] = node
    })
  return 'placed'
}

function begin(ask: Ask): Search {
  const { cell, roles } = ask
  const starts = cell.tree.nodes[ask.level] ?? new Int32Array()
  const nodes: number[] = []
  for (let node = starts[ask.domain] ?? 0; node < (starts[ask.domain + 1] ?? 0); node++)
    if (roles.some(({ size }) => slotsOf(cell, node, size) > 0)) nodes.push(node)
  const reach = [...nodes, -1].map(() => roles.map(() => 0))
  for (let i = nodes.length - 1; i >= 0; i--)
    reach[i] = roles.map(({ size }, role) => (reach[i + 1]?.[role] ?? 0) + slotsOf(cell, nodes[i] ?? 0, size))
  const left = roles.map(({ ranks }) => ranks)
  return { ask, nodes, reach, left, given: nodes.map(() => roles.map(() => 0)), dead: new Set(), steps: 0 }
}

/** Places what is left on the nodes from number `i` on. */
function fill(search: Search, i: number): boolean {
  const { left, reach } = search
  if (left.every((ranks) => ranks === 0)) return true
  if (left.some((ranks, role) => ranks > (reach[i]?.[role] ?? 0))) return false
  const key = `${i} ${left.join(' ')}`
  if (search.dead.has(key) || ++search.steps > stepsAtMost) return false
  const node = search.nodes[i] ?? 0
  const free = Array.from(search.ask.cell.free.subarray(4 * node, 4 * node + 4))
  if (share(search, { i, role: 0, free })) return true
  search.dead.add(key)
  return false
}

/** Gives a node ranks of one role after the other, as many as can be first. */
function share(search: Search, { i, role, free }: { i: number; role: number; free: number[] }): boolean {
  const { ask, left, given } = search
  const size = ask.roles[role]?.size
  const mine = given[i]
  if (size === undefined || !mine) return fill(search, i + 1)
  const amounts = ask.cell.sizes.amounts.subarray(4 * size, 4 * size + 4)
  const isWhole = ask.cell.sizes.whole[size] === 1
  const isShared = mine.some((ranks, other) => other < role && ranks > 0)
  let most = Math.min(left[role] ?? 0, slotsOf(ask.cell, search.nodes[i] ?? 0, size))
  amounts.forEach((need, n) => need > 0 && (most = Math.min(most, Math.floor((free[n] ?? 0) / need))))
  if (isWhole && isShared) most = 0
  const isLast = role + 1 === ask.roles.length
  for (let ranks = most; ranks >= (isLast ? most : 0); ranks--) {
    mine[role] = ranks
    left[role] = (left[role] ?? 0) - ranks
    const rest = isWhole && ranks > 0 ? [0, 0, 0, 0] : free.map((amount, n) => amount - ranks * (amounts[n] ?? 0))
    if (share(search, { i, role: role + 1, free: rest })) return true
    left[role] = (left[role] ?? 0) + ranks
    mine[role] = 0
  }
  return false
}
