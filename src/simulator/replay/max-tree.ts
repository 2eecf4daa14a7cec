/**
 * The greatest of any range of numbers, kept as they change: a tournament tree in one typed array. Finding the first
 * number that is large enough, and changing one, take logarithmic time. Reads never leave the array; `?? 0` only tells
 * that to the compiler, and costs nothing once the code is optimised.
 */
export type MaxTree = {
  set(index: number, value: number): void
  /** The first index, `from` or later, whose number is at least `least` (1 or more); -1 when there is none. */
  firstAtLeast(least: number, from: number): number
}

export function createMaxTree(count: number, value: number): MaxTree {
  const width = 2 ** Math.ceil(Math.log2(Math.max(1, count)))
  const tree = new Int32Array(2 * width)
  tree.fill(value, width, width + count)
  for (let at = width - 1; at > 0; at--) tree[at] = Math.max(tree[2 * at] ?? 0, tree[2 * at + 1] ?? 0)
  return {
    set(index, next) {
      let at = width + index
      tree[at] = next
      for (at >>= 1; at > 0; at >>= 1) {
        const most = Math.max(tree[2 * at] ?? 0, tree[2 * at + 1] ?? 0)
        if (tree[at] === most) return
        tree[at] = most
      }
    },
    firstAtLeast(least, from) {
      if (from >= count) return -1
      let at = width + from
      while ((tree[at] ?? 0) < least) {
        while (at & 1) at >>= 1 // up, until there is something to the right; 0 when there is nothing
        if (at === 0) return -1
        at++
      }
      while (at < width) at = (tree[2 * at] ?? 0) >= least ? 2 * at : 2 * at + 1
      return at - width
    },
  }
}
