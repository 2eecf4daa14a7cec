import { createHeap, type Heap } from '#kit/heap.ts'

import type { Shares } from './share.ts'

/** What counts before shares: elders go first, then who borrows least (0, 1, 2), then the highest priority. */
export type Class = { isElder: boolean; borrows: number; priority: number }

/** A project or a group of them, with the share that it had when it was put where it stands among its like. */
type Branch<T> = { name: string; share: number; own: T | null; parts: Heap<Branch<T>>; of: Map<string, Branch<T>> }
type Trunk<T> = { class: Class; root: Branch<T> }

/**
 * Things of projects in order: by class, then down the tree of projects, at each node the part with the smaller share
 * first, equal ones by name, and what is of a node itself before its parts. One start changes the shares of the project and
 * of all that it is in: so a tree of heaps, in which that moves one branch at each node, where a list of projects would
 * put all of a group anew.
 *
 * Shares only grow while it is used. So the first of a heap stands right once its share is the one that it has now, and
 * nobody else is looked at.
 */
export class Standings<T extends object> {
  readonly #shares: Shares
  readonly #now: number
  /** In order. */
  readonly #trunks: Trunk<T>[] = []
  readonly #where = new Map<T, Class & { branch: Branch<T> }>()

  constructor(shares: Shares, now: number) {
    this.#shares = shares
    this.#now = now
  }

  /** Puts one where it stands now; `project` is null for who stands beside the tree. */
  put(one: T, { isElder, borrows, priority }: Class, project: string | null): void {
    const at = this.#where.get(one)
    if (at?.isElder === isElder && at.borrows === borrows && at.priority === priority) return
    let branch = this.#trunkOf({ isElder, borrows, priority }).root
    const path = project === null ? [] : this.#shares.path(project, this.#now)
    for (const { name, share } of path) branch = partOf(branch, name, share)
    branch.own = one
    this.#where.set(one, { isElder, borrows, priority, branch })
  }

  remove(one: T): void {
    this.#where.delete(one)
  }

  first(): T | null {
    for (let trunk = this.#trunks[0]; trunk; trunk = this.#trunks[0]) {
      const found = this.#firstOf(trunk.root)
      if (found) return found
      this.#trunks.shift()
    }
    return null
  }

  #firstOf(branch: Branch<T>): T | null {
    const { own, parts, of } = branch
    if (own && this.#where.get(own)?.branch === branch) return own
    branch.own = null
    for (let part = parts.peek(); part; part = parts.peek()) {
      const share = this.#shares.share(part.name, this.#now)
      const found = share === part.share ? this.#firstOf(part) : null
      if (found) return found
      parts.pop()
      if (share === part.share) of.delete(part.name)
      else {
        part.share = share
        parts.push(part)
      }
    }
    return null
  }

  #trunkOf(own: Class): Trunk<T> {
    const place = this.#trunks.findIndex((trunk) => compareClasses(own, trunk.class) <= 0)
    const known = this.#trunks[place]
    if (known && compareClasses(own, known.class) === 0) return known
    const trunk = { class: own, root: aBranch<T>('', 0) }
    this.#trunks.splice(place === -1 ? this.#trunks.length : place, 0, trunk)
    return trunk
  }
}

export function compareClasses(a: Class, b: Class): number {
  if (a.isElder !== b.isElder) return a.isElder ? -1 : 1
  return a.borrows - b.borrows || b.priority - a.priority
}

function partOf<T>({ parts, of }: Branch<T>, name: string, share: number): Branch<T> {
  const known = of.get(name)
  if (known) return known
  const part = aBranch<T>(name, share)
  of.set(name, part)
  parts.push(part)
  return part
}

const aBranch = <T>(name: string, share: number): Branch<T> => ({
  name,
  share,
  own: null,
  parts: createHeap((a, b) => (a.share === b.share ? a.name < b.name : a.share < b.share)),
  of: new Map(),
})
