import type { LiveLease } from '#model/live-lease.ts'
import type { Decision } from '#model/plan.ts'

import { treesOf } from './check-quota.ts'
import { byName, domainOf, withSpares } from './check-topology.ts'
import type { SiteFacts } from './facts.ts'
import type { PlaceInput } from './place.ts'

/** Of each site that decisions touch the names of the nodes that they do. */
type Touched = Map<string, Set<string>>

/**
 * The part of the facts that decisions touch: who they are about; the nodes that they give, with the domains that somebody
 * has to itself there; who holds anything of these; and all that the projects hold that take more than before, where a
 * quota or a share counts it. What the checker finds wrong with the decisions is the same in this part as in the whole, and a
 * round costs it what the round has decided, whatever the size of the fleet: leases and nodes are only passed over.
 */
export function touchedBy(input: PlaceInput, decisions: readonly Decision[]): PlaceInput {
  const { snapshot } = input
  const decided = new Set(decisions.map(({ workload, replica }) => `${workload}/${replica}`))
  const left = new Set(decisions.flatMap(({ preempts = [] }) => preempts.map(({ lease }) => lease)))
  const kept = snapshot.leases.filter(
    ({ workload, keptFor }) => keptFor && decided.has(`${workload}/${keptFor.replica}`),
  )
  const waiting = snapshot.waiting.filter(({ workload, replica }) => decided.has(`${workload.id}/${replica.replica}`))
  const projectOf = new Map(waiting.map(({ workload }) => [workload.id, workload.project]))
  const takes = new Set(decisions.flatMap(({ workload, placement }) => (placement && projectOf.get(workload)) ?? []))
  const { counted, inDomains } = countedFor(input, takes)

  const touched = nodesOf(input, decisions, kept)
  // Of a domain as a unit of quota the size is asked, which all nodes of the site tell.
  const whole = new Set(snapshot.leases.flatMap((lease) => (inDomains.has(lease.project) ? [siteOf(lease)] : [])))
  if (inDomains.size > 0) for (const site of touched.keys()) whole.add(site)
  const given = new Set(snapshot.sites.flatMap(({ site, nodes }) => (nodes ? [] : [site])))
  const isHeld = (lease: LiveLease): boolean => {
    const names = touched.get(siteOf(lease))
    return (
      names !== undefined && (given.has(siteOf(lease)) || withSpares(lease).some(({ node }) => names.has(node ?? '')))
    )
  }
  const isKept = new Set(kept)
  return {
    ...input,
    snapshot: {
      ...snapshot,
      waiting,
      leases: snapshot.leases.filter(
        (lease) => counted.has(lease.project) || left.has(lease.id) || isKept.has(lease) || isHeld(lease),
      ),
      sites: snapshot.sites.map((site) => {
        if (!site.nodes || whole.has(site.site)) return site
        const names = touched.get(site.site)
        return { ...site, nodes: names ? site.nodes.filter(({ name }) => names.has(name)) : [] }
      }),
    },
  }
}

const siteOf = ({ provider, site }: { provider: string; site: string }): string => `${provider}/${site}`

/** The projects whose leases count for those who take something, and those of them that are counted in domains. */
function countedFor({ snapshot, defaults }: PlaceInput, takes: ReadonlySet<string>) {
  const counted = new Set<string>()
  const inDomains = new Set<string>()
  for (const tree of treesOf(snapshot.projects)) {
    if (!tree.some(({ name }) => takes.has(name))) continue
    const isLimited = tree.some(({ quota }) => Object.values(quota).some((limit) => limit !== undefined))
    const hasDomains = tree.some(({ quota }) => quota.domains !== undefined)
    for (const { name, policy } of tree) {
      const hasShare = (policy.maxProviderShare ?? defaults?.maxProviderShare ?? 1) < 1
      if (isLimited || (hasShare && takes.has(name))) counted.add(name)
      if (hasDomains) inDomains.add(name)
    }
  }
  return { counted, inDomains }
}

/** The nodes that decisions give, at each site where they do, and those that somebody has to itself there. */
function nodesOf({ snapshot }: PlaceInput, decisions: readonly Decision[], kept: readonly LiveLease[]): Touched {
  const touched: Touched = new Map()
  const touch = (place: { provider: string; site: string }, names: readonly (string | undefined)[]): void => {
    const known = touched.get(siteOf(place)) ?? new Set()
    for (const name of names) if (name !== undefined) known.add(name)
    touched.set(siteOf(place), known)
  }
  for (const { placement } of decisions)
    if (placement)
      touch(
        placement,
        withSpares(placement).map(({ node }) => node),
      )
  for (const lease of kept) {
    const replaced = decisions.flatMap(
      ({ workload, repair }) => (workload === lease.workload && repair?.replaced) || [],
    )
    touch(lease, [...lease.ranks.map(({ node }) => node), ...replaced.map(({ to }) => to)])
  }
  const sites = new Map(snapshot.sites.map((site) => [site.site, site]))
  for (const { placement } of decisions) {
    const nodes = placement && sites.get(siteOf(placement))?.nodes
    if (nodes && placement.beside?.exclusive) touch(placement, namesAround(nodes, placement))
  }
  for (const lease of snapshot.leases)
    if (lease.beside?.exclusive && touched.has(siteOf(lease)))
      touch(
        lease,
        lease.ranks.map(({ node }) => node),
      )
  return touched
}

/** All nodes of the domains that a gang has to itself. */
function namesAround(
  all: NonNullable<SiteFacts['nodes']>,
  { ranks, beside }: NonNullable<Decision['placement']>,
): string[] {
  const level = beside?.exclusive ?? 'node'
  const nodes = byName(all)
  const own = new Set(ranks.map(({ node }) => domainOf(nodes, node, level)))
  return [...nodes.keys()].filter((name) => own.has(domainOf(nodes, name, level)))
}
