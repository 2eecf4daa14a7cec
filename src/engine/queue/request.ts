import type { Ask, GangRequest } from '#engine/cell/ask.ts'
import type { Cell, Form } from '#engine/cell/cell.ts'
import type { Standing } from '#engine/cell/take.ts'
import type { Heap } from '#kit/heap.ts'

import type { Leaving } from './leaving.ts'
import type { Amounts, QuotaTree, Shortage } from './quota.ts'

/** One of the ways to give somebody what it wants: a gang in a cell. Where nodes are larger, it may need fewer. */
export type Option = {
  cell: number
  gang: GangRequest
  /** What it counts against quotas and shares while it runs there. */
  amounts: Amounts
}

/** What many may wait for alike. Equal keys must mean equal wants. */
export type Want = {
  /** Who shares it stands in one row, first come, first served. Put a class of duration into it: the first speaks for all. */
  key: string
  /** Who has the same is not kept from what another of them is promised: parts of one thing that want different sizes. */
  family?: string | undefined
  project: string
  /** The larger goes first. */
  priority: number
  /** The one that it would rather have first. A cell may be there several times, with several shapes of nodes. */
  options: readonly Option[]
}

/** Somebody who waits. */
export type Request = {
  id: string
  want: Want
  /** Since when, in milliseconds; who lost its nodes keeps the time that it first came. */
  since: number
  /** Since when it waits this time, if it ran or was refused before; `since` when absent. */
  waitsSince?: number | undefined
  /** It has ended so long after its start; Infinity if nobody knows. */
  lastsMs: number
  /** By this it is remembered for whom it had to leave; its id when absent. */
  work?: string | undefined
}

export const workOf = ({ id, work }: Request): string => work ?? id

/** Why a request was not placed when it was asked for; a program can read it. */
export type Refusal =
  | ({ cause: 'quota' } & Shortage)
  /** It has room and quota, but would take them from the one who is promised them at that time. */
  | { cause: 'reserved'; until: number; for: string }
  /** None of its options has room. Of these, the one with the most: units that one domain can take, and units needed. */
  | { cause: 'room'; option: number; cell: number; largest: number; needs: number; reservedFor: string | null }
  /** None of its options has room, and nobody reads how much there is. */
  | { cause: 'full' }
  /** It would have no room in any of its cells if nobody else were there. */
  | { cause: 'too-large' }
  /** None of its options may be tried now. */
  | { cause: 'barred' }
  | Preempts

/**
 * These have to leave for it now, whole gangs; those that `moves` names only to start elsewhere, where they have room. Its
 * nodes are kept for it until it starts, in a turn after `ended` was told
 * of each of them; who left may be submitted again, with its first `since`.
 */
export type Preempts = { cause: 'preempts' | 'moves'; victims: string[]; option: number; cell: number; nodes: number[] }

export type Decision =
  /** `option` counts from 0 in the want's options; `gang` is its number in the cell. */
  ({ id: string; option: number; cell: number; gang: number } & Standing) | { id: string; refused: Refusal }

export type Waiting = Request & { order: number; gone: boolean }

/** An option made ready for its cell. `number` counts in the want; equal gangs have equal needs. */
export type Way = Option & { number: number; site: Cell; ask: Ask; need: string }

/** What may let somebody start who was refused: quota for one of its ways, or room for one. */
export type Lack = { quota: boolean; room: boolean }

/** All that wait for the same. */
export type Signature = {
  want: Want
  ways: readonly Way[]
  /** The cells of its ways, each once. */
  cells: readonly number[]
  row: Heap<Waiting>
  /** What its first one sleeps for; null while it is to be asked. */
  asleep: Lack | null
  reservation: Reservation | null
  /** It could not start if all who run had ended. */
  hopeless: boolean
  /** The first one, once it was written down how long it waits. */
  aged: Waiting | null
}

/**
 * The promise of a start, as in EASY backfill (Lifka, JSSPP 1995; Mu'alem and Feitelson, IEEE TPDS 2001): at `at` these
 * nodes and this quota are there for the first who found none. Others go ahead only if they end by then, or take neither.
 */
export type Reservation = {
  owner: Signature
  /** The one that it was made for, and how it is to start. */
  request: Request
  way: Way
  /** Infinity where it waits for somebody whose end nobody knows: then nobody passes. */
  at: number
  nodes: number[]
  /** Promises count what was promised before them: those with smaller numbers. */
  number: number
  /** The tree of the owner's quotas. */
  root: string
  /** Quotas as they will be at `at`: with the owner, and with all that will still run then. */
  quota: QuotaTree
  /** Who of those that run is counted there, and with how much. */
  counted: Map<string, Amounts>
  /** … and of these those who leave. */
  leaving: Leaving
  /** Nodes that are closed to others right now. */
  shut: number[]
  /** What opening or closing them would change for a form, when so much had changed in its cell. */
  turned: { form: Form | null; at: number; nodes: number }
  /** Those who still have to leave for it; null where nobody was preempted. */
  victims: Set<string> | null
}

/** Whether who ends at `ends` is gone before the owner starts. */
export const passes = ({ at }: Reservation, ends: number): boolean => at < Infinity && ends <= at

/** Whether what is kept for a promise is open to somebody who would end at `ends`. */
export const isOpen = (one: Reservation, asker: Signature, ends: number): boolean =>
  isSame(one.owner, asker) || passes(one, ends)

const isSame = (a: Signature, b: Signature): boolean =>
  a === b || (a.want.family !== undefined && a.want.family === b.want.family)

/** Who runs. */
export type Held = {
  request: Request
  way: Way
  gang: number
  since: number
  ends: number
  /** It was told to leave. */
  leaves: boolean
}

/** The first of a row, or undefined when nobody waits there any more. */
export function headOf({ row }: Signature): Waiting | undefined {
  while (row.peek()?.gone) row.pop()
  return row.peek()
}

/** Somebody who runs already: which of its options it has, on which nodes, and when it ends (Infinity: nobody knows). */
export type Running = Standing & {
  option: number
  ends: number
  since?: number | undefined
  /** It is on its way out, for whatever reason. */
  leaves?: boolean | undefined
}

/** Whether a start may be promised to somebody who sleeps. */
export const mayBePromised = ({ asleep, reservation, hopeless }: Signature): boolean =>
  asleep !== null && !reservation && !hopeless

export const endsOf = (signature: Signature, now: number): number => now + (headOf(signature)?.lastsMs ?? 0)
