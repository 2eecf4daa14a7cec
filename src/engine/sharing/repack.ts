import { at, type SharedNodes } from './nodes.ts'
import type { Kind, Pool } from './pool.ts'

/** Something that stands in a pool: on a node, and on GPUs of it as bits. */
export type Standing = { kind: Kind; node: number; gpus: number }

/** One thing goes to another node, so that something else has room where it stood. */
export type Move = { standing: Standing; to: number }

/** So many moves are tried out for one that waits; the lightest that would make room come first. */
const mostTried = 32

/**
 * A dry run: the one move, of something already there, that gives room to a kind which has none, and leaves the least to
 * go to waste. Null when no single move does. Where it goes has room while it still stands where it is. The pool is as
 * before.
 */
export function findMove(pool: Pool, all: Iterable<Standing>, kind: Kind): Move | null {
  const best = new Map<Kind, number>()
  const candidates = [...all].filter((standing) => makesRoom(pool.nodes, standing, kind))
  candidates.sort((a, b) => weight(a) - weight(b))
  let found: Move | null = null
  let least = Number.POSITIVE_INFINITY
  let tried = 0
  for (const standing of candidates) {
    const home = best.get(standing.kind) ?? pool.choose(standing.kind)
    best.set(standing.kind, home)
    const to = home === standing.node ? nextBest(pool, standing) : home
    if (to < 0) continue
    const cost = pool.costOn(standing.kind, to) + costOfSwap(pool, standing, kind)
    if (cost < least) found = { standing, to }
    least = Math.min(cost, least)
    if (++tried === mostTried) break
  }
  return found
}

const weight = ({ kind: { share } }: Standing): number => share.gpus * share.milli

/**
 * Does what `findMove` found for a kind, which takes the freed place before anybody else can. Returns both as they stand
 * now.
 */
export function makeMove(pool: Pool, { standing, to }: Move, kind: Kind): { moved: Standing; placed: Standing } {
  const moved = { kind: standing.kind, node: to, gpus: pool.take(standing.kind, to) }
  pool.giveBack(standing.kind, standing.node, standing.gpus)
  return { moved, placed: { kind, node: standing.node, gpus: pool.take(kind, standing.node) } }
}

/** The best node for something but for the one where it stands; -1 if it has no room elsewhere. */
function nextBest(pool: Pool, { kind, node }: Standing): number {
  let chosen = -1
  let least = Number.POSITIVE_INFINITY
  for (let other = 0; other < pool.nodes.count; other++) {
    const cost = pool.costOn(kind, other)
    if (other === node || cost >= least) continue
    least = cost
    chosen = other
  }
  return chosen
}

/** What it costs on a node if something leaves it and a kind comes. */
function costOfSwap(pool: Pool, { kind: leaves, node, gpus }: Standing, comes: Kind): number {
  pool.giveBack(leaves, node, gpus)
  const cost = pool.costOn(comes, node) - pool.costOn(leaves, node)
  pool.put(leaves, node, gpus)
  return cost
}

/** Whether a kind fits on a node once something there has left it. */
function makesRoom(nodes: SharedNodes, { kind: { share: leaves }, node, gpus }: Standing, kind: Kind): boolean {
  const { share } = kind
  if (kind.allowed[at(nodes.modelOf, node)] !== 1) return false
  if (at(nodes.freeCpuMilli, node) + leaves.cpuMilli < share.cpuMilli) return false
  if (at(nodes.freeMemoryMiB, node) + leaves.memoryMiB < share.memoryMiB) return false
  const first = at(nodes.firstGpu, node)
  const end = at(nodes.firstGpu, node + 1)
  let missing = share.gpus
  for (let gpu = first; missing > 0 && gpu < end; gpu++) {
    const freed = (gpus >> (gpu - first)) & 1 ? leaves.milli : 0
    if (at(nodes.freeMilli, gpu) + freed >= share.milli) missing--
  }
  return missing === 0
}
