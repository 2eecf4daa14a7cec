import { createComparison } from './changes.ts'
import { createKnown } from './known.ts'
import { patientBounds, type Seen } from './invariant.ts'
import type { Tables } from './tables.ts'

/** A store with nothing in it. */
export const noTables: Tables = {
  workloads: new Map(),
  replicas: new Map(),
  attempts: new Map(),
  leases: new Map(),
  ranks: new Map(),
  operations: new Map(),
  tasks: new Map(),
  entries: new Map(),
  spent: new Map(),
  sites: new Map(),
  projects: new Map(),
  claims: new Map(),
  counts: { events: 0, plans: 0, idempotency: 0, control_planes: 0 },
}

/** What there is to see, nothing but what is given, where all that should happen can. */
export function seenOf(given: Partial<Seen>): Seen {
  const changes = given.changes ?? createComparison()(given.tables ?? noTables)
  const known = createKnown()
  known.learn(changes)
  return {
    now: 0,
    tables: noTables,
    changes,
    known,
    gangs: [],
    gangOf: () => null,
    agentsOf: () => null,
    bill: () => [],
    events: [],
    readers: [],
    people: null,
    undeclared: new Set(),
    calls: [],
    offered: new Map(),
    tookBack: false,
    asked: () => [],
    decisions: [],
    able: () => true,
    lied: () => false,
    bounds: patientBounds,
    atRest: false,
    ...given,
  }
}
