import type { Held } from './request.ts'

/** Who runs: all, those of each cell, and those of each tree of quotas. */
export class Holders {
  readonly #all = new Map<string, Held>()
  readonly #inCell: readonly Set<Held>[]
  readonly #underRoot = new Map<string, Set<Held>>()
  readonly #rootOf: (project: string) => string

  constructor(cells: number, rootOf: (project: string) => string) {
    this.#inCell = Array.from({ length: cells }, () => new Set())
    this.#rootOf = rootOf
  }

  get(id: string): Held | undefined {
    return this.#all.get(id)
  }

  add(held: Held): void {
    const root = this.#rootOf(held.request.want.project)
    const same = this.#underRoot.get(root) ?? new Set()
    this.#underRoot.set(root, same.add(held))
    this.#inCell[held.way.cell]?.add(held)
    this.#all.set(held.request.id, held)
  }

  remove(held: Held): void {
    this.#underRoot.get(this.#rootOf(held.request.want.project))?.delete(held)
    this.#inCell[held.way.cell]?.delete(held)
    this.#all.delete(held.request.id)
  }

  /** Those in a cell or under a root, where there is one. */
  of(cell: number, root: string | null): Held[] {
    const found = [...(this.#inCell[cell] ?? [])]
    if (root === null) return found
    for (const held of this.#underRoot.get(root) ?? []) if (held.way.cell !== cell) found.push(held)
    return found
  }
}
