import type { Node } from '#model/site.ts'
import type { Decision } from './decisions.ts'
import { createGround, type Ground, siteOf, withSpares } from './ground.ts'
import type { Invariant, Seen } from './invariant.ts'
import type { LeaseRow } from './tables.ts'

/**
 * Where nodes have names, a gang has the domains to itself that it asks for, keeps the spare nodes that it asks for, and
 * stands as evenly as it asks for: by what was told of the nodes when it was placed, and written down here anew, apart
 * from the engine.
 */
export function gangsHaveWhatIsTheirs(): Invariant {
  const ground = createGround()
  return {
    name: 'gangs have to themselves what they ask for, and stand as evenly',
    rule: 5,
    when: 'always',
    check(seen) {
      ground.learn(seen)
      return seen.decisions.flatMap((decision) => {
        const told = decision.told.filter((nodes) => nodes !== null)
        const broken = told.map((nodes) => brokenAt(decision, nodes, { ground, seen }))
        // Either may be what it was decided on.
        return broken.some((some) => some.length === 0) ? [] : (broken[0] ?? [])
      })
    },
  }
}

type Judging = { ground: Ground; seen: Seen }

function brokenAt(decision: Decision, nodes: readonly Node[], judging: Judging): string[] {
  const { known } = judging.seen
  const names = new Set(nodes.map(({ name }) => name))
  const leases = decision.leases.filter(({ id }) => !known.wasLost(id))
  const placed = leases.filter(({ id }) => decision.placed.has(id))
  return [
    ...leases.flatMap((lease) => together(lease, { leases, placed: decision.placed, names, judging })),
    ...placed.flatMap((lease) => [
      ...withoutSpares(lease, judging),
      ...uneven(lease, { leases, nodes: nodes.filter(({ usable }) => usable), judging }),
    ]),
  ]
}

const topologyOf = ({ workload }: LeaseRow, { tables }: Seen) => tables.workloads.get(workload)?.spec.topology

type Beside = { leases: LeaseRow[]; placed: ReadonlySet<string>; names: ReadonlySet<string>; judging: Judging }

/** Others in a domain that a gang has to itself; of two that were there before nobody decided now. */
function together(lease: LeaseRow, { leases, placed, names, judging: { ground, seen } }: Beside): string[] {
  const level = topologyOf(lease, seen)?.exclusive
  if (!level) return []
  const domain = (node = '') => ground.domainOf(siteOf(lease), node, level)
  const own = new Set(lease.ranks.filter(({ node = '' }) => names.has(node)).map(({ node }) => domain(node)))
  return leases
    .filter((one) => one.id !== lease.id && (placed.has(one.id) || placed.has(lease.id)))
    .filter((one) => withSpares(one).some(({ node = '' }) => names.has(node) && own.has(domain(node))))
    .map((one) => `lease ${one.id} is in a ${level} that ${lease.id} has to itself`)
}

/** One that was placed before may have used some of them up. */
function withoutSpares(lease: LeaseRow, { ground, seen }: Judging): string[] {
  const asked = topologyOf(lease, seen)?.spares
  if (!asked || lease.ranks.some(({ node }) => node === undefined)) return []
  const isFirst = seen.tables.attempts.get(lease.attempt)?.number === 1
  const domain = (node = '') => ground.domainOf(siteOf(lease), node, asked.within)
  const kept = Map.groupBy(lease.beside?.spares ?? [], domain)
  const used = new Set(lease.ranks.map(({ node }) => domain(node)))
  const isKept = [...used].every((one) => {
    const count = kept.get(one)?.length ?? 0
    return isFirst ? count === asked.count : count <= asked.count
  })
  if (isKept && [...kept.keys()].every((one) => used.has(one))) return []
  return [
    `lease ${lease.id} keeps [${lease.beside?.spares}], and asks for ${asked.count} in each ${asked.within} of [${[...used]}]`,
  ]
}

type Room = { leases: LeaseRow[]; nodes: Node[]; judging: Judging }

/** That a rank could stand where there are two fewer, if nothing but room decides. */
function uneven(lease: LeaseRow, { leases, nodes, judging: { ground, seen } }: Room): string[] {
  const topology = topologyOf(lease, seen)
  const level = topology?.balanced
  if (!level || topology.slices || topology.spread || topology.exclusive || isReserved(lease, seen)) return []
  const domain = (node = '') => ground.domainOf(siteOf(lease), node, level)
  const taken = new Set(leases.flatMap(withSpares).map(({ node }) => node))
  const free = new Set(nodes.filter((node) => !taken.has(node.name) && isPlain(node)).map(({ name }) => domain(name)))
  const counts = [...Map.groupBy(lease.ranks, ({ node }) => domain(node))].map(([name, all]) => ({
    name,
    count: all.length,
  }))
  const most = Math.max(...counts.map(({ count }) => count))
  return counts
    .filter(({ name, count }) => count <= most - 2 && free.has(name))
    .map(
      ({ name, count }) =>
        `lease ${lease.id} has ${count} ranks in ${level} ${name}, which has room, and ${most} in another`,
    )
}

const isPlain = ({ taints = [] }: Node): boolean => taints.length === 0

/** What is free may be so for somebody else; or for a part of a node, or only for what has a label. */
const isReserved = ({ attempt, workload }: LeaseRow, { tables, known }: Seen): boolean =>
  tables.attempts.get(attempt)?.number !== 1 ||
  tables.workloads.get(workload)?.spec.placement.nodeLabels !== undefined ||
  known.workloads.values().some(({ refusal }) => refusal?.start !== undefined) ||
  tables.replicas.values().some(({ kept }) => kept)
