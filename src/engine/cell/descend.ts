import { bucketBelow, lastBucket, nextBucket, nextMember } from './buckets.ts'
import { grown } from './grown.ts'
import { fewDomains } from './form.ts'
import { shareEvenly } from './even.ts'

import type { Ask } from './ask.ts'
import type { Buckets } from './buckets.ts'

/**
 * Chooses nodes in the domain that was found, and writes them to `cell.chosen` in the order of the tree, one for each
 * rank. On the way down, one child that fits best takes all; where none can, the roomiest children are filled and what
 * is left goes where it fits best. So few children are used, and the large ones that are not stay whole.
 */
export function descend(ask: Ask): void {
  const { cell, level, domain, units, ranks } = ask
  while (cell.chosen.length < ranks) cell.chosen = grown(cell.chosen)
  if (ask.balanced >= 0 && level > ask.balanced) {
    const { first, end } = rangeBelow(ask, ask.balanced)
    shareEvenly(ask, { first, end })
    visit(ask, ask.balanced, { first, end, written: 0 })
    return
  }
  const share = cell.share[level]
  if (share) share[domain] = units
  visit(ask, level, { first: domain, end: domain + 1, written: 0 })
}

/** The domains of a lower level that the domain found consists of. */
function rangeBelow(ask: Ask, below: number): { first: number; end: number } {
  let [first, end] = [ask.domain, ask.domain + 1]
  for (let level = ask.level; level > below; level--) {
    const starts = ask.cell.tree.children[level]
    first = starts?.[first] ?? 0
    end = starts?.[end] ?? 0
  }
  return { first, end }
}

/** Hands what each domain of a range has been given to its children, down to the nodes; tells how many are written. */
function visit(
  ask: Ask,
  level: number,
  { first, end, written }: { first: number; end: number; written: number },
): number {
  const { cell, rules } = ask
  const share = cell.share[level]
  const starts = cell.tree.children[level]
  if (!share || !starts) return written
  let at = written
  for (let domain = first; domain < end; domain++) {
    const given = share[domain] ?? 0
    if (given === 0) continue
    share[domain] = 0
    const ranks = level === rules.sliceLevel ? given * rules.sliceRanks : given
    if (level === 0) {
      for (let left = ranks; left > 0; left--) cell.chosen[at++] = domain
      continue
    }
    const range = { first: starts[domain] ?? 0, end: starts[domain + 1] ?? 0 }
    if (level === 1 && ask.form.isWhole && !ask.form.isRuled) {
      at = firstFree(ask, { ...range, need: ranks, written: at })
      continue
    }
    const only = allot(ask, level - 1, { ...range, need: ranks })
    at = visit(ask, level - 1, only === -1 ? { ...range, written: at } : { first: only, end: only + 1, written: at })
  }
  return at
}

/** Nodes that are taken whole are alike: the first free ones of a domain are as good as any. */
function firstFree({ cell, form }: Ask, { first, end, need, written }: Need & { written: number }): number {
  const { units, buckets } = form.layers[0] ?? { units: new Int32Array(), buckets: null }
  const { chosen } = cell
  const enough = written + need
  let at = written
  if (buckets)
    for (let node = nextMember(buckets, 1, first); node >= 0 && node < end && at < enough;) {
      chosen[at++] = node
      node = nextMember(buckets, 1, node + 1)
    }
  else for (let node = first; node < end && at < enough; node++) if (units[node] === 1) chosen[at++] = node
  if (at < enough) throw new Error('a domain was counted larger than its parts')
  return at
}

type Need = { first: number; end: number; need: number }

/** Shares out what is needed among a range of siblings. Tells the one that took all, or -1. */
function allot(ask: Ask, level: number, need: Need): number {
  const layer = ask.form.layers[level]
  const share = ask.cell.share[level]
  if (!layer || !share) return -1
  if (layer.buckets && need.end - need.first > fewDomains)
    return allotMany({ units: layer.units, buckets: layer.buckets, share }, need)
  return allotFew(layer.units, share, need)
}

function allotFew(units: Int32Array, share: Int32Array, { first, end, need }: Need): number {
  let [fit, most, least, total] = [-1, 0, 0, 0]
  for (let child = first; child < end; child++) {
    const able = units[child] ?? 0
    if (able === 0) continue
    total += able
    if (able > most) most = able
    if (able < least || least === 0) least = able
    if (able >= need && (fit === -1 || able < (units[fit] ?? 0))) fit = child
  }
  if (fit !== -1) {
    share[fit] = need
    return fit
  }
  if (total === need || most === least) fillInOrder(units, share, { first, end, need })
  else fillRoomiest(units, share, { first, end, need })
  return -1
}

/** All are needed, or all are alike. */
function fillInOrder(units: Int32Array, share: Int32Array, { first, end, need }: Need): void {
  let left = need
  for (let child = first; left > 0 && child < end; child++) {
    const given = Math.min(left, units[child] ?? 0)
    share[child] = given
    left -= given
  }
}

function fillRoomiest(units: Int32Array, share: Int32Array, { first, end, need }: Need): void {
  let left = need
  while (left > 0) {
    let [fit, roomiest] = [-1, -1]
    for (let child = first; child < end; child++) {
      const able = units[child] ?? 0
      if (able === 0 || share[child] !== 0) continue
      if (roomiest === -1 || able > (units[roomiest] ?? 0)) roomiest = child
      if (able >= left && (fit === -1 || able < (units[fit] ?? 0))) fit = child
    }
    const child = fit === -1 ? roomiest : fit
    if (child === -1) throw new Error('a domain was counted larger than its parts')
    const given = Math.min(left, units[child] ?? 0)
    share[child] = given
    left -= given
  }
}

type Siblings = { units: Int32Array; buckets: Buckets; share: Int32Array }

/** The same for so many siblings that looking at each again and again takes too long. */
function allotMany(siblings: Siblings, { first, end, need }: Need): number {
  const { units, buckets, share } = siblings
  const fit = fitAmong(siblings, { first, end, need })
  if (fit !== -1) {
    share[fit] = need
    return fit
  }
  let left = need
  for (let bucket = lastBucket(buckets); bucket >= 0; bucket = bucketBelow(buckets, bucket))
    for (let child = nextMember(buckets, bucket, first); child >= 0 && child < end;) {
      const able = units[child] ?? 0
      if (able >= left) {
        share[fitAmong(siblings, { first, end, need: left })] = left
        return -1
      }
      share[child] = able
      left -= able
      child = nextMember(buckets, bucket, child + 1)
    }
  throw new Error('a domain was counted larger than its parts')
}

/** Of the siblings that were given nothing yet the one that can take it and has the least left over, or -1. */
function fitAmong({ units, buckets, share }: Siblings, { first, end, need }: Need): number {
  for (let bucket = nextBucket(buckets, need >>> buckets.shift); bucket >= 0; bucket = nextBucket(buckets, bucket + 1))
    for (let child = nextMember(buckets, bucket, first); child >= 0 && child < end;) {
      if (share[child] === 0 && (units[child] ?? 0) >= need) return child
      child = nextMember(buckets, bucket, child + 1)
    }
  return -1
}
