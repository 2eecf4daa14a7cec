import { avoiding } from '#engine/lifecycle/patience.ts'
import { backoffMs } from '#kit/backoff.ts'
import type { Change } from '#model/change.ts'
import { fail, type Fault, retryAfterOf } from '#model/fault.ts'
import type { SiteRoom } from '#model/operation.ts'
import { siteKey } from '#model/site.ts'
import type { Taken } from '#providers/provider.ts'
import type { ClaimedOperation, OperationResult } from '#store/store.ts'
import { idleMs, lookAgain } from './looking.ts'
import { memory } from './memory.ts'
import { launchAt } from './order.ts'
import { begin, freshPace, heard, orderMs, type Pace, roomLeft } from './pace.ts'
import type { House, Reconciler } from './reconciler.ts'
import { sideBySide, soonest, within } from './side-by-side.ts'

const batch = 64
/** A call ends before its claim does: nobody retires what is still being launched. If we die, another repeats it then. */
const afterCallMs = 1_000
/** A turn waits so long for its calls; slower ones go on beside the next turns, and hold nobody back. */
const patienceMs = 100
const backoff = { firstMs: 500, mostMs: 30_000 }

/**
 * Asks providers for the capacity that was decided on.
 *
 * The operation was written down with its token in the transaction of the decision, before anybody called. Here it is
 * carried out: claimed, called, settled. Whoever dies in between leaves the row as it was, and the next turn, here or in
 * another control plane, repeats the call with the same token; the provider creates one gang, however often it is
 * asked. The answer is written once, with everything that follows from it.
 */
export const launch: Reconciler = {
  name: 'launch',
  everyMs: idleMs,
  async turn(house, signal) {
    const { store, clock, holder } = house
    const launching = underWay(house)
    const sites = roomsOf(house)
    const claim = {
      kind: 'launch',
      holder,
      now: clock.now(),
      most: batch,
      seconds: claimSeconds(freshPace()),
      sites,
    } as const
    const operations = await store.operations.claim(claim)
    const orders = beginAll(operations, house)
    const isFull = orders.some(({ begun }) => begun.pressed)
    const results = await sideBySide(
      orders.map((order) => launchOne(order, house, signal)),
      clock,
      patienceMs,
    )
    const next = await lookAgain(house, { kind: 'launch', found: operations.length, ...soonest(results) })
    return {
      status: `launched ${operations.length}`,
      more: operations.length === batch || isFull, // those of other sites may be behind these
      ...next,
      ...(launching.orders > 0 ? { when: launching.next.promise } : {}),
    }
  },
}

/** What each site has shown of how it takes orders; how many are under way, and the end of the next one. */
const underWay = memory(() => ({ paces: new Map<string, Pace>(), orders: 0, next: Promise.withResolvers<void>() }))

const claimSeconds = (pace: Pace): number => (orderMs(pace) + afterCallMs) / 1000

/** How many orders may begin now at each site that we know of. */
function roomsOf(house: House): SiteRoom[] {
  const { paces } = underWay(house)
  return [...house.providers.values()].flatMap((provider) =>
    provider.sites().map((site) => {
      const key = siteKey(site)
      const pace = paces.get(key) ?? freshPace()
      paces.set(key, pace)
      return { site: key, most: roomLeft(pace), seconds: claimSeconds(pace) }
    }),
  )
}

type Begun = { operation: ClaimedOperation; pace: Pace; begun: ReturnType<typeof begin> }

function beginAll(operations: ClaimedOperation[], house: House): Begun[] {
  const launching = underWay(house)
  launching.orders += operations.length
  return [...Map.groupBy(operations, ({ site }) => site)].flatMap(([site, its]) => {
    const pace = launching.paces.get(site) ?? freshPace() // one that nobody declares here: its orders end at once
    const begun = begin(pace, its.length, house.clock.now())
    return its.map((operation) => ({ operation, pace, begun }))
  })
}

async function launchOne(order: Begun, house: House, signal: AbortSignal): Promise<OperationResult> {
  const { operation, pace } = order
  const launching = underWay(house)
  try {
    const { result, changes } = stillWanted(operation)
      ? await ask(order, house, signal)
      : { result: done('failed', 'it was no longer wanted'), changes: [retire(operation)] }
    // False: somebody else has the operation by now and settles it; the provider gave both the same answer.
    await house.store.operations.settle({ ...operation, holder: house.holder }, result, changes)
    return result
  } finally {
    pace.underWay -= 1
    launching.orders -= 1
    launching.next.resolve()
    launching.next = Promise.withResolvers()
  }
}

/** Read with the claim, a moment ago: a stop that comes later finds a lease to retire. */
const stillWanted = ({ attempt, workload }: ClaimedOperation): boolean =>
  workload.wants === 'run' && (attempt.state === 'starting' || attempt.state === 'running')

type Settlement = { result: OperationResult; changes: Change[] }

async function ask({ operation, pace, begun }: Begun, house: House, signal: AbortSignal): Promise<Settlement> {
  const { clock } = house
  const { lease, leaseRow } = operation
  const provider = house.providers.get(leaseRow.provider)
  const answer = provider
    ? await within(begun.mostMs, { clock, signal }, (call) => launchAt(provider, { operation, house }, call))
    : fail('denied', 'elsewhere', `the provider ${leaseRow.provider} is not configured here`)
  heard(pace, begun, { now: clock.now(), answered: answer.ok || !isSilence(answer.fault) })
  if (answer.ok) return { result: done('done', ''), changes: [takenAs(lease, answer.value), ...billed(operation)] }
  return refusal(operation, answer.fault, house.clock.now())
}

/** Nobody answered, or asked to be called less often. */
const isSilence = ({ kind }: Fault): boolean => kind === 'unreachable' || kind === 'throttled'

const takenAs = (id: string, { inLine }: Taken): Change => ({
  change: 'lease',
  id,
  to: 'starting',
  ...(inLine && { inLine }),
})

/** Billing begins, and with a budget it is known from now on when that will be used up. */
const billed = ({ workload: { id, spec } }: ClaimedOperation): Change[] =>
  spec.budget ? [{ change: 'look-again', id, at: 0 }] : []

/** What follows from a fault: the same call again, another offer, or the end. */
function refusal(operation: ClaimedOperation, fault: Fault, now: number): Settlement {
  const detail = `${fault.kind}: ${fault.detail}`
  switch (fault.retry) {
    case 'later': // the lease stays wanted; the follow loop withdraws it when this takes too long
      return { result: { state: 'intended', retryAt: now + pause(operation, fault), detail }, changes: [] }
    case 'elsewhere':
      return { result: done('failed', detail), changes: [...refuse(operation, detail), elsewhere(operation, now)] }
    case 'never':
      return {
        result: done('failed', detail),
        changes: [...refuse(operation, detail), ...giveUp(operation, fault, now)],
      }
  }
}

/** The lease was not taken, so nothing is there to pay or to retire. */
function refuse({ lease, attempt, workload, leaseRow }: ClaimedOperation, detail: string): Change[] {
  const reason = `${siteOf(leaseRow)} refused it: ${detail}`
  return [
    { change: 'lease', id: lease, to: 'refused' },
    { change: 'attempt', id: attempt.id, to: 'refused', reason },
    { change: 'look-again', id: workload.id, at: 0 },
  ]
}

/** Back to the queue, and not to this site for a while. Nothing has run, so nothing counts as a failure. */
function elsewhere({ workload, replica, leaseRow }: ClaimedOperation, now: number): Change {
  const { losses, failures } = replica
  const avoid = avoiding(replica.avoid, siteOf(leaseRow), now)
  return {
    change: 'replica-waits',
    workload: workload.id,
    replica: replica.replica,
    losses,
    failures,
    notBefore: now,
    avoid,
  }
}

/** A job whose order is wrong is wrong everywhere. What can never work here for another reason may work elsewhere. */
function giveUp(operation: ClaimedOperation, fault: Fault, now: number): Change[] {
  const { workload, replica, leaseRow } = operation
  if (fault.kind !== 'invalid' || workload.kind !== 'job') return [elsewhere(operation, now)]
  const reason = `${siteOf(leaseRow)}: ${fault.detail}`
  return [
    { change: 'replica-done', workload: workload.id, replica: replica.replica },
    { change: 'workload', id: workload.id, to: 'failed', reason, exitCode: 1 },
  ]
}

const retire = ({ lease, leaseRow }: ClaimedOperation): Change => ({ change: 'retire', lease, site: siteOf(leaseRow) })
const siteOf = ({ provider, site }: ClaimedOperation['leaseRow']) => siteKey({ provider, name: site })
const done = (state: 'done' | 'failed', detail: string): OperationResult => ({ state, detail })
const pause = ({ tries }: ClaimedOperation, fault: Fault): number =>
  Math.max(retryAfterOf(fault), backoffMs({ ...backoff, tries, spread: 0 }))
