import { createFakeClock } from '#simulator/fake-clock.ts'
import type { Breach } from '#simulator/house/invariants/invariant.ts'
import { liveThrough, type Planted } from '#simulator/house/invariants/planted-world.ts'
import { createSeenTables } from '#simulator/house/memory/seen-tables.ts'
import { createMemoryStore } from '#simulator/house/memory/store.ts'

/** What the invariants say of a story with a fault in it, or of the same story without. */
export function breachesOf(planted: Planted, { isPlanted }: { isPlanted: boolean }): Promise<Breach[]> {
  const clock = createFakeClock()
  const store = createMemoryStore({ clock })
  return liveThrough(planted, { store, tables: createSeenTables(store.tables), clock }, { isPlanted })
}

/** Why a planted fault proves nothing: it is not seen, or something is seen without it; null when all is well. */
export async function missed(planted: Planted): Promise<string | null> {
  const seen = await breachesOf(planted, { isPlanted: true })
  if (!seen.some(({ invariant }) => invariant === planted.breaks))
    return `"${planted.breaks}" did not see it; these were seen: ${JSON.stringify(seen)}`
  const without = await breachesOf(planted, { isPlanted: false })
  return without.length === 0 ? null : `without the fault these are seen: ${JSON.stringify(without)}`
}
