import type { Clock, Instant } from '#kit/clock.ts'
import { pulse } from '#store/listener.ts'
import { allNudges } from '#store/queries/nudge.ts'
import { StoreFull, StoreUnavailable } from '#store/store-unavailable.ts'
import type { Nudge, Store } from '#store/store.ts'

/**
 * What befalls a call at the database. `fail`: its transaction is undone. `lose-reply`: it is committed, and the
 * connection breaks before the answer. `full`: nothing can be written. `collide`: another is in its way for so long that
 * it is given up.
 */
export type DatabaseFault = 'fail' | 'lose-reply' | 'full' | 'collide'

/** Befalls the `nth` call of a control plane from now on whose name begins with `call`, and the next ones, so many in all. */
export type DatabaseAmbush = { plane: string; call: string; nth: number; times: number; how: DatabaseFault }

/** A PostgreSQL that several processes share, with what befalls it. */
export type Database = {
  /** Makes a call for a process as the store would over a connection: it waits a while for a database that is away. */
  ask<T>(plane: string, call: string, make: () => Promise<T>): Promise<T>
  /** Nudges as the listener of a process hears them: when some may have been missed, all are told. */
  onNudge(plane: string, listen: (nudge: Nudge, ids: readonly string[]) => void): () => void
  /** It restarts: until then nobody is answered and nothing is told. */
  away(milliseconds: number): void
  /** The listener of a process hears nothing for so long, or until it notices that, as a real one does within seconds. */
  deafen(plane: string, milliseconds: number): void
  ambush(ambush: DatabaseAmbush): void
  /** Nothing more befalls it. */
  calm(): void
}

type Options = {
  store: Pick<Store, 'onNudge'>
  clock: Clock
  /** A fault has met a call. */
  met: (fault: string, plane: string, call: string) => void
}

/** So long the store waits for a database that does not answer before it gives up. */
const patienceMs = 5_000

/** Asked again when the connection breaks, though they may have happened (`Database.claim` of the store). */
const claims = new Set(['claims.take', 'claims.keep', 'claims.announce', 'operations.claim', 'follow.due'])

const reads = new Set(
  `workloads.get workloads.find workloads.list workloads.attempts workloads.refusal workloads.failedTasks
  workloads.endpoints workloads.bundles workloads.expired placement.snapshot placement.come placement.more
  placement.usage placement.nextAt follow.nextDueAt operations.nextAt agents.view agents.views sites.list sites.count
  sites.kept sites.differing sites.orphans joined.list market.spot market.sites market.sent ledger.unmetered ledger.spent
  ledger.cost events.since events.latest plans.get plans.ofWorkload projects.list secrets.get secrets.find secrets.list
  figures requireSchema`.split(/\s+/),
)

export const isRead = (call: string): boolean => reads.has(call)

export function createDatabase({ store, clock, met }: Options): Database {
  let awayUntil: Instant = 0
  const deafUntil = new Map<string, Instant>()
  const ambushes: DatabaseAmbush[] = []
  const listeners = new Map<(nudge: Nudge, ids: readonly string[]) => void, string>()

  const tellAll = (nudges: readonly Nudge[], plane?: string): void => {
    for (const [listen, whose] of listeners)
      if (plane === undefined || whose === plane) for (const one of nudges) listen(one, [])
  }
  const isDeaf = (plane: string): boolean => clock.now() < awayUntil || clock.now() < (deafUntil.get(plane) ?? 0)

  const waitForIt = async (plane: string, call: string): Promise<void> => {
    met('database-away', plane, call)
    await clock.sleep(Math.min(patienceMs, awayUntil - clock.now()))
    if (clock.now() < awayUntil) throw unavailable()
  }

  const askInTrouble = async <T>(plane: string, call: string, make: () => Promise<T>): Promise<T> => {
    if (clock.now() < awayUntil) await waitForIt(plane, call)
    const fault = strikes(ambushes, plane, call)?.how
    if (fault === undefined) return make()
    met(`database-${fault}`, plane, call)
    if (fault !== 'lose-reply') throw failures[fault]()
    const first = await make()
    if (isRead(call)) return first
    if (claims.has(call)) return make()
    throw unavailable()
  }

  return {
    ask: (plane, call, make) =>
      clock.now() < awayUntil || ambushes.length > 0 ? askInTrouble(plane, call, make) : make(),
    onNudge(plane, listen) {
      listeners.set(listen, plane)
      const off = store.onNudge((nudge, ids) => {
        if (!isDeaf(plane)) listen(nudge, ids)
      })
      return () => {
        listeners.delete(listen)
        off()
      }
    },
    away(milliseconds) {
      awayUntil = Math.max(awayUntil, clock.now() + milliseconds)
      tellAll(['admit'])
      void clock.sleep(milliseconds).then(() => clock.now() >= awayUntil && tellAll(allNudges))
    },
    deafen(plane, given) {
      const milliseconds = Math.min(given, noticedMs)
      deafUntil.set(plane, Math.max(deafUntil.get(plane) ?? 0, clock.now() + milliseconds))
      void clock.sleep(milliseconds).then(() => {
        if (!isDeaf(plane)) tellAll(allNudges, plane)
      })
    },
    ambush: (ambush) => void ambushes.push({ ...ambush }),
    calm() {
      ambushes.length = 0
      awayUntil = Math.min(awayUntil, clock.now())
      deafUntil.clear()
      tellAll(allNudges)
    },
  }
}

/** Who hears nothing notices that, listens anew, and looks at everything. */
const noticedMs = pulse.everyMs + pulse.mostMs

/** What befalls this call, if anything does. */
function strikes(ambushes: DatabaseAmbush[], plane: string, call: string): DatabaseAmbush | undefined {
  const isMet = (one: DatabaseAmbush): boolean =>
    one.plane === plane && call.startsWith(one.call) && (one.how === 'fail' || !isRead(call)) && --one.nth <= 0
  const met = ambushes.find(isMet)
  if (met && --met.times <= 0) ambushes.splice(ambushes.indexOf(met), 1)
  return met
}

const unavailable = (): StoreUnavailable =>
  new StoreUnavailable('PostgreSQL does not answer. Try again in a moment.', {
    cause: Object.assign(new Error('Connection terminated unexpectedly'), { code: '08006' }),
  })

const failures: Record<Exclude<DatabaseFault, 'lose-reply'>, () => Error> = {
  fail: () => unavailable(),
  full: () => new StoreFull('The disk of the database is full, and nothing more can be written.'),
  collide: () => collision(),
}

const collision = (): Error =>
  Object.assign(new Error('could not serialize access due to concurrent update'), { code: '40001' })
