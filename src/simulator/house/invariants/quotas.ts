import type { Project, Quota } from '#model/project.ts'
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
  return {
    name: 'quotas are never exceeded by what is placed',
    rule: 9,
    when: 'always',
    check(seen) {
      const { changes, tables } = seen
      const earlier = before ?? tables.projects
      if (changes.projects.length > 0 || before === undefined) before = new Map(tables.projects)
      const placed = changes.leases.flatMap(({ before: was, after }) => (was === null && after ? [after.project] : []))
      if (placed.length === 0) return []
      // It may have been decided on the quotas at the look before.
      const versions = changes.projects.length > 0 ? [tables.projects, earlier] : [tables.projects]
      const broken = versions.map((projects) => exceeded(new Set(placed), projects, seen))
      return broken.some((some) => some.length === 0) ? [] : (broken[0] ?? [])
    },
  }
}

const resources = ['nodes', 'cpuMilli', 'accelerators'] as const
type Resource = (typeof resources)[number]

const amounts: Readonly<Record<Resource, (lease: LeaseRow) => number>> = {
  nodes: ({ ranks }) => ranks.length,
  cpuMilli: ({ ranks }) => ranks.reduce((sum, { cpuMilli }) => sum + cpuMilli, 0),
  accelerators: ({ ranks }) => ranks.reduce((sum, { accelerators }) => sum + accelerators, 0),
}

function exceeded(placed: ReadonlySet<string>, projects: Tables['projects'], seen: Seen): string[] {
  const [first] = placed
  if (first === undefined || resources.every((resource) => isFree(projects, resource))) return []
  const family = familyOf(projects)
  return takenTogether(seen).flatMap((leases) =>
    resources.flatMap((resource) => {
      const held = new Map<string, number>()
      for (const lease of leases) held.set(lease.project, (held.get(lease.project) ?? 0) + amounts[resource](lease))
      const roots = new Set([...placed].map((name) => family.pathOf(name).at(-1) ?? name))
      const limited = [...roots].filter((root) => family.treeOf(root).some((one) => one.quota[resource] !== undefined))
      const touched = new Set([...placed].flatMap((name) => family.pathOf(name)))
      return limited.flatMap((root) => tooMuch(root, { family, held, resource, touched }).breaches)
    }),
  )
}

const isFree = (projects: Tables['projects'], resource: Resource): boolean =>
  projects.values().every(({ quota }) => quota[resource] === undefined)

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
  const own = (quota: Quota | undefined): number | undefined => quota?.[resource]
  const below = family.children(name).map((child) => tooMuch(child, asked))
  const sum = (of: (one: Balance) => number): number => below.reduce((all, one) => all + of(one), 0)
  const owns = (own(project?.quota) ?? 0) + sum((one) => one.lends)
  const holds = (held.get(name) ?? 0) + sum((one) => one.asks)
  const isRoot = (project?.parent ?? null) === null
  const lends = isRoot ? owns : Math.min(owns, own(project?.lending) ?? Infinity)
  const keeps = owns - lends
  const most = isRoot ? owns : owns + (own(project?.borrowing) ?? Infinity)
  const what = isRoot ? 'all of its tree owns' : 'it owns and may borrow'
  const breach =
    holds > most && touched.has(name)
      ? [`${name} and those below it hold ${holds} ${resource}, and ${what} ${most}`]
      : []
  return {
    owns,
    lends,
    asks: Math.max(0, holds - keeps),
    breaches: [...below.flatMap((one) => one.breaches), ...breach],
  }
}
