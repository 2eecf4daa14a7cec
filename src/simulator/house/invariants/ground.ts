import type { LeasedRank } from '#model/lease.ts'
import type { Node } from '#model/site.ts'
import type { Changes } from './changes.ts'
import type { Decision } from './decisions.ts'
import type { LeaseRow } from './tables.ts'

export type Level = 'node' | 'nvlink' | 'block' | 'site'

type Learnt = { changes: Pick<Changes, 'sites'>; decisions: readonly Pick<Decision, 'leases' | 'told'>[] }

/** What was ever told of the nodes of sites: one that is told of no more stood where it was told to stand. */
export type Ground = {
  /** What is told now, and what decisions were made on since the last look: that may be told no more. */
  learn(seen: Learnt): void
  node(site: string, name: string): Node | undefined
  /** The domain of a node at a level, by its name; one that tells none is alone. */
  domainOf(site: string, name: string, level: Level): string
  /** Nodes of the largest domain of a level that there ever was. */
  largest(site: string, level: 'nvlink' | 'block'): number
}

export function createGround(): Ground {
  const nodes = new Map<string, Node>()
  const sizes = new Map<string, number>()
  const node: Ground['node'] = (site, name) => nodes.get(`${site} ${name}`)
  const domainOf: Ground['domainOf'] = (site, name, level) => {
    const [nvlink = name, block = nvlink] = node(site, name)?.path ?? []
    return { node: name, nvlink, block, site }[level]
  }
  const heard = new WeakSet<readonly Node[]>()
  const hear = (site: string, told: readonly Node[]): void => {
    if (heard.has(told)) return
    heard.add(told)
    for (const one of told) nodes.set(`${site} ${one.name}`, one)
    for (const level of ['nvlink', 'block'] as const) {
      const domains = Map.groupBy(told, ({ name }) => domainOf(site, name, level))
      const most = Math.max(1, ...[...domains.values()].map((all) => all.length))
      sizes.set(`${site} ${level}`, Math.max(most, sizes.get(`${site} ${level}`) ?? 1))
    }
  }
  return {
    node,
    domainOf,
    largest: (site, level) => sizes.get(`${site} ${level}`) ?? 1,
    learn({ changes, decisions }) {
      for (const { leases, told } of decisions) {
        const [first] = leases
        if (first) for (const some of told) if (some) hear(siteOf(first), some)
      }
      for (const { key, after } of changes.sites) if (after?.nodes) hear(key, after.nodes)
    },
  }
}

export const siteOf = ({ provider, site }: Pick<LeaseRow, 'provider' | 'site'>): string => `${provider}/${site}`

/** What a lease holds of nodes, and as much more on each that is kept free to replace one of them. */
export function withSpares({ ranks, beside }: Pick<LeaseRow, 'ranks' | 'beside'>): LeasedRank[] {
  const [first] = ranks
  return [...ranks, ...(beside?.spares ?? []).flatMap((node) => (first ? [{ ...first, node }] : []))]
}
