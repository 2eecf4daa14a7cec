import type { Topology } from '#model/spec/topology.ts'
import type { Invariant, Seen } from './invariant.ts'
import type { LeaseRow } from './tables.ts'

type Level = 'node' | 'nvlink' | 'block' | 'site'

/** Where nodes have names, a gang that is placed stands as its spec asks: written down here anew, apart from the engine. */
export function gangsStandAsAsked(): Invariant {
  // A node that is told of no more stood where it was told to stand.
  const paths = new Map<string, readonly string[]>()
  return {
    name: 'gangs stand in the domains that they ask for',
    rule: 5,
    when: 'always',
    check({ changes, tables }) {
      for (const { key, after } of changes.sites)
        for (const { name, path } of after?.nodes ?? []) paths.set(`${key} ${name}`, path)
      return changes.leases.flatMap(({ before, after }) => {
        const topology = after && before === null ? topologyOf(after, tables) : undefined
        if (!after || !topology) return []
        return broken(topology, (level) => domainsOf(after, level, paths)).map((what) => `lease ${after.id}: ${what}`)
      })
    },
  }
}

const topologyOf = ({ workload }: LeaseRow, { workloads }: Seen['tables']): Topology | undefined =>
  workloads.get(workload)?.spec.topology

/** The domain of each rank at a level, the nvlink being the first of a path. */
function domainsOf(
  { provider, site, ranks }: LeaseRow,
  level: Level,
  paths: ReadonlyMap<string, readonly string[]>,
): string[] {
  return ranks.map(({ node = '' }) => {
    const [nvlink = node, block = nvlink] = paths.get(`${provider}/${site} ${node}`) ?? []
    return { node, nvlink, block, site }[level]
  })
}

function broken({ within, required, slices, spread }: Topology, at: (level: Level) => string[]): string[] {
  const isApart = required && new Set(at(within)).size > 1
  const apart = slices
    ? at(slices.within).filter((domain, rank, all) => domain !== all[rank - (rank % slices.ranks)])
    : []
  const crowds = spread ? [...Map.groupBy(at(spread.within), (domain) => domain).values()] : []
  const most = Math.max(0, ...crowds.map((ranks) => ranks.length))
  return [
    ...(isApart ? [`its ranks are in more than one ${within}: ${at(within)}`] : []),
    ...(slices && apart.length > 0 ? [`a slice of ${slices.ranks} is in more than one ${slices.within}`] : []),
    ...(spread && most > spread.most ? [`${most} of its ranks are in one ${spread.within}`] : []),
  ]
}
