import type { Ask, GangRequest } from '#engine/cell/ask.ts'
import type { Heap } from '#kit/heap.ts'

import type { Amounts, QuotaTree, Shortage } from './quota.ts'

/** What many may wait for alike. Equal keys must mean equal wants. */
export type Want = {
  /** Who shares it stands in one row, first come, first served. Put a class of duration into it: the first speaks for all. */
  key: string
  project: string
  /** The larger goes first. */
  priority: number
  /** What it counts against quotas and shares. */
  amounts: Amounts
  /** The cells that it may stand in by their numbers, the one it would rather have first. */
  cells: readonly number[]
  /** What it takes in each of these cells: where nodes are larger, it may need fewer. */
  gangs: readonly GangRequest[]
}

/** Somebody who waits. */
export type Request = {
  id: string
  want: Want
  /** Since when, in milliseconds; who lost its nodes keeps the time that it first came. */
  since: number
  /** It has ended so long after its start; Infinity if nobody knows. */
  lastsMs: number
}

/** Why a request was not placed when it was asked for; a program can read it. */
export type Refusal =
  | ({ cause: 'quota' } & Shortage)
  /** It has room and quota, but would take them from the one who is promised them at that time. */
  | { cause: 'reserved'; until: number; for: string }
  /** No cell has room. Of its cells, the one that has the most: units that one domain there can take, and units needed. */
  | { cause: 'room'; cell: number; largest: number; needs: number; reservedFor: string | null }
  /** It would have no room in any of its cells if nobody else were there. */
  | { cause: 'too-large' }

export type Decision =
  | { id: string; cell: number; gang: number; ranks: number[]; spares: number[] }
  | { id: string; refused: Refusal }

export type Waiting = Request & { order: number; gone: boolean }

/** All that wait for the same. */
export type Signature = {
  want: Want
  /** The want made ready for each of its cells. */
  asks: Ask[]
  row: Heap<Waiting>
  /** Why its first one sleeps; null while it is to be asked. */
  asleep: Refusal['cause'] | null
  reservation: Reservation | null
  /** It could not start if all who run had ended. */
  hopeless: boolean
}

/**
 * The promise of a start, as in EASY backfill (Lifka, JSSPP 1995; Mu'alem and Feitelson, IEEE TPDS 2001): at `at` these
 * nodes and this quota are there for the first who found none. Others go ahead only if they end by then, or take neither.
 */
export type Reservation = {
  owner: Signature
  /** The one that it was made for. */
  request: Request
  cell: number
  /** Infinity where it waits for somebody whose end nobody knows: then nobody passes. */
  at: number
  nodes: number[]
  /** The tree of the owner's quotas. */
  root: string
  /** Quotas as they will be at `at`: with the owner, and with all that will still run then. */
  quota: QuotaTree
  /** Who of those that run is counted there. */
  counted: Set<string>
  /** Nodes that are closed to others right now. */
  shut: number[]
}

/** Who runs. */
export type Held = { request: Request; cell: number; gang: number; ends: number }

/** The first of a row, or undefined when nobody waits there any more. */
export function headOf({ row }: Signature): Waiting | undefined {
  while (row.peek()?.gone) row.pop()
  return row.peek()
}
