import type { LeasedRank } from '#model/lease.ts'
import type { Beside } from '#model/plan.ts'
import type { Project, Quota } from '#model/project.ts'

import { amountOf } from './check-parts.ts'
import { withSpares } from './check-topology.ts'
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
  for (const resource of resources)
    for (const root of projects.filter(({ parent }) => parent === null)) {
      const tree = [root]
      for (const one of tree) tree.push(...projects.filter(({ parent }) => parent === one.name))
      if (tree.every(({ quota }) => limitOf(quota, resource) === undefined)) continue
      const before = accountsOf(
        tree,
        resource,
        holdings.filter(({ isNew }) => !isNew),
      )
      for (const [name, { used, most }] of accountsOf(tree, resource, holdings))
        if (used > most + 1e-3 && used > (before.get(name)?.used ?? 0) + 1e-3)
          yield `${name} is above its quota of ${resource}`
    }
}

type Account = { has: number; kept: number; used: number; most: number }

/**
 * From the leaves up, by the definition alone: a project keeps back of its quota what it does not lend; what is used above
 * that is taken from its parent, and no more than it lends and may borrow.
 */
function accountsOf(tree: readonly Project[], resource: Resource, holdings: readonly Holding[]): Map<string, Account> {
  const accounts = new Map<string, Account>()
  for (const { name, parent, quota, lending, borrowing } of tree.toReversed()) {
    const children = tree.filter((each) => each.parent === name).flatMap((child) => accounts.get(child.name) ?? [])
    const own = sum(holdings.filter(({ project }) => project === name).map((each) => useOf(each, resource)))
    const has = (limitOf(quota, resource) ?? 0) + sum(children.map((child) => child.has - child.kept))
    const used = own + sum(children.map((child) => Math.max(0, child.used - child.kept)))
    const kept = parent === null ? 0 : Math.max(0, has - (limitOf(lending, resource) ?? Infinity))
    const most = parent === null ? has : has + (limitOf(borrowing, resource) ?? Infinity)
    accounts.set(name, { has, kept, used, most })
  }
  return accounts
}

const sum = (amounts: readonly number[]): number => amounts.reduce((total, amount) => total + amount, 0)

function useOf(holding: Holding, resource: Resource): number {
  // How many spare nodes a gang gets is only known when it has them: they count from then on.
  const ranks = holding.isNew ? holding.ranks : withSpares(holding)
  if (resource === 'nodes') return ranks.length
  if (resource === 'accelerators') return sum(ranks.map(amountOf))
  if (resource === 'cpuMilli') return sum(ranks.map(({ cpuMilli }) => cpuMilli))
  const { site, beside } = holding
  const nodes = site?.nodes ?? []
  const domains = Map.groupBy(nodes, ({ name, path }) =>
    path.length === 0 ? name : path.slice(Math.min(resource === 'nvlink' ? 0 : 1, path.length - 1)).join('/'),
  )
  const largest = Math.max(1, ...[...domains.values()].map((all) => all.length))
  const shares = ranks.map((rank) => {
    const node = nodes.find(({ name }) => name === rank.node)
    if (!node) return 1
    const { shape } = node
    const parts = (['cpuMilli', 'memoryMiB', 'diskMiB'] as const).map((key) => rank[key] / Math.max(1, shape[key]))
    return Math.min(1, Math.max(...parts, amountOf(rank) / Math.max(1, shape.accelerators)))
  })
  const held = sum(shares) / largest
  return beside?.exclusive === 'block' || beside?.exclusive === resource ? Math.ceil(held - 1e-9) : held
}
