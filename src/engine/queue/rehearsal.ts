import { askOf, type Ask } from '#engine/cell/ask.ts'
import { touch } from '#engine/cell/nodes.ts'

import { scratchOf } from './scratch.ts'

import type { Cell } from '#engine/cell/cell.ts'
import type { Way } from './request.ts'

/**
 * A second cell on which things are tried. It is made equal to the real one each time that it is asked for, by what
 * changed on either of them since then; so to try something costs what has changed, not all nodes.
 */
export class Rehearsal {
  readonly #real: Cell
  readonly #asks = new WeakMap<Way, Ask>()
  #scratch: Cell | null = null
  /** How many changes of the real cell are in the scratch, and how many the scratch had then. */
  #seen = 0
  #own = 0

  constructor(real: Cell) {
    this.#real = real
  }

  /** The scratch as the real cell is now. What was tried before is undone. */
  begin(): Cell {
    const real = this.#real
    // Shared accelerators are not followed one by one.
    const scratch = this.#scratch === null || real.sharing ? scratchOf(real) : this.#scratch
    if (scratch === this.#scratch) {
      const changes = real.logged - this.#seen + scratch.logged - this.#own
      if (changes > real.log.length / 2) followAll(scratch, real)
      else {
        const until = scratch.logged
        for (let i = this.#own; i < until; i++) follow(scratch, real, scratch.log[i & (scratch.log.length - 1)] ?? 0)
        for (let i = this.#seen; i < real.logged; i++) follow(scratch, real, real.log[i & (real.log.length - 1)] ?? 0)
      }
      copyGangs(scratch, real)
    }
    this.#scratch = scratch
    this.#seen = real.logged
    this.#own = scratch.logged
    return scratch
  }

  /** What somebody wants, made ready for the scratch. */
  ask(way: Way): Ask {
    const scratch = this.#scratch ?? this.begin()
    const known = this.#asks.get(way)
    if (known?.cell === scratch) return known
    const ask = askOf(scratch, way.gang)
    this.#asks.set(way, ask)
    return ask
  }
}

/** All forms of the scratch have to count again. */
function followAll(scratch: Cell, real: Cell): void {
  scratch.free.set(real.free)
  scratch.foreign.set(real.foreign)
  scratch.tenants.set(real.tenants)
  scratch.usable.set(real.usable)
  scratch.closedBy.set(real.closedBy)
  scratch.logged += scratch.log.length
}

function follow(scratch: Cell, real: Cell, node: number): void {
  for (let i = 4 * node; i < 4 * node + 4; i++) {
    scratch.free[i] = real.free[i] ?? 0
    scratch.foreign[i] = real.foreign[i] ?? 0
  }
  scratch.tenants[node] = real.tenants[node] ?? 0
  scratch.usable[node] = real.usable[node] ?? 0
  scratch.closedBy[node] = real.closedBy[node] ?? 0
  touch(scratch, node)
}

function copyGangs({ gangs: to }: Cell, { gangs: from }: Cell): void {
  to.at = copied(to.at, from.at, from.used)
  to.size = copied(to.size, from.size, from.used)
  to.pool = copied(to.pool, from.pool, from.poolUsed)
  to.freeBlocks.set(from.freeBlocks)
  to.used = from.used
  to.firstFree = from.firstFree
  to.held = from.held
  to.poolUsed = from.poolUsed
}

function copied(to: Int32Array, from: Int32Array, used: number): Int32Array {
  if (to.length < used) return from.slice()
  to.set(from.subarray(0, used))
  return to
}
