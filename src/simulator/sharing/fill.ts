import type { Share } from '#engine/sharing/nodes.ts'
import type { Kind, Pool } from '#engine/sharing/pool.ts'

/** What became of the arrivals: GPU in thousandths. */
export type Filled = {
  totalMilli: number
  allocatedMilli: number
  /** What was allocated when the GPUs asked for had reached those that there are. */
  allocatedAtFullDemandMilli: number
  refused: number
}

/** Puts arrivals into a pool, one after another; nothing ends. What has no room when it comes is refused for good. */
export function fill(
  pool: Pool,
  arrivals: readonly Share[],
  kindOf: (share: Share) => Kind = (share) => pool.kindOf(share),
): Filled {
  const totalMilli = pool.nodes.freeMilli.reduce((sum, free) => sum + free, 0)
  const filled: Filled = { totalMilli, allocatedMilli: 0, allocatedAtFullDemandMilli: 0, refused: 0 }
  let askedMilli = 0
  for (const share of arrivals) {
    const kind = kindOf(share)
    const node = pool.choose(kind)
    askedMilli += share.gpus * share.milli
    if (node < 0) filled.refused++
    else {
      pool.take(kind, node)
      filled.allocatedMilli += share.gpus * share.milli
    }
    if (askedMilli <= totalMilli) filled.allocatedAtFullDemandMilli = filled.allocatedMilli
  }
  return filled
}
