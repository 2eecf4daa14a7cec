import { ancestorOf } from './tree.ts'
import { nextBucket, nextMember } from './buckets.ts'

import type { Ask } from './ask.ts'
import type { Layer } from './cell.ts'

/**
 * Finds the domain for a gang and writes it into the request: the tightest level that holds it, of its domains the one
 * with the least left over, of these the first in the order of the tree. Complete: false means that there is none.
 */
export function choose(ask: Ask): boolean {
  if (ask.isImpossible) return false
  if (ask.lowest > ask.loosest) return chooseInside(ask)
  for (let level = ask.lowest; level <= ask.loosest; level++) {
    const layer = ask.form.layers[level]
    const domain = layer ? tightest(layer, ask.units) : -1
    if (domain === -1) continue
    ask.level = level
    ask.domain = domain
    return true
  }
  return false
}

/** The domain of a level that can take so much and has the least left over, or -1. */
export function tightest({ units, buckets }: Layer, need: number): number {
  if (!buckets) return tightestOfFew(units, need)
  for (let bucket = nextBucket(buckets, need >>> buckets.shift); bucket >= 0; bucket = nextBucket(buckets, bucket + 1))
    for (let domain = nextMember(buckets, bucket, 0); domain >= 0; domain = nextMember(buckets, bucket, domain + 1))
      if ((units[domain] ?? 0) >= need) return domain
  return -1
}

function tightestOfFew(units: Int32Array, need: number): number {
  let [best, least] = [-1, 0]
  for (let domain = 0; domain < units.length; domain++) {
    const able = units[domain] ?? 0
    if (able < need || (best !== -1 && able >= least)) continue
    best = domain
    least = able
  }
  return best
}

/** For rules of a looser level than the gang's own domain: looks at each domain, and at what is around it. */
function chooseInside(ask: Ask): boolean {
  const level = ask.loosest
  const units = ask.form.layers[level]?.units ?? new Int32Array()
  let best = -1
  for (let domain = 0; domain < units.length; domain++) {
    const able = units[domain] ?? 0
    if (able < ask.units || (best !== -1 && able >= (units[best] ?? 0)) || !isOpenAround(ask, domain)) continue
    best = domain
  }
  ask.level = level
  ask.domain = best
  return best !== -1
}

function isOpenAround({ form, rules, loosest: level, ranks }: Ask, domain: number): boolean {
  const { exclusiveLevel, spareLevel, spares } = rules
  const at = (to: number) => ancestorOf(form.cell.tree, domain, { level, to })
  if (exclusiveLevel > level && form.layers[exclusiveLevel]?.busy[at(exclusiveLevel)] !== 0) return false
  return spareLevel <= level || (form.layers[spareLevel]?.raw[at(spareLevel)] ?? 0) >= ranks + spares
}
