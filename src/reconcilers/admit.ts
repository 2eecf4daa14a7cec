import { gangsPlaced } from '#engine/placement/demand.ts'
import { place } from '#engine/placement/place.ts'
import type { Claim, Placed, QueueSnapshot, Usage } from '#store/store.ts'
import { doubt } from './doubt.ts'
import { memory } from './memory.ts'
import type { House, Reconciler } from './reconciler.ts'
import { resting } from './resting.ts'
import { retelling } from './retelling.ts'
import { noteRound, toRead } from './sleepers.ts'

/** Replicas looked at in one round, beside the first few of each need that is asleep. */
const batch = 1_000

/** Another control plane takes over so soon after this one has died. */
const claimSeconds = 5

/** Use of a project counts half after a day. */
const halfLifeMs = 86_400_000

/** What projects used of late changes slowly and is read by looking at all leases of some days. */
const usageMs = 60_000
const lastUsage = memory(() => ({ at: Number.NEGATIVE_INFINITY, usage: new Map<string, Usage>() }))

/** Decides where waiting replicas go. One control plane does it for all: no node is given twice. */
export const admit: Reconciler = {
  name: 'admit',
  everyMs: 5_000,
  // Each commit of a flood of submits asks for a round, and who comes behind a long queue that finds no room finds none.
  turn: resting({ leastMs: 0, times: 1 }, async (house) => {
    const { store, clock } = house
    const claim = await store.claims.take('admit', house.holder, claimSeconds)
    if (!claim) return { status: 'another control plane admits', at: clock.now() + 1_000 }
    const { waiting, placed, more, tellAt } = await admitRound(house, claim)
    const nextAt = await store.placement.nextAt(clock.now())
    const times = [tellAt, nextAt].filter((at) => at !== null)
    const status = `placed ${placed} of ${waiting}`
    return { status, more, useful: placed > 0, ...(times.length > 0 && { at: Math.min(...times) }) }
  }),
}

type Admitted = { waiting: number; placed: number; more: boolean; tellAt: number | null }

async function admitRound(house: House, claim: Claim): Promise<Admitted> {
  const { store, clock, ids, movesPerHour = 0 } = house
  const now = clock.now()
  const snapshot = await store.placement.snapshot({
    now,
    most: batch,
    ...toRead(house, now),
    moves: movesPerHour > 0,
    unlessIdle: true,
  })
  if (snapshot.waiting.length === 0) return { waiting: 0, placed: 0, more: false, tellAt: null }
  const graceOf = new Map(snapshot.waiting.map(({ workload }) => [workload.id, workload.spec.checkpoint.graceMs]))
  const plan = house.steering?.plan()
  const facts = { ...snapshot, usage: await usageOf(house, now), ...(await sentFor(house, snapshot, now)) }
  const input = { snapshot: facts, now, movesPerHour, ...(plan && { plan }) }
  const decisions = place(input)
  doubt(house, input, decisions)
  const placed = decisions
    .filter((decision) => decision.placement !== null)
    .map((decision): Placed => {
      const graceMs = graceOf.get(decision.workload) ?? 0
      return { decision, attemptId: ids('a'), leaseId: ids('l'), operationId: ids('o'), planId: ids('p'), graceMs }
    })
  // False: somebody else has the claim by now, and decides on newer facts than these.
  const telling = retelling(house, decisions, now)
  if (!(await store.placement.commit(claim, placed, telling.news, now)))
    return { waiting: snapshot.waiting.length, placed: 0, more: false, tellAt: null }
  telling.written(placed.map(({ decision }) => decision))
  if (plan) house.steering?.placed(gangsPlaced(decisions, snapshot.waiting, now))
  // The engine decides no further than it knows who comes next.
  const more = snapshot.more || decisions.length < snapshot.waiting.length
  const isCut = noteRound(house, { snapshot, decisions, more, now })
  return { waiting: snapshot.waiting.length, placed: placed.length, more: more || isCut, tellAt: telling.at }
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
