import type { Topology } from '#model/spec/topology.ts'
import { createGround, type Ground, type Level, siteOf } from './ground.ts'
import type { Invariant, Seen } from './invariant.ts'
import type { LeaseRow } from './tables.ts'

/** Where nodes have names, a gang that is placed stands as its spec asks: written down here anew, apart from the engine. */
export function gangsStandAsAsked(): Invariant {
  const ground = createGround()
  return {
    name: 'gangs stand in the domains that they ask for',
    rule: 5,
    when: 'always',
    check({ changes, decisions, tables }) {
      ground.learn({ changes, decisions })
      return changes.leases.flatMap(({ before, after }) => {
        const topology = after && before === null ? topologyOf(after, tables) : undefined
        if (!after || !topology) return []
        return broken(topology, (level) => domainsOf(after, level, ground)).map((what) => `lease ${after.id}: ${what}`)
      })
    },
  }
}

const topologyOf = ({ workload }: LeaseRow, { workloads }: Seen['tables']): Topology | undefined =>
  workloads.get(workload)?.spec.topology

/** The domain of each rank at a level. */
const domainsOf = (lease: LeaseRow, level: Level, ground: Ground): string[] =>
  lease.ranks.map(({ node = '' }) => ground.domainOf(siteOf(lease), node, level))

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
