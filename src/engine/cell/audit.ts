import type { GangRequest } from './ask.ts'
import type { CellPlan, NodeClass } from './cell.ts'
import type { RankSize } from './sizes.ts'

/**
 * The checker of a cell that runs beside it: an account of its own of who is on each node, from the plan and from what
 * was decided alone. It shares no code with the cell, and looks once at each node of a gang, so that it can run where
 * a check from scratch of all that is held would take too long. It knows nothing of nodes that others use or that may not
 * be used, and does not judge balance.
 */
export type Audit = {
  /** What is wrong with a decision, or null. It counts from then on, right or wrong. */
  taken(gang: number, request: GangRequest, at: Stand): string | null
  released(gang: number): string | null
}

type Stand = { ranks: readonly number[]; spares: readonly number[] }
type Taken = { request: GangRequest; ranks: readonly number[]; spares: readonly number[] }

type Account = {
  plan: CellPlan
  /** For each level from the nodes up: the domain of each node, ranks in each domain, and whose alone it is (gang + 1). */
  domains: Int32Array[]
  guests: Int32Array[]
  alone: Int32Array[]
  /** Four amounts a node; and 1 where somebody has the whole node. */
  used: Float64Array
  whole: Uint8Array
  held: Map<number, Taken>
}

export function createAudit(plan: CellPlan): Audit {
  const nodes = plan.classOf.length
  const domains = domainsOf(plan)
  const perDomain = () => domains.map((domainOf) => new Int32Array((domainOf.at(-1) ?? -1) + 1))
  const account: Account = {
    plan,
    domains,
    guests: perDomain(),
    alone: perDomain(),
    used: new Float64Array(4 * nodes),
    whole: new Uint8Array(nodes),
    held: new Map(),
  }
  return {
    taken(gang, request, { ranks, spares }) {
      const wrong = account.held.has(gang)
        ? `there are two gangs ${gang}`
        : objectionTo(account, { request, ranks, spares })
      account.held.set(gang, { request, ranks, spares })
      const over = enter(account, gang, 1)
      return wrong ?? over
    },
    released(gang) {
      if (!account.held.has(gang)) return `nobody holds gang ${gang}`
      enter(account, gang, -1)
      account.held.delete(gang)
      return null
    },
  }
}

/** Nodes of a domain stand side by side, so that a new one begins where any name changes. */
function domainsOf({ classOf, domains }: CellPlan): Int32Array[] {
  const numbered = domains.map((names, level) => {
    const looser = domains.slice(level)
    let domain = 0
    return Int32Array.from(names, (_, node) => {
      if (node > 0 && looser.some((all) => all[node] !== all[node - 1])) domain++
      return domain
    })
  })
  return [Int32Array.from({ length: classOf.length }, (_, node) => node), ...numbered, new Int32Array(classOf.length)]
}

const anyNode = (): boolean => true
const amountsOf = (of: RankSize | NodeClass): number[] => [
  of.accelerators ?? 0,
  of.cpuMilli ?? 0,
  of.memoryMiB ?? 0,
  of.diskMiB ?? 0,
]

/** What stands against a gang by its own rules and by who is there already, before it enters. */
function objectionTo({ domains, guests, alone }: Account, { request, ranks, spares }: Taken): string | null {
  const { roles, within, slices, spread, exclusive, spares: kept } = request
  if (ranks.length !== roles.reduce((sum, role) => sum + role.ranks, 0)) return 'the gang is not whole'
  const isNode = (node: number) => domains[0]?.[node] === node
  if (![...ranks, ...spares].every(isNode)) return 'a node is not of this cell'
  for (let level = 0; level < domains.length; level++)
    for (const node of ranks) {
      const domain = domains[level]?.[node] ?? 0
      if (alone[level]?.[domain] !== 0) return `node ${node} is in a domain that somebody else has alone`
      if (level === exclusive && guests[level]?.[domain] !== 0) return `node ${node} is in a domain that others use`
    }
  const count = (level: number, nodes: readonly number[]) => counted(domains[level], nodes)
  if (within && !within.preferred && count(within.level, ranks).size > 1) return 'it is not within one domain'
  if (slices && [...count(slices.level, ranks).values()].some((n) => n % slices.ranks !== 0)) return 'a slice is cut'
  if (spread && [...count(spread.level, ranks).values()].some((n) => n > spread.most)) return 'it is not spread'
  if (!kept) return spares.length > 0 ? 'it has spare ranks that it did not ask for' : null
  const [beside, used] = [count(kept.level, spares), count(kept.level, ranks)]
  const isKept = [...used.keys()].every((domain) => beside.get(domain) === kept.count)
  return isKept && beside.size === used.size ? null : 'spare ranks are missing, or not where they are wanted'
}

function counted(domainOf: Int32Array | undefined, nodes: readonly number[]): Map<number, number> {
  const counts = new Map<number, number>()
  for (const node of nodes) {
    const domain = domainOf?.[node] ?? 0
    counts.set(domain, (counts.get(domain) ?? 0) + 1)
  }
  return counts
}

/** Counts a gang in (1) or out (-1), and tells what is too much on its nodes then. */
function enter(account: Account, gang: number, sign: 1 | -1): string | null {
  const { request, ranks, spares } = account.held.get(gang) ?? { request: { roles: [] }, ranks: [], spares: [] }
  let wrong: string | null = null
  let at = 0
  for (const role of request.roles)
    for (const end = at + role.ranks; at < end; at++)
      wrong = put(account, ranks[at] ?? 0, { size: role.size, sign }) ?? wrong
  for (const node of spares) wrong = put(account, node, { size: request.roles[0]?.size ?? {}, sign }) ?? wrong
  const level = request.exclusive
  if (level !== undefined)
    for (const node of [...ranks, ...spares]) {
      const [domain, alone] = [account.domains[level]?.[node] ?? 0, account.alone[level]]
      if (alone) alone[domain] = sign === 1 ? gang + 1 : 0
    }
  return wrong
}

function put({ plan, domains, guests, used, whole }: Account, node: number, { size, sign }: Put): string | null {
  const nodeClass = plan.classes[plan.classOf[node] ?? 0]
  if (!nodeClass) return `there is no node ${node}`
  for (let level = 0; level < domains.length; level++) {
    const [domain, count] = [domains[level]?.[node] ?? 0, guests[level]]
    if (count) count[domain] = (count[domain] ?? 0) + sign
  }
  const isShared = (guests[0]?.[node] ?? 0) > 1
  if (size.whole) whole[node] = sign === 1 ? 1 : 0
  let isOver = isShared && whole[node] === 1
  const [wants, has] = [amountsOf(size), amountsOf(nodeClass)]
  for (let i = 0; i < 4; i++) {
    used[4 * node + i] = (used[4 * node + i] ?? 0) + sign * (wants[i] ?? 0)
    isOver ||= (used[4 * node + i] ?? 0) > (has[i] ?? 0)
  }
  if (!(size.allows ?? anyNode)(nodeClass)) return `node ${node} is not of a kind that may be used`
  return isOver ? `node ${node} is used twice` : null
}

type Put = { size: RankSize; sign: 1 | -1 }
