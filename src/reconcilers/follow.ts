import { conclude } from '#engine/lifecycle/conclude.ts'
import type { Change } from '#model/change.ts'
import type { Facts } from '#store/store.ts'
import { heardAtLeast, listeningSince } from './memory.ts'
import type { Reconciler } from './reconciler.ts'

const batch = 200
/** A control plane that dies while it decides delays the next decision by so long. */
const claimMs = 5_000

/** Draws the conclusions from all news about workloads, and from time that went by without any. */
export const follow: Reconciler = {
  name: 'follow',
  everyMs: 5_000,
  async turn(house) {
    const { store, clock } = house
    const since = listeningSince(house)
    const now = clock.now()
    const due = await store.follow.due({ now, most: batch, claimMs })
    const wrong: unknown[] = []
    const changes = due.flatMap((facts) => concludeOne(listened(facts, since), now, wrong))
    if (changes.length > 0) await store.apply(changes)
    if (wrong.length > 0) throw new AggregateError(wrong, 'some workloads could not be concluded')
    const at = await store.follow.nextDueAt()
    return { status: `followed ${due.length}`, more: due.length === batch, ...(at === null ? {} : { at }) }
  },
}

/** One that cannot be concluded is a bug, and holds up nobody else; its claim runs out, and it is tried again. */
function concludeOne(facts: Facts, now: number, wrong: unknown[]): Change[] {
  try {
    return conclude(facts, now)
  } catch (error) {
    wrong.push(new Error(`workload ${facts.workload.id}`, { cause: error }))
    return []
  }
}

/** Agents are silent only while somebody listens. */
const listened = (facts: Facts, since: number): Facts => ({
  ...facts,
  attempts: facts.attempts.map((attempt) => ({
    ...attempt,
    ranks: attempt.ranks.map((rank) => ({ ...rank, heardAt: heardAtLeast(rank.heardAt, since) })),
  })),
})
