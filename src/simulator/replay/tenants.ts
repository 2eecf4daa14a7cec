/**
 * Who is on each node, by number, in the order of arrival but for the last one taking the place of who leaves. Most nodes
 * have one gang on them, and gangs have thousands of nodes: so one number is all that is kept of such a node.
 */
export class Tenants {
  /** 0 where nobody is, one more than the number of who is there alone, or `several`. */
  readonly #alone: Int32Array
  readonly #together = new Map<number, number[]>()

  constructor(nodes: number) {
    this.#alone = new Int32Array(nodes)
  }

  add(node: number, tenant: number): void {
    const there = this.#alone[node] ?? 0
    if (there === 0) this.#alone[node] = tenant + 1
    else if (there !== several) {
      this.#together.set(node, [there - 1, tenant])
      this.#alone[node] = several
    } else this.#together.get(node)?.push(tenant)
  }

  /** False where it was not there. */
  remove(node: number, tenant: number): boolean {
    if (this.#alone[node] === tenant + 1) {
      this.#alone[node] = 0
      return true
    }
    const list = this.#together.get(node) ?? []
    const at = list.lastIndexOf(tenant)
    const last = at < 0 ? undefined : list.pop()
    if (last === undefined) return false
    if (at < list.length) list[at] = last
    if (list.length === 1) {
      this.#alone[node] = (list[0] ?? 0) + 1
      this.#together.delete(node)
    }
    return true
  }

  /** The last one there, or -1. */
  last(node: number): number {
    const there = this.#alone[node] ?? 0
    return there === several ? (this.#together.get(node)?.at(-1) ?? -1) : there - 1
  }
}

const several = -1
