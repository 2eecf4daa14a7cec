import { copyOfSharing } from '#engine/sharing/sharing.ts'

import type { Cell } from '#engine/cell/cell.ts'

/** A copy of a cell to try things on. It costs one pass over its nodes and gangs; what is counted is counted again. */
export const scratchOf = (cell: Cell): Cell => ({
  ...cell,
  free: cell.free.slice(),
  foreign: cell.foreign.slice(),
  tenants: cell.tenants.slice(),
  usable: cell.usable.slice(),
  closedBy: cell.closedBy.slice(),
  log: new Int32Array(cell.log.length),
  logged: 0,
  forms: new Map(),
  gangs: {
    ...cell.gangs,
    at: cell.gangs.at.slice(),
    size: cell.gangs.size.slice(),
    pool: cell.gangs.pool.slice(),
    freeBlocks: cell.gangs.freeBlocks.slice(),
  },
  sharing: cell.sharing && copyOfSharing(cell.sharing),
  share: cell.share.map((level) => new Int32Array(level.length)),
  chosen: new Int32Array(64),
})
