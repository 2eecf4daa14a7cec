import type { LiveLease } from '#model/live-lease.ts'
import type { Decision } from '#model/plan.ts'

import type { PlaceInput } from './place.ts'

/** The leases that still occupy something when the decisions are carried out, and the nodes that are kept beside them. */
export function leasesAfter(leases: readonly LiveLease[], decisions: readonly Decision[]): LiveLease[] {
  return leases.flatMap((lease) => {
    const decision = decisionFor(lease, decisions)
    if (!decision?.repair) return [lease]
    if (decision.placement) return []
    const others = new Map(decision.repair.replaced.map(({ from, to }) => [from, to]))
    const replaced = lease.ranks.map((rank) => {
      const to = others.get(rank.node ?? '')
      return to !== undefined && !lease.beside?.spares?.includes(to) ? { ...rank, node: to } : null
    })
    const ranks = replaced.filter((one) => one !== null)
    // It takes the place of what was lost, and counts against no quota a second time.
    return [lease, { ...lease, id: `${lease.id} beside`, project: '', beside: null, ranks }]
  })
}

const decisionFor = ({ workload, keptFor }: LiveLease, decisions: readonly Decision[]): Decision | undefined =>
  keptFor ? decisions.find((one) => one.workload === workload && one.replica === keptFor.replica) : undefined

/**
 * Who comes back does so to the nodes that it had, each rank to its own but for those on nodes that were lost or cannot
 * be used; and not before all that ran there has ended. Who does not come back leaves its nodes to others.
 */
export function* repairsHold({ snapshot }: PlaceInput, decisions: readonly Decision[]): Iterable<string> {
  const kept = snapshot.leases.filter(({ keptFor }) => keptFor)
  for (const { workload, replica, repair, placement, lets } of decisions) {
    const name = `${workload}/${replica}`
    const lease = kept.find((one) => one.workload === workload && one.keptFor?.replica === replica)
    if (lease && !repair && (placement || lets !== snapshotKept(snapshot, workload, replica)))
      yield `${name} neither comes back to its nodes nor leaves them`
    if (!repair) continue
    if (!lease?.keptFor) {
      yield `${name} comes back to nodes that are not kept for it`
      continue
    }
    const usable = new Set(
      snapshot.sites
        .flatMap(({ site, nodes }) =>
          site === `${lease.provider}/${lease.site}` ? (nodes ?? []).filter((one) => one.usable) : [],
        )
        .map((node) => node.name),
    )
    const { lost, isGone } = lease.keptFor
    const bad = new Set(
      lease.ranks.filter(({ rank, node = '' }) => lost.includes(rank) || !usable.has(node)).map(({ node }) => node),
    )
    const others = new Map(repair.replaced.map(({ from, to }) => [from, to]))
    if (bad.size !== others.size || [...bad].some((node) => !others.has(node ?? '')))
      yield `${name} replaces other nodes than it lost`
    if ([...others.values()].some((node) => bad.has(node) || !usable.has(node)))
      yield `${name} replaces a node by one that is lost as well`
    if (repair.kept !== lease.ranks.filter(({ node }) => !bad.has(node)).length) yield `${name} miscounts what it keeps`
    if (!placement) continue
    if (!isGone) yield `${name} starts while its last attempt is still there`
    const expected = lease.ranks.map(({ node = '' }) => others.get(node) ?? node)
    if (placement.ranks.some(({ node }, i) => node !== expected[i])) yield `${name} does not come back to its nodes`
  }
}

const snapshotKept = ({ waiting }: PlaceInput['snapshot'], workload: string, replica: number): string | undefined =>
  waiting.find((one) => one.workload.id === workload && one.replica.replica === replica)?.replica.kept?.lease
