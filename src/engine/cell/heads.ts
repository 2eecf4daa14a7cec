import { lastBucket, nextBucket, nextMember } from './buckets.ts'
import { catchUp } from './form.ts'
import { nodesAt, pooled, word } from './gangs.ts'

import { hasPlaces, placesOf } from './shared-gang.ts'

import type { Ask } from './ask.ts'
import type { Cell, Form, Layer } from './cell.ts'
import type { Standing } from './take.ts'

/** What explains a refusal, and what waiting gangs are woken by. Units are ranks, or slices from their level upwards. */

/** The most units that one domain of a level can take now. */
export function largestFree({ form }: Ask, level: number): number {
  const { units, buckets } = layerOf(form, level)
  let most = 0
  if (!buckets) {
    for (const able of units) if (able > most) most = able
    return most
  }
  const last = lastBucket(buckets)
  for (let at = last < 0 ? -1 : nextMember(buckets, last, 0); at >= 0; at = nextMember(buckets, last, at + 1))
    most = Math.max(most, units[at] ?? 0)
  return most
}

/** … and could take if all of it were free and usable. */
export const largestEmpty = ({ form }: Ask, level: number): number => layerOf(form, level).most

/** Domains of a level that can take so many units now. */
export function fitting({ form }: Ask, level: number, units: number): number {
  const layer = layerOf(form, level)
  const { buckets } = layer
  if (!buckets) return layer.units.reduce((count, able) => count + Number(able >= units && able > 0), 0)
  const own = Math.max(units, 1) >>> buckets.shift
  let count = 0
  for (let bucket = nextBucket(buckets, own); bucket >= 0; bucket = nextBucket(buckets, bucket + 1))
    if (bucket > own || buckets.shift === 0) count += buckets.population[bucket] ?? 0
    else
      for (let at = nextMember(buckets, bucket, 0); at >= 0; at = nextMember(buckets, bucket, at + 1))
        count += Number((layer.units[at] ?? 0) >= units)
  return count
}

function layerOf(form: Form, level: number): Layer {
  catchUp(form, form.cell.tree.levels)
  const layer = form.layers[level]
  if (!layer) throw new RangeError(`there is no level ${level}`)
  return layer
}

/**
 * The nodes of a gang: one for each rank, role after role; then its spare ones. Of a gang that shares accelerators also
 * the place of each rank's share.
 */
export function nodesOf(cell: Cell, gang: number): Standing {
  const { gangs } = cell
  const at = gangs.at[gang] ?? 0
  if (gangs.size[gang] !== pooled) return { ranks: [at], spares: [] }
  const first = nodesAt(gangs, at)
  const end = first + (gangs.pool[at + word.ranks] ?? 0)
  const last = end + (gangs.pool[at + word.spares] ?? 0)
  const nodes = { ranks: copied(gangs.pool, first, end), spares: copied(gangs.pool, end, last) }
  return hasPlaces(cell, at) ? { ...nodes, devices: placesOf(cell, at) } : nodes
}

/** So many nodes at most come free when a gang leaves; Infinity where it keeps others from nodes on which it is not. */
export function nodesAtMost({ gangs }: Cell, gang: number): number {
  const at = gangs.at[gang] ?? 0
  if (gangs.size[gang] !== pooled) return 1
  if ((gangs.pool[at + word.exclusive] ?? -1) >= 0) return Infinity
  return (gangs.pool[at + word.ranks] ?? 0) + (gangs.pool[at + word.spares] ?? 0)
}

/** Gangs have thousands of ranks: without an iterator, as Array.from would use, and without an array that grows. */
function copied(pool: Int32Array, first: number, end: number): number[] {
  const nodes: number[] = []
  nodes.length = end - first
  for (let i = first; i < end; i++) nodes[i - first] = pool[i] ?? 0
  return nodes
}

/** The level of the domain that a gang was given: the tightest that held it then. */
export const levelOf = ({ gangs }: Cell, gang: number): number =>
  gangs.size[gang] === pooled ? (gangs.pool[(gangs.at[gang] ?? 0) + word.level] ?? 0) : 0
