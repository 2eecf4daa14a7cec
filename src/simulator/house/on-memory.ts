import { createMemoryStore } from './memory/store.ts'
import { createSeenTables } from './memory/seen-tables.ts'
import type { MakeBacking } from './world.ts'

/** A simulated house remembers in this process. */
export const onMemory: MakeBacking = (clock) => {
  const store = createMemoryStore({ clock })
  return { store, crash: store.crash, tables: createSeenTables(store.tables), close: () => store.close() }
}
