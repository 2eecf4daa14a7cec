/**
 * Quotas of projects in a tree. A project has its nominal quota, may borrow what others of its tree leave unused (up to
 * its borrowing limit), and keeps back from them what is above its lending limit. The rules are those of hierarchical
 * cohorts in Kueue (KEP-79, v0.19), so that quotas can be carried over as they are:
 *
 * - what a project keeps back (`kept`) is its quota less what it lends; nobody else can use it;
 * - the rest of its quota lies with its parent, where all children draw from it;
 * - use fills what is kept first, and only what is above counts at the parent.
 *
 * A resource that nobody in a tree has a quota for is not limited there. All amounts are integers.
 */
export type QuotaNode = {
  name: string
  parent: string | null
  /** By resource; what is absent is none of its own (it may borrow). */
  nominal: Amounts
  /** The most that it may use above its nominal quota; what is absent is not limited. */
  borrowing: Amounts
  /** The most of its nominal quota that others may use; what is absent is not limited. */
  lending: Amounts
}

export type Amounts = Readonly<Record<string, number>>

export function negative(amounts: Amounts): Amounts {
  const less: Record<string, number> = {}
  for (const resource of Object.keys(amounts)) less[resource] = -(amounts[resource] ?? 0)
  return less
}

/** Where a request did not fit: the node whose limit binds, and what is left there for the one who asked. */
export type Shortage = { resource: string; at: string; limit: 'quota' | 'borrowing'; free: number }

export type QuotaTree = {
  /** What `name` may still take of a resource, all limits on the way up kept; Infinity where nothing limits it. */
  available: (name: string, resource: string) => number
  /** … and could take if nothing of the tree were in use. */
  potential: (name: string, resource: string) => number
  /** What stands against taking all of `amounts` now, or null. */
  shortage: (name: string, amounts: Amounts) => Shortage | null
  /** Whether anything is limited in its tree. */
  isLimited: (name: string) => boolean
  add: (name: string, amounts: Amounts) => void
  remove: (name: string, amounts: Amounts) => void
  used: (name: string, resource: string) => number
  /** How much above its own quota a node is; 0 where it borrows nothing. */
  borrowed: (name: string, resource: string) => number
  /** Whether it would use more than its own if it took all of `amounts`. */
  wouldBorrow: (name: string, amounts: Amounts) => boolean
}

type Row = { name: string; parent: Row | null; children: Row[]; of: Map<string, Account> }

/** One node's account of one resource. */
type Account = { borrowing: number; subtree: number; kept: number; used: number }

/** Throws when a parent is unknown or a node is its own ancestor: whoever writes projects has to refuse that first. */
export function createQuotaTree(nodes: readonly QuotaNode[]): QuotaTree {
  const rows = rowsOf(nodes)
  const rowOf = (name: string): Row => {
    const row = rows.get(name)
    if (!row) throw new Error(`There is no project ${name} in this tree of quotas.`)
    return row
  }
  const account = (name: string, resource: string): Account | undefined => rowOf(name).of.get(resource)
  return {
    available: (name, resource) => tightest(rowOf(name), resource, usedNow).free,
    potential: (name, resource) => tightest(rowOf(name), resource, () => 0).free,
    shortage(name, amounts) {
      const row = rowOf(name)
      if (row.of.size === 0) return null
      for (const [resource, amount] of Object.entries(amounts)) {
        if (amount === 0) continue
        const found = tightest(row, resource, usedNow)
        if (found.free < amount)
          return { resource, at: found.at.name, limit: found.limit, free: Math.max(0, found.free) }
      }
      return null
    },
    isLimited: (name) => rowOf(name).of.size > 0,
    add: (name, amounts) => change(rowOf(name), amounts, add),
    remove: (name, amounts) => change(rowOf(name), amounts, remove),
    used: (name, resource) => account(name, resource)?.used ?? 0,
    wouldBorrow(name, amounts) {
      const { of } = rowOf(name)
      if (of.size === 0) return false
      return Object.entries(amounts).some(([resource, amount]) => {
        const found = of.get(resource)
        return found !== undefined && amount > 0 && found.used + amount > found.subtree
      })
    },
    borrowed(name, resource) {
      const found = account(name, resource)
      return found ? Math.max(0, found.used - found.subtree) : 0
    },
  }
}

function change(row: Row, amounts: Amounts, by: (row: Row, resource: string, amount: number) => void): void {
  if (row.of.size === 0) return
  for (const [resource, amount] of Object.entries(amounts)) if (amount > 0) by(row, resource, amount)
}

function rowsOf(nodes: readonly QuotaNode[]): Map<string, Row> {
  const rows = new Map(
    nodes.map(({ name }): [string, Row] => [name, { name, parent: null, children: [], of: new Map() }]),
  )
  for (const { name, parent } of nodes) {
    const [row, above] = [rows.get(name), parent === null ? null : rows.get(parent)]
    if (!row || above === undefined) throw new Error(`Project ${name} has the parent ${parent}, which does not exist.`)
    row.parent = above
    above?.children.push(row)
  }
  const byName = new Map(nodes.map((node) => [node.name, node]))
  const roots = [...rows.values()].filter(({ parent }) => parent === null)
  const reached = roots.map((root) => open(root, byName)).reduce((sum, count) => sum + count, 0)
  if (reached < rows.size) throw new Error('A project is its own ancestor.')
  return rows
}

/** Opens the accounts of a tree, of those resources that somebody in it has a quota for; tells how many nodes it has. */
function open(root: Row, nodes: ReadonlyMap<string, QuotaNode>): number {
  const tree = [root]
  for (const row of tree) tree.push(...row.children)
  const resources = new Set(tree.flatMap(({ name }) => Object.keys(nodes.get(name)?.nominal ?? {})))
  // From the leaves up: a node's quota includes what its children lend.
  for (const row of tree.toReversed())
    for (const resource of resources) {
      const node = nodes.get(row.name)
      const own = node?.nominal[resource] ?? 0
      const lent = row.children.reduce((sum, child) => sum + lentBy(child, resource), 0)
      const lending = node?.lending[resource] ?? Infinity
      const subtree = own + lent
      row.of.set(resource, {
        borrowing: node?.borrowing[resource] ?? Infinity,
        subtree,
        kept: row.parent ? Math.max(0, subtree - lending) : 0,
        used: 0,
      })
    }
  return tree.length
}

function lentBy(row: Row, resource: string): number {
  const account = row.of.get(resource)
  return account ? account.subtree - account.kept : 0
}

const usedNow = (account: Account): number => account.used

/** The least that any limit on the way up leaves, and whose it is. */
function tightest(
  row: Row,
  resource: string,
  used: (account: Account) => number,
): { free: number; at: Row; limit: Shortage['limit'] } {
  const account = row.of.get(resource)
  if (!account) return { free: Infinity, at: row, limit: 'quota' }
  if (!row.parent) return { free: account.subtree - used(account), at: row, limit: 'quota' }
  const local = Math.max(0, account.kept - used(account))
  const above = tightest(row.parent, resource, used)
  const atParent = Math.max(0, used(account) - account.kept)
  const mayTake = account.subtree - account.kept - atParent + account.borrowing
  return mayTake < above.free
    ? { free: local + mayTake, at: row, limit: 'borrowing' }
    : { free: local + above.free, at: above.at, limit: above.limit }
}

function add(row: Row, resource: string, amount: number): void {
  const account = row.of.get(resource)
  if (!account) return
  const local = Math.max(0, account.kept - account.used)
  account.used += amount
  if (row.parent && amount > local) add(row.parent, resource, amount - local)
}

function remove(row: Row, resource: string, amount: number): void {
  const account = row.of.get(resource)
  if (!account) return
  const atParent = Math.max(0, account.used - account.kept)
  account.used -= amount
  if (row.parent && atParent > 0) remove(row.parent, resource, Math.min(amount, atParent))
}
