import { grown } from './grown.ts'
import { slotsOf } from './nodes.ts'
import { ancestorOf, domainAt } from './tree.ts'

import type { Ask } from './ask.ts'

/**
 * Chooses the spare ranks of a gang whose nodes are chosen but not taken yet: so many in each domain of their level that
 * it uses, the first that have room beside its ranks. Writes them behind the ranks and tells how many there are.
 */
export function chooseSpares(ask: Ask): number {
  const { cell, ranks, rules } = ask
  let [count, rank] = [0, 0]
  while (rank < ranks) {
    const domain = domainAt(cell.tree, cell.chosen[rank] ?? 0, rules.spareLevel)
    const end = cell.tree.nodes[rules.spareLevel]?.[domain + 1] ?? 0
    let left = rules.spares
    for (let node = cell.tree.nodes[rules.spareLevel]?.[domain] ?? 0; node < end; node++) {
      let used = 0
      while (rank < ranks && cell.chosen[rank] === node) {
        used++
        rank++
      }
      if (left === 0 || !mayEnter(ask, node)) continue
      const room = Math.min(left, slotsOf(cell, node, ask.size) - used)
      while (cell.chosen.length < ranks + count + room) cell.chosen = grown(cell.chosen)
      cell.chosen.fill(node, ranks + count, ranks + count + room)
      count += room
      left -= room
    }
  }
  return count
}

/** Spare ranks, too, keep out of domains that somebody else uses, where the gang wants its own. */
function mayEnter({ form, rules }: Ask, node: number): boolean {
  const to = rules.exclusiveLevel
  if (to < 0) return true
  return form.layers[to]?.busy[ancestorOf(form.cell.tree, node, { level: 0, to })] === 0
}
