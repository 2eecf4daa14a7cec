/** A binary heap: takes things in any order and gives the first of them, by `before`, in logarithmic time. */
export type Heap<T> = {
  readonly size: number
  push(item: T): void
  peek(): T | undefined
  pop(): T | undefined
}

export const createHeap = <T>(before: (a: T, b: T) => boolean): Heap<T> => new BinaryHeap(before)

/** A class, since many heaps live only for a moment: none has functions of its own. */
class BinaryHeap<T> implements Heap<T> {
  readonly #before: (a: T, b: T) => boolean
  readonly #items: T[] = []

  constructor(before: (a: T, b: T) => boolean) {
    this.#before = before
  }

  get size(): number {
    return this.#items.length
  }

  peek(): T | undefined {
    return this.#items[0]
  }

  push(item: T): void {
    const items = this.#items
    let at = items.length
    items.push(item)
    while (at > 0) {
      const parent = (at - 1) >> 1
      const above = items[parent]
      if (above === undefined || !this.#before(item, above)) break
      items[at] = above
      at = parent
    }
    items[at] = item
  }

  pop(): T | undefined {
    const items = this.#items
    const first = items[0]
    const last = items.pop()
    if (last === undefined || items.length === 0) return first
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      let below = items[child]
      if (below === undefined) break
      const right = items[child + 1]
      if (right !== undefined && this.#before(right, below)) {
        child++
        below = right
      }
      if (!this.#before(below, last)) break
      items[at] = below
      at = child
    }
    items[at] = last
    return first
  }
}
