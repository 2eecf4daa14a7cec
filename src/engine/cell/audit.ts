import type { GangRequest } from './ask.ts'
import type { CellPlan, NodeClass } from './cell.ts'
import type { RankSize } from './sizes.ts'

/**
 * The checker of a cell that runs beside it: an account of its own of who is on each node, from the plan and from what
 * was decided alone. It shares no code with the cell, and looks once at each node of a gang, so that it can run where
 * a check from scratch of all that is held would take too long. It knows nothing of nodes that others use or that may not
 * be used, and does not judge balance, or shares of an accelerator.
 */
export type Audit = {
  /** What is wrong with a decision, or null. It counts from then on, right or wrong. */
  taken(gang: number, request: GangRequest, at: Stand): string | null
  released(gang: number): string | null
}

type Stand = { ranks: readonly number[]; spares: readonly number[] }
type Taken = Stand & { request: GangRequest }

type Account = {
  plan: CellPlan
  /** For each level from the nodes up: the domain of each node, and whose alone each domain is (gang + 1). */
  domains: Int32Array[]
  alone: Int32Array[]
  /** How many domains of each level somebody has alone. */
  closed: Int32Array
  /** Four amounts a class. */
  has: Float64Array
  /** Ranks on each node; four amounts of it that are used; and 1 where somebody has all of it. */
  guests: Int32Array
  used: Float64Array
  whole: Uint8Array
  held: Held
}

/** Tens of millions of single ranks may be held, so that these are two numbers each: their node and their request. */
type Held = {
  gangs: Map<number, Taken>
  /** By gang, the node plus 1; 0 where none is held. */
  singles: Int32Array
  requestOf: Uint16Array
  requests: GangRequest[]
  kinds: Map<GangRequest, number>
}

export function createAudit(plan: CellPlan): Audit {
  const nodes = plan.classOf.length
  const domains = domainsOf(plan)
  const account: Account = {
    plan,
    domains,
    alone: domains.map((domainOf) => new Int32Array((domainOf.at(-1) ?? -1) + 1)),
    closed: new Int32Array(domains.length),
    has: Float64Array.from(plan.classes.flatMap(amountsOf)),
    guests: new Int32Array(nodes),
    used: new Float64Array(4 * nodes),
    whole: new Uint8Array(nodes),
    held: {
      gangs: new Map(),
      singles: new Int32Array(1024),
      requestOf: new Uint16Array(1024),
      requests: [],
      kinds: new Map(),
    },
  }
  return {
    taken(gang, request, { ranks, spares }) {
      const taken = { request, ranks, spares }
      const wrong = find(account.held, gang) ? `there are two gangs ${gang}` : objectionTo(account, taken)
      keep(account.held, gang, taken)
      const over = enter(account, gang, { ...taken, sign: 1 })
      return wrong ?? over
    },
    released(gang) {
      const taken = find(account.held, gang)
      if (!taken) return `nobody holds gang ${gang}`
      enter(account, gang, { ...taken, sign: -1 })
      if (!account.held.gangs.delete(gang)) account.held.singles[gang] = 0
      return null
    },
  }
}

function find({ gangs, singles, requestOf, requests }: Held, gang: number): Taken | undefined {
  const node = (singles[gang] ?? 0) - 1
  const request = requests[requestOf[gang] ?? 0]
  return node === -1 || !request ? gangs.get(gang) : { request, ranks: [node], spares: [] }
}

/** As many as a number of two bytes tells apart; single ranks of further kinds are kept as gangs. */
const kindsAtMost = 65_536

function keep(held: Held, gang: number, taken: Taken): void {
  const { request, ranks, spares } = taken
  const kind = held.kinds.get(request) ?? held.requests.length
  const isSingle = ranks.length === 1 && spares.length === 0 && kind < kindsAtMost
  if (!isSingle) return void held.gangs.set(gang, taken)
  while (gang >= held.singles.length) {
    held.singles = grown(held.singles)
    held.requestOf = grown(held.requestOf)
  }
  held.singles[gang] = (ranks[0] ?? 0) + 1
  held.requestOf[gang] = kind
  held.requests[kind] = request
  held.kinds.set(request, kind)
}

function grown<T extends Int32Array | Uint16Array>(full: T): T {
  const larger = full instanceof Int32Array ? new Int32Array(2 * full.length) : new Uint16Array(2 * full.length)
  larger.set(full)
  return larger as T // the same kind as it was
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
function objectionTo({ domains, alone, closed, guests }: Account, { request, ranks, spares }: Taken): string | null {
  const { roles, within, slices, spread, exclusive, spares: kept } = request
  if (ranks.length !== roles.reduce((sum, role) => sum + role.ranks, 0)) return 'the gang is not whole'
  const isNode = (node: number) => domains[0]?.[node] === node
  if (!ranks.every(isNode) || !spares.every(isNode)) return 'a node is not of this cell'
  for (let level = 0; level < domains.length; level++) {
    if (closed[level] === 0 && level !== exclusive) continue
    for (const node of ranks) {
      const domain = domains[level]?.[node] ?? 0
      if (alone[level]?.[domain] !== 0) return `node ${node} is in a domain that somebody else has alone`
      if (level === exclusive && isUsed(domains[level], guests, node))
        return `node ${node} is in a domain that others use`
    }
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

/** Whether somebody is in the domain of a node: its nodes stand side by side. */
function isUsed(domainOf: Int32Array | undefined, guests: Int32Array, node: number): boolean {
  let first = node
  while (domainOf?.[first - 1] === domainOf?.[node]) first--
  for (let at = first; domainOf?.[at] === domainOf?.[node]; at++) if (guests[at] !== 0) return true
  return false
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
function enter(
  account: Account,
  gang: number,
  { request, ranks, spares, sign }: Taken & { sign: 1 | -1 },
): string | null {
  let wrong: string | null = null
  let at = 0
  for (const { size, ranks: count } of request.roles) {
    wrong = putEach(account, { nodes: ranks, first: at, end: at + count, size, sign }) ?? wrong
    at += count
  }
  const [first] = request.roles
  if (first && spares.length > 0)
    wrong = putEach(account, { nodes: spares, first: 0, end: spares.length, size: first.size, sign }) ?? wrong
  const level = request.exclusive
  if (level !== undefined)
    for (const node of [...ranks, ...spares]) {
      const [domain, alone] = [account.domains[level]?.[node] ?? 0, account.alone[level]]
      if (!alone || alone[domain] === (sign === 1 ? gang + 1 : 0)) continue
      alone[domain] = sign === 1 ? gang + 1 : 0
      account.closed[level] = (account.closed[level] ?? 0) + sign
    }
  return wrong
}

type Put = { nodes: readonly number[]; first: number; end: number; size: RankSize; sign: 1 | -1 }

function putEach(account: Account, { nodes, first, end, size, sign }: Put): string | null {
  const { plan, guests, used, whole, has } = account
  const wants = Int32Array.from(amountsOf(size))
  const mayBe = plan.classes.map((nodeClass) => (size.allows ?? anyNode)(nodeClass))
  let wrong: string | null = null
  for (let at = first; at < end; at++) {
    const node = nodes[at] ?? 0
    const nodeClass = plan.classOf[node] ?? 0
    guests[node] = (guests[node] ?? 0) + sign
    if (size.whole) whole[node] = sign === 1 ? 1 : 0
    let isOver = whole[node] === 1 && (guests[node] ?? 0) > 1
    for (let i = 0; i < 4; i++) {
      const now = (used[4 * node + i] ?? 0) + sign * (wants[i] ?? 0)
      used[4 * node + i] = now
      isOver ||= now > (has[4 * nodeClass + i] ?? 0)
    }
    if (mayBe[nodeClass] !== true) wrong = `node ${node} is not of a kind that may be used`
    else if (isOver) wrong = `node ${node} is used twice`
  }
  return wrong
}
