/**
 * A site as a tree. Level 0 are the nodes themselves, the next ones their domains from the tightest to the loosest, and
 * the last level is the whole site. Nodes and domains are numbered in the order of the tree, so that a domain is a range
 * of domains of the level below it, and of nodes.
 */
export type Tree = {
  levels: number
  /** Domains of each level. */
  counts: Int32Array
  /** For each level above the nodes: where the children of each domain start; one more says where the last ones end. */
  children: Int32Array[]
  /** For each level: where the nodes of each domain start; one more says where the last ones end. */
  nodes: Int32Array[]
  /** For each level but the last: the domain of the next level that each belongs to. */
  parents: Int32Array[]
}

/**
 * A tree from the domain of each node at each level between the node and the site, tightest first; any number names
 * a domain. The nodes of a domain must stand side by side, and domains must nest.
 */
export function createTree(nodes: number, domains: ArrayLike<number>[]): Tree {
  const above = [...domains.map((names, i) => numbered(names, domains.slice(i + 1))), new Int32Array(nodes)]
  const starts = [Int32Array.from({ length: nodes + 1 }, (_, i) => i), ...above.map(startsOf)]
  const counts = Int32Array.from(starts, (start) => start.length - 1)
  const parents = above.map((domainOf, level) =>
    Int32Array.from({ length: counts[level] ?? 0 }, (_, d) => domainOf[starts[level]?.[d] ?? 0] ?? 0),
  )
  const children = [new Int32Array(), ...parents.map(startsOf)]
  return { levels: counts.length, counts, children, nodes: starts, parents }
}

/** Domains numbered as they come; a domain that comes again after another one is an error of the caller. */
function numbered(names: ArrayLike<number>, looser: ArrayLike<number>[]): Int32Array {
  const domains = new Int32Array(names.length)
  const seen = new Set<string>()
  let domain = -1
  for (let node = 0; node < names.length; node++) {
    const isNew = node === 0 || names[node] !== names[node - 1] || looser.some((l) => l[node] !== l[node - 1])
    if (isNew) {
      const name = [names[node], ...looser.map((l) => l[node])].join(' ')
      if (seen.has(name)) throw new Error(`the nodes of domain ${name} do not stand side by side; sort them first`)
      seen.add(name)
      domain++
    }
    domains[node] = domain
  }
  return domains
}

/** Where each run of equal numbers starts, and where the last one ends. */
function startsOf(domains: Int32Array): Int32Array {
  const starts: number[] = []
  for (let i = 0; i < domains.length; i++) if (i === 0 || domains[i] !== domains[i - 1]) starts.push(i)
  return Int32Array.from([...starts, domains.length])
}

/** The domain of a level that a node is in. */
export function domainAt(tree: Tree, node: number, level: number): number {
  let domain = node
  for (let l = 0; l < level; l++) domain = tree.parents[l]?.[domain] ?? 0
  return domain
}

/** The domain of `to` that a domain of the lower level `level` is in. */
export function ancestorOf(tree: Tree, domain: number, { level, to }: { level: number; to: number }): number {
  let at = domain
  for (let l = level; l < to; l++) at = tree.parents[l]?.[at] ?? 0
  return at
}
