import type { Project } from '#model/project.ts'

/** Divides a capacity among projects that ask for so much each, and writes what each of them gets. */
export type Division = (asked: Float64Array, capacity: number, shares: Float64Array) => void

/**
 * The max-min fair division of what there is: nobody gets more than it asks for, and what is left over is divided among
 * those who ask for more, by weight (progressive filling; Bertsekas and Gallager, "Data Networks", 1992). Projects that are
 * parts of others divide what these get; what those ask for themselves goes first, as in the queue of the engine.
 */
export function divisionOf(names: readonly string[], terms: readonly Project[]): Division {
  const roots = treesOf(names, terms)
  const isFlat = roots.every(({ children, weight }) => children.length === 0 && weight === roots[0]?.weight)
  if (isFlat) return evenDivision(names.length)
  return (asked, capacity, shares) => {
    for (const root of roots) sumUp(root, asked)
    fill(roots, capacity, shares)
  }
}

/** Among equals, of which there may be many. */
function evenDivision(projects: number): Division {
  const ascending = new Float64Array(projects)
  return (asked, capacity, shares) => {
    ascending.set(asked)
    sort(ascending)
    let left = capacity
    let most = Number.POSITIVE_INFINITY
    for (let passed = 0; passed < projects; passed++) {
      const one = ascending[passed] ?? 0
      most = left / (projects - passed)
      if (one > most) break // this one and all that ask for more get as much
      left -= one
      most = one
    }
    for (let project = 0; project < projects; project++) shares[project] = Math.min(asked[project] ?? 0, most)
  }
}

/** So few are sorted faster by insertion. */
const few = 32

function sort(values: Float64Array): void {
  if (values.length > few) values.sort()
  else insert(values)
}

function insert(values: Float64Array): void {
  for (let i = 1; i < values.length; i++) {
    const value = values[i] ?? 0
    let at = i
    for (; at > 0 && (values[at - 1] ?? 0) > value; at--) values[at] = values[at - 1] ?? 0
    values[at] = value
  }
}

/** `project` is its number, or -1 where it has no jobs; `own` and `asked` are what it asks for without and with its parts. */
type Node = { weight: number; project: number; own: number; asked: number; children: Node[] }

function treesOf(names: readonly string[], terms: readonly Project[]): Node[] {
  const numbers = new Map(names.map((name, number) => [name, number]))
  const termOf = new Map(terms.map((one) => [one.name, one]))
  const nodes = new Map<string, Node>()
  const roots: Node[] = []
  const nodeOf = (name: string): Node => {
    const known = nodes.get(name)
    if (known) return known
    const { weight = 1, parent = null } = termOf.get(name) ?? {}
    const node: Node = { weight, project: numbers.get(name) ?? -1, own: 0, asked: 0, children: [] }
    nodes.set(name, node)
    const siblings = parent === null ? roots : nodeOf(parent).children
    siblings.push(node)
    return node
  }
  for (const name of names) nodeOf(name)
  return roots
}

function sumUp(node: Node, asked: Float64Array): number {
  node.own = asked[node.project] ?? 0
  node.asked = node.children.reduce((sum, child) => sum + sumUp(child, asked), node.own)
  return node.asked
}

/** Those who ask for the least for their weight first: what they leave, the others share. */
function fill(siblings: Node[], capacity: number, shares: Float64Array): void {
  siblings.sort((a, b) => a.asked / a.weight - b.asked / b.weight)
  let left = capacity
  let weights = siblings.reduce((sum, { weight }) => sum + weight, 0)
  for (const { weight, project, own, asked, children } of siblings) {
    const share = Math.min(asked, (left * weight) / weights)
    left -= share
    weights -= weight
    const first = Math.min(own, share)
    if (project >= 0) shares[project] = first
    if (children.length > 0) fill(children, share - first, shares)
  }
}
