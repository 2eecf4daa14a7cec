import { place } from '#engine/placement/place.ts'
import type { Decision } from '#model/plan.ts'
import type { Claim, Placed } from '#store/store.ts'
import type { House, Reconciler } from './reconciler.ts'
import { resting } from './resting.ts'

/** Replicas looked at in one round, and in the round after one that found no room for any of those. */
const batch = 1_000
const wideBatch = 20_000

/** Another control plane takes over so soon after this one has died. */
const claimSeconds = 5

/** Decides where waiting replicas go. One control plane does it for all: no node is given twice. */
export const admit: Reconciler = {
  name: 'admit',
  everyMs: 5_000,
  // A flood of submits asks for a round with each commit, and a long queue makes each of them long.
  turn: resting({ leastMs: 0, times: 2 }, async (house) => {
    const { store, clock } = house
    const claim = await store.claims.take('admit', house.holder, claimSeconds)
    if (!claim) return { status: 'another control plane admits', at: clock.now() + 1_000 }
    let round = await admitRound(house, claim, batch)
    if (round.waiting === batch && round.placed === 0) round = await admitRound(house, claim, wideBatch)
    const at = await store.placement.nextAt(clock.now())
    return {
      status: `placed ${round.placed} of ${round.waiting}`,
      more: round.waiting >= batch && round.placed > 0,
      ...(at === null ? {} : { at }),
    }
  }),
}

async function admitRound(
  { store, clock, ids }: House,
  claim: Claim,
  most: number,
): Promise<{ waiting: number; placed: number }> {
  const now = clock.now()
  const snapshot = await store.placement.snapshot({ now, most, unlessIdle: true })
  if (snapshot.waiting.length === 0) return { waiting: 0, placed: 0 }
  const graceOf = new Map(snapshot.waiting.map(({ workload }) => [workload.id, workload.spec.checkpoint.graceMs]))
  const decisions = place({ snapshot, now })
  const placed = decisions
    .filter((decision) => decision.placement !== null)
    .map((decision): Placed => {
      const graceMs = graceOf.get(decision.workload) ?? 0
      return { decision, attemptId: ids('a'), leaseId: ids('l'), operationId: ids('o'), planId: ids('p'), graceMs }
    })
  const refused = decisions.filter((decision: Decision) => decision.placement === null)
  // False: somebody else has the claim by now, and decides on newer facts than these.
  const written = await store.placement.commit(claim, placed, refused, now)
  return { waiting: snapshot.waiting.length, placed: written ? placed.length : 0 }
}
