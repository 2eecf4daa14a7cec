import type { Share } from '#engine/sharing/nodes.ts'
import type { Kind, Pool } from '#engine/sharing/pool.ts'
import { findMove, makeMove, type Standing } from '#engine/sharing/repack.ts'

/** What became of the arrivals: GPU in thousandths. */
export type Filled = {
  totalMilli: number
  allocatedMilli: number
  /** What was allocated when the GPUs asked for had reached those that there are. */
  allocatedAtFullDemandMilli: number
  refused: number
  moves: number
}

export type FillOptions = {
  /** Told of every arrival, once. */
  arrived?: (share: Share) => Kind
  /** So many moves at most, all together, of what stands already. */
  moves?: number
}

/** Puts arrivals into a pool, one after another; nothing ends. What has no room when it comes is refused for good. */
export function fill(pool: Pool, arrivals: readonly Share[], options: FillOptions = {}): Filled {
  const { arrived = (share) => pool.kindOf(share), moves = 0 } = options
  const totalMilli = pool.nodes.freeMilli.reduce((sum, free) => sum + free, 0)
  const filled: Filled = { totalMilli, allocatedMilli: 0, allocatedAtFullDemandMilli: 0, refused: 0, moves: 0 }
  const standing = new Set<Standing>()
  /** Kinds that no move can help: nothing ends, so that asking again is in vain. */
  const hopeless = new Set<Kind>()
  let askedMilli = 0
  for (const share of arrivals) {
    const kind = arrived(share)
    const node = pool.choose(kind)
    askedMilli += share.gpus * share.milli
    if (node >= 0) standing.add({ kind, node, gpus: pool.take(kind, node) })
    else if (share.gpus > 0 && filled.moves < moves && !hopeless.has(kind) && makeRoom(pool, standing, kind))
      filled.moves++
    else {
      hopeless.add(kind)
      filled.refused++
      continue
    }
    filled.allocatedMilli += share.gpus * share.milli
    if (askedMilli <= totalMilli) filled.allocatedAtFullDemandMilli = filled.allocatedMilli
  }
  return filled
}

function makeRoom(pool: Pool, standing: Set<Standing>, kind: Kind): boolean {
  const move = findMove(pool, standing, kind)
  if (!move) return false
  standing.delete(move.standing)
  for (const stands of Object.values(makeMove(pool, move, kind))) standing.add(stands)
  return true
}
