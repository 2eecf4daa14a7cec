import { gangsPlaced } from '#engine/placement/demand.ts'
import { place } from '#engine/placement/place.ts'
import type { Decision } from '#model/plan.ts'
import type { Claim, Placed, QueueSnapshot, Usage } from '#store/store.ts'
import { doubt } from './doubt.ts'
import { memory } from './memory.ts'
import type { House, Reconciler } from './reconciler.ts'
import { resting } from './resting.ts'

/** Replicas looked at in one round, beside the first few of each need that is asleep. */
const batch = 1_000

/** Another control plane takes over so soon after this one has died. */
const claimSeconds = 5

/**
 * Needs that were refused in the last round. Who has the same need as one that was refused would be refused as well, so
 * of these only the first few are read again, until they are placed: however long the line of those who find no room
 * is, it is no longer to read than what they want is manifold.
 */
const asleep = memory(() => ({ needs: new Set<string>(), after: '' }))

/** Use of a project counts half after a day. */
const halfLifeMs = 86_400_000

/** What projects used of late changes slowly and is read by looking at all leases of some days. */
const usageMs = 60_000
const lastUsage = memory(() => ({ at: Number.NEGATIVE_INFINITY, usage: new Map<string, Usage>() }))

/** Decides where waiting replicas go. One control plane does it for all: no node is given twice. */
export const admit: Reconciler = {
  name: 'admit',
  everyMs: 5_000,
  // A flood of submits asks for a round with each commit, and a long queue makes each of them long.
  turn: resting({ leastMs: 0, times: 2 }, async (house) => {
    const { store, clock } = house
    const claim = await store.claims.take('admit', house.holder, claimSeconds)
    if (!claim) return { status: 'another control plane admits', at: clock.now() + 1_000 }
    const { waiting, placed, more } = await admitRound(house, claim)
    const at = await store.placement.nextAt(clock.now())
    return { status: `placed ${placed} of ${waiting}`, more, ...(at === null ? {} : { at }) }
  }),
}

async function admitRound(house: House, claim: Claim): Promise<{ waiting: number; placed: number; more: boolean }> {
  const { store, clock, ids } = house
  const now = clock.now()
  const sleepers = asleep(house)
  const { needs: before, after } = sleepers
  const snapshot = await store.placement.snapshot({ now, most: batch, asleep: [...before], after, unlessIdle: true })
  sleepers.after = snapshot.after
  if (snapshot.waiting.length === 0) return { waiting: 0, placed: 0, more: false }
  const graceOf = new Map(snapshot.waiting.map(({ workload }) => [workload.id, workload.spec.checkpoint.graceMs]))
  const plan = house.steering?.plan()
  const facts = { ...snapshot, usage: await usageOf(house, now), ...(await sentFor(house, snapshot, now)) }
  const input = { snapshot: facts, now, ...(plan && { plan }) }
  const decisions = place(input)
  doubt(house, input, decisions)
  const placed = decisions
    .filter((decision) => decision.placement !== null)
    .map((decision): Placed => {
      const graceMs = graceOf.get(decision.workload) ?? 0
      return { decision, attemptId: ids('a'), leaseId: ids('l'), operationId: ids('o'), planId: ids('p'), graceMs }
    })
  const refused = decisions.filter((decision) => decision.placement === null)
  // False: somebody else has the claim by now, and decides on newer facts than these.
  if (!(await store.placement.commit(claim, placed, refused, now)))
    return { waiting: snapshot.waiting.length, placed: 0, more: false }
  if (plan) house.steering?.placed(gangsPlaced(decisions, snapshot.waiting, now))
  // The engine decides no further than it knows who comes next.
  const more = snapshot.more || decisions.length < snapshot.waiting.length
  sleepers.needs = new Set([...needsOf(refused, snapshot), ...(more ? undecided(before, decisions, snapshot) : [])])
  return { waiting: snapshot.waiting.length, placed: placed.length, more }
}

async function usageOf(house: House, now: number): Promise<Map<string, Usage>> {
  const last = lastUsage(house)
  if (now < last.at + usageMs) return last.usage
  last.usage = await house.store.placement.usage({ now, halfLifeMs })
  last.at = now
  return last.usage
}

const lastSent = memory(() => ({ at: Number.NEGATIVE_INFINITY, sent: new Map<string, bigint>() }))

/** What has left each site this month, where somebody waits who reads data: a month begins at midnight UTC. */
async function sentFor(house: House, { waiting }: QueueSnapshot, now: number): Promise<{ sent?: Map<string, bigint> }> {
  const reads = waiting.some(({ workload }) => workload.spec.data.some(({ site, sizeMiB }) => site && sizeMiB))
  if (!reads) return {}
  const last = lastSent(house)
  if (now >= last.at + usageMs) {
    const today = new Date(now)
    last.sent = await house.store.market.sent(Date.UTC(today.getUTCFullYear(), today.getUTCMonth()))
    last.at = now
  }
  return { sent: last.sent }
}

const keyOf = ({ workload, replica }: Pick<Decision, 'workload' | 'replica'>): string => `${workload} ${replica}`

function needsOf(decisions: Decision[], { waiting }: QueueSnapshot): string[] {
  const needs = new Map(waiting.map(({ workload, replica, need }) => [`${workload.id} ${replica.replica}`, need]))
  return decisions.map((decision) => needs.get(keyOf(decision)) ?? '')
}

/** Needs asleep on which nothing was decided in this round. */
function undecided(before: Set<string>, decisions: Decision[], snapshot: QueueSnapshot): string[] {
  const decided = new Set(needsOf(decisions, snapshot))
  return [...before].filter((need) => !decided.has(need))
}
