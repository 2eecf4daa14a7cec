import type { LeasedRank } from '#model/lease.ts'
import type { Beside } from '#model/plan.ts'
import type { Project, Quota } from '#model/project.ts'
import type { Node } from '#model/site.ts'

import { amountOf } from './check-parts.ts'
import { byName, domainOf, type Nodes, withSpares } from './check-topology.ts'
import type { SiteFacts } from './facts.ts'

type Resource = 'cpuMilli' | 'accelerators' | 'nodes' | 'nvlink' | 'block'
const resources: readonly Resource[] = ['cpuMilli', 'accelerators', 'nodes', 'nvlink', 'block']

const limitOf = (quota: Quota, resource: Resource): number | undefined =>
  resource === 'nvlink' || resource === 'block' ? quota.domains?.[resource] : quota[resource]

/** What somebody holds at a site, now or from now on. */
export type Holding = {
  project: string
  site?: SiteFacts | undefined
  ranks: LeasedRank[]
  beside?: Beside | null
  isNew: boolean
}

/** Whether the quotas of all hold whose use has grown. */
export function* quotasHold(projects: readonly Project[], holdings: readonly Holding[]): Iterable<string> {
  const byProject = Map.groupBy(holdings, ({ project }) => project)
  const before = new Map([...byProject].map(([name, all]) => [name, all.filter(({ isNew }) => !isNew)]))
  for (const tree of treesOf(projects))
    for (const resource of resources) {
      if (tree.every(({ quota }) => limitOf(quota, resource) === undefined)) continue
      const use = useOf(resource)
      const old = accountsOf(tree, resource, (name) => sum((before.get(name) ?? []).map(use)))
      for (const [name, { used, most }] of accountsOf(tree, resource, (one) =>
        sum((byProject.get(one) ?? []).map(use)),
      ))
        if (used > most + 1e-3 && used > (old.get(name)?.used ?? 0) + 1e-3)
          yield `${name} is above its quota of ${resource}`
    }
}

/** Each root with all that is under it, parents first. */
export function treesOf(projects: readonly Project[]): Project[][] {
  const children = Map.groupBy(projects, ({ parent }) => parent)
  return (children.get(null) ?? []).map((root) => {
    const tree = [root]
    for (const one of tree) tree.push(...(children.get(one.name) ?? []))
    return tree
  })
}

type Account = { has: number; kept: number; used: number; most: number }

/**
 * From the leaves up, by the definition alone: a project keeps back of its quota what it does not lend; what is used above
 * that is taken from its parent, and no more than it lends and may borrow.
 */
function accountsOf(
  tree: readonly Project[],
  resource: Resource,
  held: (project: string) => number,
): Map<string, Account> {
  const accounts = new Map<string, Account>()
  for (const { name, parent, quota, lending, borrowing } of tree.toReversed()) {
    const children = tree.filter((each) => each.parent === name).flatMap((child) => accounts.get(child.name) ?? [])
    const has = (limitOf(quota, resource) ?? 0) + sum(children.map((child) => child.has - child.kept))
    const used = held(name) + sum(children.map((child) => Math.max(0, child.used - child.kept)))
    const kept = parent === null ? 0 : Math.max(0, has - (limitOf(lending, resource) ?? Infinity))
    const most = parent === null ? has : has + (limitOf(borrowing, resource) ?? Infinity)
    accounts.set(name, { has, kept, used, most })
  }
  return accounts
}

const sum = (amounts: readonly number[]): number => amounts.reduce((total, amount) => total + amount, 0)

/** How much of a resource a holding uses; what is to be known of the domains of a site is found out once. */
function useOf(resource: Resource): (holding: Holding) => number {
  const sites = new Map<SiteFacts, { nodes: Nodes; largest: number }>()
  const knownOf = (site: SiteFacts): { nodes: Nodes; largest: number } => {
    const nodes = byName(site.nodes ?? [])
    const level = resource === 'nvlink' ? 'nvlink' : 'block'
    const domains = Map.groupBy(nodes.keys(), (name) => domainOf(nodes, name, level))
    const known = { nodes, largest: Math.max(1, ...[...domains.values()].map((all) => all.length)) }
    sites.set(site, known)
    return known
  }
  return (holding) => {
    // How many spare nodes a gang gets is only known when it has them: they count from then on.
    const ranks = holding.isNew ? holding.ranks : withSpares(holding)
    if (resource === 'nodes') return ranks.length
    if (resource === 'accelerators') return sum(ranks.map(amountOf))
    if (resource === 'cpuMilli') return sum(ranks.map(({ cpuMilli }) => cpuMilli))
    const { site, beside } = holding
    const { nodes, largest } = (site && (sites.get(site) ?? knownOf(site))) ?? { nodes: new Map(), largest: 1 }
    const held = sum(ranks.map((rank) => shareOf(rank, nodes.get(rank.node ?? '')))) / largest
    return beside?.exclusive === 'block' || beside?.exclusive === resource ? Math.ceil(held - 1e-9) : held
  }
}

/** What a rank has of its node; one that nobody knows counts as all of it. */
function shareOf(rank: LeasedRank, node: Node | undefined): number {
  if (!node) return 1
  const parts = (['cpuMilli', 'memoryMiB', 'diskMiB'] as const).map((key) => rank[key] / Math.max(1, node.shape[key]))
  return Math.min(1, Math.max(...parts, amountOf(rank) / Math.max(1, node.shape.accelerators)))
}
