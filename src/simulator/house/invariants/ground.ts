import type { LeasedRank } from '#model/lease.ts'
import type { Node } from '#model/site.ts'
import type { Changes } from './changes.ts'
import type { LeaseRow } from './tables.ts'

export type Level = 'node' | 'nvlink' | 'block' | 'site'

/** What was ever told of the nodes of sites: one that is told of no more stood where it was told to stand. */
export type Ground = {
  learn(changes: Pick<Changes, 'sites'>): void
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
  return {
    node,
    domainOf,
    largest: (site, level) => sizes.get(`${site} ${level}`) ?? 1,
    learn(changes) {
      for (const { key, before, after } of changes.sites) {
        if (!after?.nodes || after.nodes === before?.nodes) continue
        for (const one of after.nodes) nodes.set(`${key} ${one.name}`, one)
        for (const level of ['nvlink', 'block'] as const) {
          const domains = Map.groupBy(after.nodes, ({ name }) => domainOf(key, name, level))
          const most = Math.max(1, ...[...domains.values()].map((all) => all.length))
          sizes.set(`${key} ${level}`, Math.max(most, sizes.get(`${key} ${level}`) ?? 1))
        }
      }
    },
  }
}

export const siteOf = ({ provider, site }: Pick<LeaseRow, 'provider' | 'site'>): string => `${provider}/${site}`

/** What a lease holds of nodes, and as much more on each that is kept free to replace one of them. */
export function withSpares({ ranks, beside }: Pick<LeaseRow, 'ranks' | 'beside'>): LeasedRank[] {
  const [first] = ranks
  return [...ranks, ...(beside?.spares ?? []).flatMap((node) => (first ? [{ ...first, node }] : []))]
}
