import { conclude } from '#engine/lifecycle/conclude.ts'
import { toldWithinMs } from '#engine/lifecycle/patience.ts'
import type { Change } from '#model/change.ts'
import type { Rank } from '#model/rank.ts'
import type { Facts } from '#store/store.ts'
import { hearing } from './hearing.ts'
import { heardAtLeast, listeningSince } from './memory.ts'
import type { House, Reconciler } from './reconciler.ts'

const batch = 200
/** A control plane that dies while it decides delays the next decision by so long. */
const claimMs = 5_000

/** Draws the conclusions from all news about workloads, and from time that went by without any. */
export const follow: Reconciler = {
  name: 'follow',
  everyMs: 60_000,
  async turn(house) {
    const { store, clock } = house
    const since = listeningSince(house)
    const now = clock.now()
    const due = (await store.follow.due({ now, most: batch, claimMs })).map((facts) => listened(facts, since))
    const hears = await hearing(house, due, now)
    const wrong: unknown[] = []
    const concluded = due.map((facts) => concludeOne(withHearing(facts, hears), now, wrong))
    await write(concluded, house, wrong)
    if (wrong.length > 0) throw new AggregateError(wrong, 'some workloads could not be concluded')
    const at = await store.follow.nextDueAt()
    return { status: `followed ${due.length}`, more: due.length === batch, ...(at === null ? {} : { at }) }
  },
}

/** One that cannot be concluded is a bug, and holds up nobody else; its claim runs out, and it is tried again. */
function concludeOne(facts: Facts, now: number, wrong: unknown[]): Change[] {
  try {
    return conclude(facts, now).map((change) =>
      change.change === 'look-again' ? { ...change, claim: facts.claim } : change,
    )
  } catch (error) {
    wrong.push(new Error(`workload ${facts.workload.id}`, { cause: error }))
    return []
  }
}

/** All at once; if that fails, one by one, so that what cannot be written holds up nobody else. */
async function write(concluded: Change[][], { store }: House, wrong: unknown[]): Promise<void> {
  const changes = concluded.flat()
  if (changes.length === 0) return
  try {
    await store.apply(changes)
  } catch (error) {
    if (concluded.length === 1) throw error
    for (const some of concluded) await store.apply(some).catch((reason: unknown) => wrong.push(reason))
  }
}

const withHearing = (facts: Facts, hears: ReadonlyMap<string, number>): Facts => ({
  ...facts,
  sites: Object.fromEntries(
    Object.entries(facts.sites).map(([site, known]) => {
      const hearsSince = hears.get(site)
      return [site, hearsSince === undefined ? known : { ...known, hearsSince }]
    }),
  ),
})

/**
 * Agents are silent only while somebody listens, and a site does not answer only while somebody asks. Who was not heard
 * since somebody does may have ended before.
 */
const listened = (facts: Facts, since: number): Facts => ({
  ...facts,
  ...(isUntold(facts, since) && { toldBy: since + toldWithinMs }),
  sites: Object.fromEntries(
    Object.entries(facts.sites).map(([site, known]) => [site, { ...known, since: Math.max(known.since, since) }]),
  ),
  attempts: facts.attempts.map((attempt) => ({
    ...attempt,
    ranks: attempt.ranks.map((rank) => ({ ...rank, heardAt: heardAtLeast(rank.heardAt, since) })),
  })),
})

/** Whether an attempt is older than that, and something of it neither heard since nor known to be over. */
const isUntold = ({ attempts }: Facts, since: number): boolean =>
  attempts.some(({ createdAt, ranks }) => createdAt < since && ranks.some((rank) => isOpen(rank, since)))

const isOpen = ({ state, heardAt }: Rank, since: number): boolean =>
  state !== 'exited' && state !== 'lost' && (heardAt ?? 0) < since
