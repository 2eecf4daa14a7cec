import { nextBucket, nextMember } from './buckets.ts'
import { hasRoom } from './nodes.ts'

import type { Ask } from './ask.ts'
import type { Buckets } from './buckets.ts'

/** Nodes of one bucket that are tried before the next bucket is. */
const tries = 8

/**
 * The node for one task, or -1: of those that have room for it, one that has the least left of the resource it is
 * searched by. Its other needs are checked on the first few nodes of each bucket, so that it takes constant time where
 * most nodes fit; only if none of those does is every node looked at that has enough of the first. Complete.
 */
export function nodeForTask(ask: Ask): number {
  const layer = ask.lead.layers[0]
  if (!layer) return -1
  if (!layer.buckets) return bestOfFew(ask, layer.units)
  const quick = search(ask, layer.buckets, tries)
  return quick === leftOut ? search(ask, layer.buckets, Infinity) : quick
}

/** Not found, but not all were tried. */
const leftOut = -2

function search({ cell, need, size }: Ask, buckets: Buckets, atMost: number): number {
  let isAll = true
  for (
    let bucket = nextBucket(buckets, need >>> buckets.shift);
    bucket >= 0;
    bucket = nextBucket(buckets, bucket + 1)
  ) {
    let left = atMost
    for (let node = nextMember(buckets, bucket, 0); node >= 0; node = nextMember(buckets, bucket, node + 1)) {
      if (hasRoom(cell, node, size)) return node
      if (--left > 0) continue
      isAll = false
      break
    }
  }
  return isAll ? -1 : leftOut
}

function bestOfFew({ cell, need, size }: Ask, units: Int32Array): number {
  let best = -1
  for (let node = 0; node < units.length; node++) {
    const able = units[node] ?? 0
    if (able >= need && able > 0 && (best === -1 || able < (units[best] ?? 0)) && hasRoom(cell, node, size)) best = node
  }
  return best
}
