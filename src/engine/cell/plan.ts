import type { CellPlan, NodeClass } from './cell.ts'

/** A node as a site tells of it: its domains by name, the tightest first. */
export type PlainNode = { name: string; path: string[]; nodeClass: NodeClass }

/** A description ready for a cell, and the name of each of its nodes by number. */
export type NamedPlan = { plan: CellPlan; names: string[] }

/**
 * Puts nodes into the order of the tree (loosest domain first, then by name) and kinds of nodes that are alike into one
 * class. Domains of one name in different looser domains are different. A node that does not tell all levels counts at
 * the missing looser ones with the loosest domain that it does tell, and alone if it tells none.
 */
export function planOf(nodes: PlainNode[]): NamedPlan {
  const depth = Math.max(0, ...nodes.map(({ path }) => path.length))
  const placed = nodes.map(({ name, path, nodeClass }) => {
    const known = path.length > 0 ? path : [`\0${name}`]
    const full = Array.from({ length: depth }, (_, level) => known[Math.min(level, known.length - 1)] ?? '')
    return { name, nodeClass, full, key: [...full.toReversed(), name].join('\0') }
  })
  placed.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0))
  const classes: NodeClass[] = []
  const classNumbers = new Map<string, number>()
  const classOf = placed.map(({ nodeClass }) => {
    const key = keyOf(nodeClass)
    const known = classNumbers.get(key)
    if (known !== undefined) return known
    classNumbers.set(key, classes.length)
    return classes.push(nodeClass) - 1
  })
  const domains = Array.from({ length: depth }, (_, level) => {
    const numbers = new Map<string, number>()
    return placed.map(({ full }) => {
      const key = full.slice(level).join('\0')
      const number = numbers.get(key) ?? numbers.size
      numbers.set(key, number)
      return number
    })
  })
  return { plan: { classes, classOf, domains }, names: placed.map(({ name }) => name) }
}

/** The same for classes that say the same, whatever the order in which they say it. */
const keyOf = ({ labels = {}, taints = [], ...amounts }: NodeClass): string =>
  JSON.stringify([sorted(Object.entries(amounts)), sorted(Object.entries(labels)), taints.toSorted()])

const sorted = (entries: [string, unknown][]): [string, unknown][] => entries.toSorted(([a], [b]) => (a < b ? -1 : 1))
