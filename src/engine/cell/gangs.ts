import { grown } from './grown.ts'

/**
 * Who holds what. A gang of one rank and no rules is two numbers (its node and its size), since there may be tens of
 * millions of them; any other gang is a block of words in a pool, whose length is a power of two, so that a freed block
 * fits the next gang of that length.
 */
export type Gangs = {
  /** The node of a gang of one rank, the block of any other; the next free number where no gang is. */
  at: Int32Array
  /** The size of a gang of one rank, or `pooled`, or `nobody`. */
  size: Int32Array
  /** Numbers ever given out, and the first of those given back, or -1. */
  used: number
  firstFree: number
  held: number
  pool: Int32Array
  poolUsed: number
  /** For each power of two the first free block, or -1; the first word of a free block tells the next. */
  freeBlocks: Int32Array
}

export const pooled = -1
const nobody = -2

/** What the words of a block mean. After these, two words a role: size and ranks. Then the nodes, spare ones last. */
export const word = { power: 0, roles: 1, ranks: 2, spares: 3, exclusive: 4, repair: 5, spread: 6, level: 7, rest: 8 }

export function createGangs(): Gangs {
  return {
    at: new Int32Array(1024),
    size: new Int32Array(1024),
    used: 0,
    firstFree: -1,
    held: 0,
    pool: new Int32Array(4096),
    poolUsed: 0,
    freeBlocks: new Int32Array(31).fill(-1),
  }
}

/** Gives a gang its number. */
export function addGang(gangs: Gangs, at: number, size: number): number {
  let gang = gangs.firstFree
  if (gang === -1) {
    gang = gangs.used++
    if (gang === gangs.at.length) {
      gangs.at = grown(gangs.at)
      gangs.size = grown(gangs.size)
    }
  } else gangs.firstFree = gangs.at[gang] ?? -1
  gangs.at[gang] = at
  gangs.size[gang] = size
  gangs.held++
  return gang
}

export function dropGang(gangs: Gangs, gang: number): void {
  if (gangs.size[gang] === pooled) freeBlock(gangs, gangs.at[gang] ?? 0)
  gangs.size[gang] = nobody
  gangs.at[gang] = gangs.firstFree
  gangs.firstFree = gang
  gangs.held--
}

/** Whether a number is that of a gang that is held. */
export const isHeld = (gangs: Gangs, gang: number): boolean =>
  gang >= 0 && gang < gangs.used && gangs.size[gang] !== nobody

/** A block of at least so many words; what is in it is left over from before. */
export function newBlock(gangs: Gangs, words: number): number {
  const power = 32 - Math.clz32(words - 1)
  const reused = gangs.freeBlocks[power] ?? -1
  if (reused !== -1) {
    gangs.freeBlocks[power] = gangs.pool[reused] ?? -1
    gangs.pool[reused] = power
    return reused
  }
  const block = gangs.poolUsed
  gangs.poolUsed += 2 ** power
  while (gangs.poolUsed > gangs.pool.length) gangs.pool = grown(gangs.pool)
  gangs.pool[block] = power
  return block
}

function freeBlock(gangs: Gangs, block: number): void {
  const power = gangs.pool[block] ?? 0
  gangs.pool[block] = gangs.freeBlocks[power] ?? -1
  gangs.freeBlocks[power] = block
}

/** Where the nodes of a block start. */
export const nodesAt = (gangs: Gangs, block: number): number =>
  block + word.rest + 2 * (gangs.pool[block + word.roles] ?? 0)
