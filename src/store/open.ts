import type { Clock } from '#kit/clock.ts'
import type { Ids } from '#kit/ids.ts'

import { type Database, openDatabase, rehearsed } from './database.ts'
import { listen } from './listener.ts'
import { migrate, refuseNewer, thisProgram, type Program } from './migrate.ts'
import { createAgents } from './queries/agents.ts'
import { apply } from './queries/apply.ts'
import { createClaims } from './queries/claims.ts'
import { createEvents } from './queries/events.ts'
import { createFollow } from './queries/follow.ts'
import { figuresOf } from './queries/figures.ts'
import { createIdempotency } from './queries/idempotency.ts'
import { createJoinedSites } from './queries/joined.ts'
import { createLedger } from './queries/ledger.ts'
import { createOperations } from './queries/operations.ts'
import { createPlacement } from './queries/placement.ts'
import { createPlans } from './queries/plans.ts'
import { createProjects } from './queries/projects.ts'
import { prune } from './queries/prune.ts'
import { createSecrets } from './queries/secrets.ts'
import { createMarketHistory } from './queries/market.ts'
import { createSites } from './queries/sites.ts'
import { createWorkloads } from './queries/workloads.ts'
import type { Store } from './store.ts'

export type StoreOptions = {
  /** Where PostgreSQL is: `startEmbedded(…)` gives one, or a person does. */
  url: string
  /** Makes the ids of what the store itself adds. */
  ids: Ids
  /** When what is applied happened. */
  clock: Clock
  /** Of this program, for whoever opens the same database with another. */
  version?: string
  /** Connections at the most, beside the one that listens. */
  size?: number
}

/** Opens the store and brings its schema up to date. Fails with what is wrong and how to mend it. */
export async function openStore({ url, ids, clock, size, version }: StoreOptions): Promise<Store> {
  const database = await openDatabase({ url, ...(size === undefined ? {} : { size }) })
  try {
    const program = thisProgram(version)
    await migrate(database, program)
    const listener = await listen(url)
    const storeOver = (on: Database): Store => ({
      ...rooms(on, { ids, clock, program }),
      onNudge: listener.on,
      rehearsal: () => storeOver(rehearsed(database)),
      async close() {
        await listener.close()
        await database.close()
      },
    })
    return storeOver(database)
  } catch (error) {
    await database.close()
    throw error
  }
}

type Given = { ids: Ids; clock: Clock; program: Program }

function rooms(database: Database, { ids, clock, program }: Given): Omit<Store, 'onNudge' | 'rehearsal' | 'close'> {
  const newest = program.migrations.at(-1)?.name ?? ''
  const applyWithin: Parameters<typeof createOperations>[1] = (on, changes) =>
    apply(on, changes, { now: clock.now(), ids })
  return {
    workloads: createWorkloads(database),
    placement: createPlacement(database, ids),
    follow: createFollow(database),
    operations: createOperations(database, applyWithin, newest),
    agents: createAgents(database),
    sites: createSites(database),
    joined: createJoinedSites(database),
    market: createMarketHistory(database),
    ledger: createLedger(database),
    events: createEvents(database),
    plans: createPlans(database),
    projects: createProjects(database),
    secrets: createSecrets(database),
    idempotency: createIdempotency(database),
    claims: createClaims(database, newest),
    apply: (changes) => database.write((on) => applyWithin(on, changes)),
    requireSchema: () => refuseNewer(database, program),
    figures: () => figuresOf(database),
    prune: (options) => database.write((on) => prune(on, options)),
  }
}
