import type { House, Turn } from './reconciler.ts'

/** A net below the nudges, which tell of every operation that is intended: so seldom a loop looks while none is open. */
export const idleMs = 60_000
/** … and so soon after it found some: of those that others hold it has not asked. */
const busyMs = 2_500
/** What is due and held by others is looked at no more often than this. */
const leastMs = 500

/** When to look again for operations of a kind. Whoever holds one may die: then it is there for all when its claim runs out. */
export async function lookAgain(
  { store, clock }: Pick<House, 'store' | 'clock'>,
  { kind, found, at }: { kind: 'launch' | 'retire'; found: number; at?: number },
): Promise<Pick<Turn, 'at'>> {
  const now = clock.now()
  if (found > 0) return { at: Math.min(at ?? Infinity, now + busyMs) }
  const next = await store.operations.nextAt(kind, now)
  return next === null ? {} : { at: Math.max(next, now + leastMs) }
}
