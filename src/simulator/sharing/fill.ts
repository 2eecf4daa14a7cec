import { askOf, type Ask } from '#engine/cell/ask.ts'
import { createCell, type Cell, type NodeClass } from '#engine/cell/cell.ts'
import { findMove, makeMove } from '#engine/cell/repack.ts'
import { beginSharing, type RankSize } from '#engine/cell/sizes.ts'
import { take } from '#engine/cell/take.ts'
import type { Judge } from '#engine/sharing/judge.ts'
import type { SharedNode, SharedTask } from '#simulator/traces/openb.ts'

/** What became of the arrivals: GPU in thousandths. */
export type Filled = {
  totalMilli: number
  allocatedMilli: number
  /** What was allocated when the GPUs asked for had reached those that there are. */
  allocatedAtFullDemandMilli: number
  refused: number
  moves: number
}

/** A cell of nodes in the order in which they are given, with nothing above them, that shares its accelerators. */
export function sharedCell(nodes: readonly SharedNode[], judge?: Judge): Cell {
  const classes = new Map<string, { number: number; nodeClass: NodeClass }>()
  const classOf = nodes.map(({ gpus, cpuMilli, memoryMiB, model }) => {
    const key = `${gpus} ${cpuMilli} ${memoryMiB} ${model}`
    const nodeClass = { shape: key, accelerator: model, accelerators: gpus, cpuMilli, memoryMiB, diskMiB: 0 }
    const known = classes.get(key) ?? { number: classes.size, nodeClass }
    classes.set(key, known)
    return known.number
  })
  const cell = createCell({ classes: Array.from(classes.values(), (each) => each.nodeClass), classOf, domains: [] })
  beginSharing(cell, judge)
  return cell
}

/** Puts arrivals into a cell, one after another; nothing ends. What has no room when it comes is refused for good. */
export function fill(cell: Cell, arrivals: readonly SharedTask[], { moves = 0 } = {}): Filled {
  const totalMilli = 1000 * cell.classOf.reduce((sum, c) => sum + (cell.classes[c]?.accelerators ?? 0), 0)
  const filled: Filled = { totalMilli, allocatedMilli: 0, allocatedAtFullDemandMilli: 0, refused: 0, moves: 0 }
  const asks = new Map<string, Ask>()
  const standing = new Set<number>()
  /** Those whom no move can help: nothing ends, so that asking again is in vain. */
  const hopeless = new Set<Ask>()
  let askedMilli = 0
  for (const task of arrivals) {
    const key = JSON.stringify(task)
    const ask = asks.get(key) ?? askOf(cell, { roles: [{ size: sizeOfTask(task), ranks: 1 }] })
    asks.set(key, ask)
    askedMilli += task.gpus * task.milli
    let gang = take(cell, ask)
    if (gang < 0 && task.gpus > 0 && filled.moves < moves && !hopeless.has(ask)) {
      const move = findMove(cell, standing, ask)
      if (move) gang = makeMove(cell, move, ask)
      if (gang >= 0) filled.moves++
    }
    if (gang < 0) {
      hopeless.add(ask)
      filled.refused++
      continue
    }
    standing.add(gang)
    filled.allocatedMilli += task.gpus * task.milli
    if (askedMilli <= totalMilli) filled.allocatedAtFullDemandMilli = filled.allocatedMilli
  }
  return filled
}

/** What a pod takes of one node. */
export function sizeOfTask({ gpus, milli, cpuMilli, memoryMiB, models }: SharedTask): RankSize {
  const allows = models && ((nodeClass: NodeClass) => models.includes(nodeClass.accelerator ?? ''))
  const isFraction = gpus === 1 && milli < 1000
  return { cpuMilli, memoryMiB, allows, ...(isFraction ? { share: milli } : { accelerators: gpus }) }
}
