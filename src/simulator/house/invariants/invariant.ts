import type { Event } from '#model/event.ts'
import type { LeaseState } from '#model/lease.ts'
import type { CredentialedOrder } from '#model/order.ts'
import type { BillLine } from '#providers/simulated/books.ts'
import type { Gang } from '#providers/simulated/gang.ts'
import type { AgentDoes } from '#simulator/house/agent.ts'
import type { Asks } from '#simulator/house/people.ts'
import type { Reader } from '#simulator/house/readers.ts'
import type { Ask, Offered } from './asked.ts'
import type { Changes } from './changes.ts'
import type { Decision } from './decisions.ts'
import type { Known } from './known.ts'
import type { Tables } from './tables.ts'

/**
 * Something that must be true of a house at every instant between two awaits: of its committed rows, of what is really
 * there at its providers, and of what it said and did. One that holds only `at rest` is asked when nothing is under way
 * any more. A checker may remember what it saw before, so each world has its own (`createInvariants`).
 */
export type Invariant = {
  /** What is true, as a name: `nothing is leaked`. */
  name: string
  /** The rule of DESIGN.md that it stands for. */
  rule: number
  when: 'always' | 'at rest'
  /** Each breach as a sentence; none is what one wants to see. */
  check(seen: Seen): string[]
}

/** What there is to see at an instant. */
export type Seen = {
  now: number
  tables: Tables
  /** What is different in the tables from the last look, by table. */
  changes: Changes
  /** The rows of what goes on, found by what they belong to. */
  known: Known
  /** What its providers have, seen by anybody or not; what has ended there is left out in time. */
  gangs: readonly There[]
  /** A gang by its token, there now or at the look before. */
  gangOf(token: string): There | null
  /** What our agents really do on its nodes; null where its provider runs its ranks. */
  agentsOf(token: string): readonly AgentDoes[] | null
  /** The providers' own bill, of all that ever was: it takes long. */
  bill(): readonly BillLine[]
  /** What a reader of events was given since the last look, in that order. */
  events: readonly Event[]
  /** Who follows events with a cursor, and what of them each was told so far. */
  readers: readonly Reader[]
  /** Sites (`provider/site`) that nobody declares for a while: each counts as one that does not answer then. */
  undeclared: ReadonlySet<string>
  /** What people asked for so far; null where nobody counts. */
  people: Readonly<Asks> | null
  /** Calls that control planes made since the last look. */
  calls: readonly Call[]
  /** What was asked of a site lately, and what was heard. */
  asked(site: string): readonly Ask[]
  /** What was placed since the last look, and on which offers. */
  decisions: readonly Decision[]
  /**
   * Whether what should happen can: a control plane lives and is not held up, its store answers, and so does the site
   * (`provider/site`) where one is named. Promises with a bound count only time in which this is so.
   */
  able(site?: string): boolean
  /** What was ever offered, by `provider/site tier shape`, in the order of time. */
  offered: ReadonlyMap<string, readonly Offered[]>
  /** The database crashed since the last look: claims that did not wait for its disk may never have been. */
  tookBack: boolean
  /** Whether a provider said lately of what has this token what was not so, or did not say what was. */
  lied(there: There): boolean
  bounds: Bounds
  /** Nothing is under way any more. */
  atRest: boolean
}

/** A gang as its provider has it, at `provider/site`; it is paid for until it is closed. */
export type There = { site: string; gang: Readonly<Gang> }

/** A call at a provider, and whether its operation was written down before it was made. */
export type Call = {
  plane: string
  provider: string
  site: string
  name: 'launch' | 'retire'
  token: string
  at: number
  /** An operation of its kind with this token was committed then. */
  intended: boolean
  /** This process was told, of this token, to leave the site alone until later. */
  isTooSoon: boolean
  /** The state of the lease that the token is of; null where there was none. */
  lease: LeaseState | null
  order: CredentialedOrder | null
}

/** How long the house may take for what it promises only in the end; in milliseconds of time in which it is able to. */
export type Bounds = {
  /** Until what nobody knows is retired: two looks of `sweep`, a listing that lags, calls that fail meanwhile. */
  leakMs: number
  /** Until what is gone at its provider is no longer counted as there. */
  lossMs: number
  /** Until an attempt has ended that has an agent which says nothing, though its site answers. */
  muteMs: number
  /** Until a waiting workload is told why it waits. */
  tellMs: number
  /** Until who follows events is told of the next. */
  followMs: number
  /** Until what runs is told to end whose budget is used up. */
  budgetMs: number
  /** Until what is to end is gone, grace not counted. */
  endMs: number
  /** How long before what is taken away must be told to end it has to be said. */
  noticeMs: number
  /** How long before its maximum what is ended for it may have ended by itself: the news of it may be on its way. */
  toldMs: number
  /** How far clocks of control planes, which the times in rows are of, may be from each other. */
  skewMs: number
  /** How far the time that a lease is billed for may be from the provider's bill, while it is able. */
  billMs: number
}

/** What the loops need when about every fifth call fails and control planes die now and then. */
export const patientBounds: Bounds = {
  leakMs: 300_000,
  lossMs: 300_000,
  // It is found within a look, waited for as long as nobody of its site is heard, and its nodes are given back.
  muteMs: 1_800_000,
  tellMs: 120_000,
  followMs: 600_000,
  budgetMs: 60_000,
  endMs: 600_000,
  noticeMs: 60_000,
  toldMs: 45_000,
  skewMs: 10_000,
  billMs: 300_000,
}

export type Breach = { invariant: string; rule: number; what: string }
