import { partOf } from '#engine/placement/part.ts'
import type { Fleet } from '#simulator/scenario/fleet.ts'
import type { Part } from '#simulator/traces/job.ts'

import { shapeOf } from './candidate.ts'

/** How many thousandths of an accelerator a part counts as: of a slice on the first nodes that can be cut so, else all. */
export function milliOn({ groups }: Fleet, part: Part): number {
  for (const group of groups) {
    const found = partOf({ count: 1, ...part }, shapeOf(group))
    if (found) return found.shareMilli
  }
  return 1000
}
