import type { LeasedRank } from '#model/lease.ts'
import type { Project, Quota } from '#model/project.ts'
import type { Node } from '#model/site.ts'
import { createGround, type Ground, siteOf, withSpares } from './ground.ts'
import type { Invariant, Seen } from './invariant.ts'
import { takenTogether } from './owner.ts'
import type { LeaseRow, Tables } from './tables.ts'

/**
 * Nothing is placed with which a project holds more than it may: of its own quota, what it borrows, and what the others of
 * its tree lend. Written down here anew, from what people are promised (how-to/budgets-and-quotas), and not as the engine
 * counts it. What was lost once came back by itself.
 */
export function quotasHold(): Invariant {
  let before: Tables['projects'] | undefined
  const ground = createGround()
  return {
    name: 'quotas are never exceeded by what is placed',
    rule: 9,
    when: 'always',
    check(seen) {
      const { changes, tables } = seen
      ground.learn(seen)
      const earlier = before ?? tables.projects
      if (changes.projects.length > 0 || before === undefined) before = new Map(tables.projects)
      const placed = changes.leases.flatMap(({ before: was, after }) => (was === null && after ? [after] : []))
      if (placed.length === 0) return []
      // It may have been decided on the quotas at the look before.
      const versions = changes.projects.length > 0 ? [tables.projects, earlier] : [tables.projects]
      const broken = versions.map((projects) => exceeded(placed, { projects, ground, seen }))
      return broken.some((some) => some.length === 0) ? [] : (broken[0] ?? [])
    },
  }
}

/** Each resource with how its quota is told, and how much a lease holds of it, in the same unit. */
const resources: readonly Resource[] = [
  { name: 'nodes', limit: ({ nodes }) => nodes, held: (ranks) => ranks.length },
  { name: 'cpuMilli', limit: ({ cpuMilli }) => cpuMilli, held: (ranks) => sum(ranks.map((rank) => rank.cpuMilli)) },
  {
    name: 'accelerators in thousandths',
    limit: ({ accelerators }) => accelerators && 1000 * accelerators,
    held: (ranks) => sum(ranks.map(acceleratorMilli)),
  },
  ...(['nvlink', 'block'] as const).map((level): Resource => {
    // A domain is as many nodes as the largest has; one that nobody else may be in is counted whole.
    const held: Resource['held'] = (ranks, { lease, ground }) => {
      const nodes = sum(ranks.map((rank) => shareOfNode(rank, ground.node(siteOf(lease), rank.node ?? ''))))
      const domains = nodes / ground.largest(siteOf(lease), level)
      const isWhole = lease.beside?.exclusive === 'block' || lease.beside?.exclusive === level
      return Math.floor(1e6 * (isWhole ? Math.ceil(domains - 1e-9) : domains))
    }
    const limit: Resource['limit'] = ({ domains }) => domains?.[level] && 1e6 * domains[level]
    return { name: `${level} domains in millionths`, limit, held }
  }),
]
type Resource = {
  name: string
  limit(quota: Quota): number | undefined
  held(ranks: LeasedRank[], at: { lease: LeaseRow; ground: Ground }): number
}

const sum = (amounts: readonly number[]): number => amounts.reduce((all, amount) => all + amount, 0)

const acceleratorMilli = ({ accelerators, part }: LeasedRank): number => 1000 * accelerators + (part?.shareMilli ?? 0)

/** The largest of its shares of anything that the node has; all of one of which nobody told. */
function shareOfNode(rank: LeasedRank, node: Node | undefined): number {
  if (!node) return 1
  const amounts = (['cpuMilli', 'memoryMiB', 'diskMiB'] as const).map((name) => [rank[name], node.shape[name]] as const)
  const shares = [...amounts, [acceleratorMilli(rank), 1000 * node.shape.accelerators] as const]
  return Math.min(1, Math.max(...shares.map(([held, has]) => (has > 0 ? held / has : 0))))
}

type Exceeding = { projects: Tables['projects']; ground: Ground; seen: Seen }

function exceeded(placed: readonly LeaseRow[], { projects, ground, seen }: Exceeding): string[] {
  const limits = resources.filter(({ limit }) => projects.values().some(({ quota }) => limit(quota) !== undefined))
  if (placed.length === 0 || limits.length === 0) return []
  const family = familyOf(projects)
  const isNew = new Set(placed.map(({ id }) => id))
  return takenTogether(seen).flatMap((leases) =>
    limits.flatMap((resource) => {
      // How many nodes are kept free for a gang is known once it has them: they count for those who come after it.
      const heldBy = (lease: LeaseRow): number =>
        resource.held(isNew.has(lease.id) ? lease.ranks : withSpares(lease), { lease, ground })
      const held = new Map<string, number>()
      for (const lease of leases) held.set(lease.project, (held.get(lease.project) ?? 0) + heldBy(lease))
      const more = new Set(placed.filter((lease) => heldBy(lease) > 0).map(({ project }) => project))
      const roots = new Set([...more].map((name) => family.pathOf(name).at(-1) ?? name))
      const limited = [...roots].filter((root) =>
        family.treeOf(root).some(({ quota }) => resource.limit(quota) !== undefined),
      )
      const touched = new Set([...more].flatMap((name) => family.pathOf(name)))
      return limited.flatMap((root) => tooMuch(root, { family, held, resource, touched }).breaches)
    }),
  )
}

type Family = {
  of(name: string): Readonly<Project> | undefined
  children(name: string): readonly string[]
  /** From a project up to the root of its tree. */
  pathOf(name: string): string[]
  /** All of the tree under a project, itself among them. */
  treeOf(name: string): Readonly<Project>[]
}

function familyOf(projects: Tables['projects']): Family {
  const children = Map.groupBy(projects.keys(), (name) => projects.get(name)?.parent ?? null)
  const family: Family = {
    of: (name) => projects.get(name),
    children: (name) => children.get(name) ?? [],
    pathOf(name) {
      const parent = projects.get(name)?.parent ?? null
      return parent === null ? [name] : [name, ...family.pathOf(parent)]
    },
    treeOf(name) {
      const project = projects.get(name)
      return [...(project ? [project] : []), ...family.children(name).flatMap(family.treeOf)]
    },
  }
  return family
}

type Asked = {
  family: Family
  held: ReadonlyMap<string, number>
  resource: Resource
  /** Projects on which something new weighs: nobody else's limit was broken now. */
  touched: ReadonlySet<string>
}

/** What the tree under a project owns and lends to those above, and what it holds that it does not own. */
type Balance = { owns: number; lends: number; asks: number; breaches: string[] }

function tooMuch(name: string, asked: Asked): Balance {
  const { family, held, resource, touched } = asked
  const project = family.of(name)
  const own = (quota: Quota | undefined): number | undefined => quota && resource.limit(quota)
  const below = family.children(name).map((child) => tooMuch(child, asked))
  const ofBelow = (of: (one: Balance) => number): number => sum(below.map(of))
  const owns = (own(project?.quota) ?? 0) + ofBelow((one) => one.lends)
  const holds = (held.get(name) ?? 0) + ofBelow((one) => one.asks)
  const isRoot = (project?.parent ?? null) === null
  const lends = isRoot ? owns : Math.min(owns, own(project?.lending) ?? Infinity)
  const keeps = owns - lends
  const most = isRoot ? owns : owns + (own(project?.borrowing) ?? Infinity)
  const what = isRoot ? 'all of its tree owns' : 'it owns and may borrow'
  const breach =
    holds > most && touched.has(name)
      ? [`${name} and those below it hold ${holds} ${resource.name}, and ${what} ${most}`]
      : []
  return {
    owns,
    lends,
    asks: Math.max(0, holds - keeps),
    breaches: [...below.flatMap((one) => one.breaches), ...breach],
  }
}
