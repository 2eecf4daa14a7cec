import type { Snapshot } from '#engine/placement/facts.ts'
import type { NodePool } from '#model/node-pool.ts'
import type { Offer } from '#model/offer.ts'
import type { Decision, Rejection } from '#model/plan.ts'
import type { Node } from '#model/site.ts'
import { siteKey } from '#model/site.ts'
import type { Resources, Shape } from '#model/resources.ts'
import { rolesOf } from '#model/spec/roles.ts'
import type { Spec } from '#model/spec/spec.ts'

/** A pool that we may ask for more, and what is wanted of it. */
export type PoolNeed = {
  provider: string
  /** The site's name at its provider. */
  site: string
  pool: NodePool
  /** Names of workloads that more of its nodes would help, the first of them first. */
  waiting: string[]
  /** Somebody waits for nodes of this kind, be they more or only free. */
  isWanted: boolean
  /** So many nodes they lack, beside those that are free. */
  lacks: number
  /** So many of its nodes nobody uses, in whole steps. */
  idle: number
}

/**
 * What is wanted of the pools that we may ask for more: for each who waits, at the closest candidate that lacks nothing but
 * nodes. `decisions` are those of a round on the same snapshot.
 */
export function poolNeeds(snapshot: Snapshot, decisions: readonly Decision[]): PoolNeed[] {
  const inUse = nodesInUse(snapshot)
  const all = snapshot.sites.flatMap(({ info, offers, nodes, reach }) =>
    reach !== 'reachable' || !nodes
      ? []
      : offers.flatMap((offer) => {
          const pool = offer.pools?.find(({ most }) => most !== undefined)
          const key = siteKey(info)
          return pool ? [grownFrom({ key, offer, pool, nodes, inUse: inUse.get(key) ?? new Set() })] : []
        }),
  )
  const specOf = new Map(snapshot.waiting.map(({ workload }) => [workload.id, workload.spec]))
  for (const { workload, placement, preempts, rejections } of decisions) {
    const spec = specOf.get(workload)
    if (placement || preempts || !spec) continue
    const foundAt = (one: Rejection) => all.find((grown) => isLackOf(one, grown))
    for (const one of rejections) {
      const grown = foundAt(one)
      if (grown) grown.need.isWanted = true
    }
    const wanted = rejections.filter(({ grows }) => grows).flatMap((one) => foundAt(one) ?? [])[0]
    if (!wanted) continue
    wanted.need.waiting.push(spec.name)
    wanted.need.lacks += take(wanted.free, nodesFor(spec, wanted.shape), isBound(spec))
  }
  return all.map(({ need }) => need)
}

type Grown = { key: string; shape: Shape; need: PoolNeed; free: Map<string, number> }

function grownFrom(of: { key: string; offer: Offer; pool: NodePool; nodes: Node[]; inUse: Set<string> }): Grown {
  const { key, offer, pool, nodes, inUse } = of
  const its = nodes.filter(({ shape }) => shape.name === offer.shape.name)
  const idle = its.filter((node) => !inUse.has(node.name) && !isOthers(node))
  const free = countBy(idle.filter(({ usable }) => usable))
  const need = {
    provider: offer.provider,
    site: offer.site,
    pool,
    waiting: [],
    isWanted: false,
    lacks: 0,
    idle: wholeSteps(its, idle, pool),
  }
  return { key, shape: offer.shape, need, free }
}

const domainOf = ({ path, name }: Node): string => path[0] ?? name

const countBy = (nodes: readonly Node[]): Map<string, number> =>
  new Map([...Map.groupBy(nodes, domainOf)].map(([domain, here]) => [domain, here.length]))

/** Where a pool grows by racks, only a rack that is idle as a whole is. */
function wholeSteps(nodes: readonly Node[], idle: readonly Node[], { step }: NodePool): number {
  if (step === 1) return idle.length
  const all = countBy(nodes)
  const whole = [...countBy(idle)].filter(([domain, count]) => count === all.get(domain)).length
  return whole * step
}

/** Daemons are on every node; work of others is known by its accelerators, where there are any. */
const isOthers = ({ shape, foreign }: Node): boolean =>
  foreign !== undefined && (shape.accelerators === 0 || foreign.accelerators > 0)

/** Nodes of each site that a lease holds, or keeps free for its gang. */
function nodesInUse({ leases }: Snapshot): Map<string, Set<string>> {
  const inUse = new Map<string, Set<string>>()
  for (const { provider, site, ranks, beside } of leases) {
    const key = siteKey({ provider, name: site })
    const its = inUse.get(key) ?? new Set()
    for (const { node } of ranks) if (node !== undefined) its.add(node)
    for (const spare of beside?.spares ?? []) its.add(spare)
    inUse.set(key, its)
  }
  return inUse
}

const isLackOf = ({ site, shape, rule }: Rejection, grown: Grown): boolean =>
  (rule === 'capacity' || rule === 'topology') && site === grown.key && shape === grown.shape.name

/** Whether all its nodes have to stand in one accelerator domain. */
const isBound = ({ topology }: Spec): boolean => topology?.within === 'nvlink' && topology.required

/** Takes nodes for a gang from those that are free, and says how many it lacks; who lacks any takes none. */
function take(free: Map<string, number>, count: number, bound: boolean): number {
  const domains = [...free].filter(([, here]) => !bound || here >= count)
  const there = domains.reduce((sum, [, here]) => sum + here, 0)
  if (there < count) return bound ? count : count - there
  let left = count
  for (const [domain, here] of domains) {
    const taken = Math.min(left, here)
    free.set(domain, here - taken)
    left -= taken
  }
  return 0
}

/** Whether a pool can have all nodes of a gang one day. No rack that comes is larger than those that are there. */
export function mayHold({ target, most = 0, step }: NodePool, spec: Spec, shape: Shape): boolean {
  const nodes = nodesFor(spec, shape)
  return nodes <= Math.max(target, Math.floor(most / step) * step) && (!isBound(spec) || nodes <= step)
}

/** Whole nodes of a shape that a gang needs, its spare ones included. */
function nodesFor(spec: Spec, shape: Shape): number {
  const roles = rolesOf(spec).map(({ nodes, resources }) => Math.ceil(nodes / Math.max(1, timesIn(resources, shape))))
  return roles.reduce((sum, nodes) => sum + nodes, spec.topology?.spares?.count ?? 0)
}

/** How often what a rank asks for is in one node. */
function timesIn({ accelerators, cpuMilli, memoryMiB }: Resources, shape: Shape): number {
  const asked = [
    [accelerators[0]?.count ?? 0, shape.accelerators],
    [cpuMilli.count, shape.cpuMilli],
    [memoryMiB.count, shape.memoryMiB],
  ] as const
  return Math.min(...asked.map(([wants, has]) => (wants > 0 ? Math.floor(has / wants) : Infinity)), 10_000)
}
