import type { Clock } from '#kit/clock.ts'
import { createIds, type Ids } from '#kit/ids.ts'
import { createRandom } from '#kit/random.ts'
import type { Store } from '#store/store.ts'
import { createAgents } from './agents.ts'
import { apply } from './apply.ts'
import { createClaims } from './claims.ts'
import { createEvents } from './events.ts'
import { figuresOf } from './figures.ts'
import { createFollow } from './follow.ts'
import { createIdempotency } from './idempotency.ts'
import { createJoinedSites } from './joined.ts'
import { createLedger } from './ledger.ts'
import { createMarketHistory } from './market.ts'
import { createMemory, type Memory } from './memory.ts'
import { createOperations } from './operations.ts'
import { createPlacement } from './placement.ts'
import { createPlans } from './plans.ts'
import { createProjects } from './projects.ts'
import { prune } from './prune.ts'
import { createSecrets } from './secrets.ts'
import { createSites } from './sites.ts'
import type { Tables } from './tables.ts'
import { createWorkloads } from './workloads.ts'

type Options = {
  /** Of the house, and of the database. */
  clock: Clock
  /** Makes the ids of what the store itself adds. */
  ids?: Ids
}

/**
 * A store in this process instead of PostgreSQL, for the simulator: the same answers, rows and nudges, in microseconds.
 * Each transaction happens whole, the first of a call at the moment when that is made; what is two transactions in
 * PostgreSQL is two here. That both are equal is tested (equal.property.test.ts).
 */
export function createMemoryStore(options: Options): Store & { tables: Tables; crash(): void } {
  const { clock } = options
  const memory = createMemory(clock, options.ids ?? createIds(clock.now, createRandom('store').bytes))
  return { ...storeOver(memory), tables: memory, crash: memory.crash }
}

const storeOver = (memory: Memory): Store => ({
  workloads: createWorkloads(memory),
  placement: createPlacement(memory),
  follow: createFollow(memory),
  operations: createOperations(memory),
  agents: createAgents(memory),
  sites: createSites(memory),
  joined: createJoinedSites(memory),
  market: createMarketHistory(memory),
  ledger: createLedger(memory),
  events: createEvents(memory),
  plans: createPlans(memory),
  projects: createProjects(memory),
  secrets: createSecrets(memory),
  idempotency: createIdempotency(memory),
  claims: createClaims(memory),
  apply: (changes) => memory.write(() => apply(memory, changes, memory.clock.now())),
  requireSchema: () => Promise.resolve(),
  figures: () => memory.read(() => figuresOf(memory)),
  prune: (options) => memory.write(() => prune(memory, options)),
  onNudge: memory.onNudge,
  rehearsal: () => storeOver(memory.rehearsed()),
  close: () => Promise.resolve(),
})
