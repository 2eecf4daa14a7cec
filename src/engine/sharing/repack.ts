import { at, type SharedNodes } from './nodes.ts'
import type { Kind, Pool } from './pool.ts'

/** Something that stands in a pool: on a node, and on GPUs of it as bits. */
export type Standing = { kind: Kind; node: number; gpus: number }

/** One thing goes elsewhere, so that something else has room where it stood. */
export type Move = { standing: Standing; to: number }

/** Nodes looked at closely for one move; those with the least to go elsewhere come first. */
const mostTried = 32

/**
 * A dry run: the one move, of something already there, that gives room to a kind which has none, and leaves the least to
 * go to waste. Null when no single move does. The pool is as before. Where it goes has room while it still stands where it
 * is, so that it can be moved without an interruption longer than its own; `makeMove` takes the freed place at once, so
 * that nobody else gets it.
 */
export function findMove(pool: Pool, all: Iterable<Standing>, kind: Kind): Move | null {
  const elsewhere = new Map<Kind, boolean>()
  const candidates: Standing[] = []
  for (const standing of all) {
    if (!makesRoom(pool.nodes, standing, kind)) continue
    const known = elsewhere.get(standing.kind) ?? pool.choose(standing.kind) >= 0
    elsewhere.set(standing.kind, known)
    if (known) candidates.push(standing)
  }
  candidates.sort((a, b) => weight(a) - weight(b))
  let best: Move | null = null
  let least = Number.POSITIVE_INFINITY
  for (const standing of candidates.slice(0, mostTried)) {
    const { to, cost } = tryMove(pool, standing, kind)
    if (to < 0 || cost >= least) continue
    least = cost
    best = { standing, to }
  }
  return best
}

const weight = ({ kind: { share } }: Standing): number => share.gpus * share.milli

/** Does what `findMove` found, and puts the kind where room was made. Returns both as they stand now. */
export function makeMove(pool: Pool, { standing, to }: Move, kind: Kind): { moved: Standing; placed: Standing } {
  const moved = { kind: standing.kind, node: to, gpus: pool.take(standing.kind, to) }
  pool.giveBack(standing.kind, standing.node, standing.gpus)
  return { moved, placed: { kind, node: standing.node, gpus: pool.take(kind, standing.node) } }
}

/** Where something would go if a kind took its place, and what that costs in all. */
function tryMove(pool: Pool, standing: Standing, kind: Kind): { to: number; cost: number } {
  const { node, gpus } = standing
  pool.giveBack(standing.kind, node, gpus)
  const saved = pool.costOn(standing.kind, node)
  const paid = pool.costOn(kind, node)
  const taken = pool.take(kind, node)
  const to = pool.choose(standing.kind)
  const moved = to < 0 ? 0 : pool.costOn(standing.kind, to)
  pool.giveBack(kind, node, taken)
  pool.put(standing.kind, node, gpus)
  return { to: to === node ? -1 : to, cost: paid + moved - saved }
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
