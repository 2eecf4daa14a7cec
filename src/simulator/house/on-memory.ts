import { createMemoryStore } from './memory/store.ts'
import { createSeenTables } from './memory/seen-tables.ts'
import type { MakeBacking } from './world.ts'

/** A simulated house remembers in this process. */
export const onMemory: MakeBacking = (clock) => {
  const store = createMemoryStore({ clock })
  const tables = createSeenTables(store.tables)
  const leaseState = (lease: string) => store.tables.leases.get(lease)?.state
  return { store, crash: store.crash, tables, leaseState, close: () => store.close() }
}
