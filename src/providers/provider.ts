import type { Duplex } from 'node:stream'

import type { Cause } from '#model/cause.ts'
import type { Outcome } from '#model/fault.ts'
import type { GangAsk, RelayedGang } from '#model/gang-relay.ts'
import type { Remain } from '#model/joined-site.ts'
import type { ProviderName } from '#model/names.ts'
import type { NodePool } from '#model/node-pool.ts'
import type { Offer } from '#model/offer.ts'
import type { CredentialedOrder } from '#model/order.ts'
import type { RankState, Serving } from '#model/rank.ts'
import type { Node, Site } from '#model/site.ts'

/**
 * A place that gives capacity. A provider is a plain object; what it cannot do is absent from `abilities`. Expected
 * failures are values (`Outcome`); it throws only for bugs. Every call ends soon after its signal aborts, with
 * `unreachable`. No call keeps state that matters: after a total loss of memory, `list` still finds everything.
 */
export type Provider = {
  readonly name: ProviderName
  /** The sites it was configured with, whether they answer or not. */
  sites(): Site[]

  /** What one can get at a site now, at which price. */
  offers(site: string, signal: AbortSignal): Promise<Outcome<Offer[]>>

  /**
   * Starts a whole gang, or nothing. Idempotent by `order.token`: repeated, concurrent and late calls with one token
   * create at most one gang and give the same answer. `ok` means that the provider took the order, not that it runs.
   */
  launch(order: CredentialedOrder, signal: AbortSignal): Promise<Outcome<Taken>>

  /** What became of an order, or `null` when the site answers and knows nothing of it. */
  get(handle: Handle, signal: AbortSignal): Promise<Outcome<Sighting | null>>

  /** All that carries our tag at a site, whether anyone remembers it or not. */
  list(site: string, signal: AbortSignal): Promise<Outcome<Sighting[]>>

  /**
   * Asks for the end of all that carries the token, and says whether anything is left. `graceMs` is the time between
   * SIGTERM and SIGKILL. Call it again until it says `gone`; retiring what never was is `gone`.
   */
  retire(handle: Handle, graceMs: number, signal: AbortSignal): Promise<Outcome<Retired>>

  /** Output of a rank from byte `from` on. `end` is true once no more will come. */
  logs(handle: Handle, part: LogPart, signal: AbortSignal): Promise<Outcome<LogChunk>>

  readonly abilities: Abilities
  /** Ends connections that are kept; nothing is called after it. */
  close?(): Promise<void>
}

/** `held`: nothing runs any more, and others hold up the end of what is left: what, for whom, and how one asks them. */
export type Retired = 'retiring' | 'gone' | { held: Remain[] }

export type Abilities = {
  /** Nodes with their topology, for sites where the engine chooses nodes. */
  inventory?: (site: string, signal: AbortSignal) => Promise<Outcome<Node[]>>
  /**
   * Tells of changes, so that nobody lists on a timer: waits until what `list` answers may be other than it was when the
   * mark `since` was given, and gives the mark of then, with which one waits for the next change. Without a mark it answers
   * at once. Who takes a mark first, and lists after it, misses nothing. The same mark, after `mostQuietMs` at the latest:
   * it knows that nothing changed. As soon as it cannot know it fails; with `never` where a site does not tell at all.
   */
  watch?: (site: string, since: string | null, signal: AbortSignal) => Promise<Outcome<string>>
  /**
   * What will keep us from a site before long if nobody does anything about it: a credential that ends. One line, with what
   * helps last, which stays the same while nothing changes; null while all is well. It asks nobody.
   */
  warning?: (site: string) => Promise<Outcome<string | null>>
  /** What of ours is still at a site, and why, where its engine knows: for people who leave it. Changes nothing. */
  remains?: (site: string, signal: AbortSignal) => Promise<Outcome<Remain[]>>
  /** Removes what is kept of a site beside its gangs, once none is there any more; it is as if we had never been there. */
  clear?: (site: string, signal: AbortSignal) => Promise<Outcome<null>>
  /**
   * Asks a pool of an offer for so many nodes in all, and says how it stands then; they come, or do not, later. Idempotent:
   * it is a level and no step. What we add is noted where it is asked for, in the same change, and no more than that is ever
   * given back. `invalid` beyond what the site's declaration allows; `conflict` where somebody else sets the level.
   */
  reserve?: (site: string, wish: Wish, signal: AbortSignal) => Promise<Outcome<NodePool>>
  /**
   * Bytes to and from a port on which a rank serves, for endpoints that only their provider reaches
   * (`model/forwarded.ts`). They outlive the signal, until somebody destroys them; that nobody listens may show only there.
   */
  dial?: (site: string, at: Serves, signal: AbortSignal) => Promise<Outcome<Duplex>>
  /**
   * Answers agents whose nodes see no disk of ours, in the name of their order (`model/gang-relay.ts`): of a gang that is not
   * there any more nothing is known.
   */
  relay?: (
    site: string,
    asked: { token: string; question: GangAsk },
    signal: AbortSignal,
  ) => Promise<Outcome<RelayedGang>>
  /** What such an agent is, as the bytes of a tar archive. */
  program?: (site: string, signal: AbortSignal) => Promise<Outcome<AsyncIterable<Uint8Array>>>
  /**
   * What tells the place behind a site from all others, whichever way it is reached: two sites of one house with the same
   * are one place that is counted twice. Null where that cannot be known.
   */
  identity?: (site: string, signal: AbortSignal) => Promise<Outcome<string | null>>
  /** Its own engine runs the ranks, from the `programs` of an order: no agent asks and none reports. */
  runsRanks?: true
}

/** A port on which a rank of an order serves. */
export type Serves = { token: string; rank: number; port: number }

/** So many nodes in all of a pool. */
export type Wish = { pool: string; nodes: number }

/** A watch that has nothing to tell says so after this, in milliseconds. */
export const mostQuietMs = 60_000

/** What one needs to speak of an order again: where, and its token. */
export type Handle = { site: string; token: string }

/** An order that was taken. `inLine`: nothing is held for it yet; from when on something is, sightings tell (`heldSince`). */
export type Taken = Handle & { inLine?: true }

export type Sighting = {
  token: string
  workload: string
  attempt: number
  ranks: RankSighting[]
  /** Since when something is held for it, null as long as it stands in line; only of orders that were taken into a line. */
  heldSince?: number | null
}

/**
 * A rank as the provider shows it; `exited` with its exact code as a shell reports it. One whose capacity was taken away
 * (evicted, preempted, its node gone) is `lost`, whatever code its processes had then: it is tried again as a loss.
 */
export type RankSighting = {
  rank: number
  state: RankState
  exitCode: number | null
  startedAt: number | null
  endedAt: number | null
  /** The node of the inventory that it is on, where an order may let its ranks change places among the chosen ones. */
  node?: string
  /** Why, where more is known; also of a rank that is still `expected`: its image cannot be pulled. */
  cause?: Cause
  /**
   * Notice (spot, drain, maintenance, disruption): its node is taken away then. It stays in what is shown, and does not
   * move on from look to look: where no time was told, it is when the notice was given. The gang is told to end in time
   * for its grace, and placed anew.
   */
  leavesAt?: number
  /** Where it serves, of a rank with ports that no agent tells of. */
  serving?: Serving
}

export type LogPart = { rank: number; from: number; most: number }

/** `from` may be later than asked for when older output was dropped to keep the log bounded. */
export type LogChunk = { from: number; bytes: Uint8Array; end: boolean }
