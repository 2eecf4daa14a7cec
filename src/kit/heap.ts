/** A binary heap: takes things in any order and gives the first of them, by `before`, in logarithmic time. */
export type Heap<T> = {
  readonly size: number
  push(item: T): void
  peek(): T | undefined
  pop(): T | undefined
}

export function createHeap<T>(before: (a: T, b: T) => boolean): Heap<T> {
  const items: T[] = []
  const above = (a: number, b: number): boolean => {
    const [first, second] = [items[a], items[b]]
    return first !== undefined && (second === undefined || before(first, second))
  }
  const swap = (a: number, b: number): void => {
    const [first, second] = [items[a], items[b]]
    if (first !== undefined && second !== undefined) [items[a], items[b]] = [second, first]
  }
  return {
    get size() {
      return items.length
    },
    peek: () => items[0],
    push(item) {
      items.push(item)
      for (let at = items.length - 1; at > 0;) {
        const parent = (at - 1) >> 1
        if (!above(at, parent)) break
        swap(at, parent)
        at = parent
      }
    },
    pop() {
      swap(0, items.length - 1)
      const first = items.pop()
      for (let at = 0; ;) {
        const child = above(2 * at + 2, 2 * at + 1) ? 2 * at + 2 : 2 * at + 1
        if (child >= items.length || !above(child, at)) break
        swap(at, child)
        at = child
      }
      return first
    },
  }
}
