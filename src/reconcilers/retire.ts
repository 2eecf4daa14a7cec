import { backoffMs } from '#kit/backoff.ts'
import { formatDuration } from '#kit/duration.ts'
import type { Change } from '#model/change.ts'
import { type Fault, retryAfterOf } from '#model/fault.ts'
import type { Remain } from '#model/joined-site.ts'
import { siteKey } from '#model/site.ts'
import type { Handle, Provider, Sighting } from '#providers/provider.ts'
import type { AgentView, ClaimedOperation, OperationResult } from '#store/store.ts'
import { sinceOf } from '#engine/lifecycle/attempt-changes.ts'
import { silenceMs } from '#engine/lifecycle/patience.ts'
import { collectLogs, type Progress, type Source, tellOfTheRest } from './collect-logs.ts'
import { idleMs, lookAgain } from './looking.ts'
import { memory } from './memory.ts'
import { orderMs, slowest } from './pace.ts'
import type { House, Reconciler } from './reconciler.ts'
import { sideBySide, soonest, within } from './side-by-side.ts'

const batch = 64
/** All calls of one try end before the claim does, so that nobody else is at it meanwhile. */
const afterCallMs = 1_000
const soon = { firstMs: 100, mostMs: 2_000 }
const later = { firstMs: 500, mostMs: 15_000 }
/** Agents get the grace of their ranks to end by themselves, and so long on top. */
const afterGraceMs = 3_000
/** How long machines are kept for logs that nobody gives though their site answers. */
const logPatienceMs = 600_000
/** How long nodes are waited for to give logs once a site is back that was lost: they may take longer than it does. */
const nodePatienceMs = 30_000

/** How long the slowest tries took lately at each site: one that came to no end in its time gets more the next time. */
const slowness = memory(() => new Map<string, { slowMs: number }>())

const collecting = memory(() => new Map<string, Progress>())

/**
 * Gives capacity back, until the provider shows nothing of it any more. What the ranks wrote is kept first: their logs
 * go with their machines. While a site does not answer, the operation stays open; that is the fence around what may
 * still run there.
 */
export const retire: Reconciler = {
  name: 'retire',
  everyMs: idleMs,
  async turn(house, signal) {
    const { store, clock, holder } = house
    const times = timesOf(house)
    const sites = [...times].map(([site, ms]) => ({ site, most: batch, seconds: secondsFor(ms) }))
    const seconds = secondsFor(orderMs(quick))
    const claim = { kind: 'retire', holder, now: clock.now(), most: batch, seconds, sites } as const
    const operations = await store.operations.claim(claim)
    if (operations.length === 0)
      return { status: 'nothing to retire', ...(await lookAgain(house, { kind: 'retire', found: 0 })) }
    const views = await store.agents.views(operations.map(({ lease }) => lease))
    const calls = operations.map((operation) => {
      const here = { house, signal, mostMs: times.get(operation.site) ?? orderMs(quick) }
      return retireOne(operation, views.get(operation.lease), here)
    })
    const results = await sideBySide(calls, clock)
    const next = await lookAgain(house, { kind: 'retire', found: operations.length, ...soonest(results) })
    return { status: `retired ${operations.length}`, more: operations.length === batch, ...next }
  },
}

const quick = { slowMs: 0 }

/** How long all calls of one try may take at each site, in ms: as long as an order. */
const timesOf = (house: House): Map<string, number> =>
  new Map([...slowness(house)].map(([site, slow]) => [site, orderMs(slow)]))

const secondsFor = (callMs: number): number => (callMs + afterCallMs) / 1000

type Here = { house: House; signal: AbortSignal; mostMs: number }

async function retireOne(
  operation: ClaimedOperation,
  view: AgentView | undefined,
  here: Here,
): Promise<OperationResult> {
  const { store, providers, clock, holder } = here.house
  const provider = providers.get(operation.leaseRow.provider)
  const began = clock.now()
  const { seen, result } = provider
    ? await within(here.mostMs, { clock, signal: here.signal }, async (call) => {
        const changes = await seenAfterAll(operation, provider, call)
        if (changes === null) return { seen: [], result: again(operation, clock.now(), unanswered) }
        return { seen: changes, result: await act(operation, { provider, view, call, house: here.house }) }
      })
    : {
        seen: [],
        result: again(operation, clock.now(), { ...later, detail: `${siteOf(operation)} is not configured here` }),
      }
  const slow = slowness(here.house)
  slow.set(operation.site, { slowMs: slowest(slow.get(operation.site) ?? quick, clock.now() - began) })
  const over = result.state === 'done'
  const isNews = isHeldUp(result.detail) && result.detail !== operation.detail
  if (over) collecting(here.house).delete(operation.lease)
  await store.operations.settle({ ...operation, holder }, result, [
    ...seen,
    ...(isNews ? told(operation, result.detail) : []),
    ...(over ? [{ change: 'lease', id: operation.lease, to: 'gone' } as const] : []),
    ...(over ? [{ change: 'look-again', id: operation.workload.id, at: 0 } as const] : []),
  ])
  return result
}

/**
 * A lost lease that its site shows when it is back was there all the time, and one whose order nobody answered was
 * taken: both are billed until nothing of them is left. Null where the site does not say: once it is retired nobody
 * could tell any more.
 */
async function seenAfterAll(
  operation: ClaimedOperation,
  provider: Provider,
  call: AbortSignal,
): Promise<Change[] | null> {
  const { leaseRow, token } = operation
  const { id, site, state, startedAt } = leaseRow
  if (state !== 'lost' && startedAt !== null) return []
  const seen = await provider.get({ site, token }, call)
  if (!seen.ok) return isSilence(seen.fault) ? null : []
  if (seen.value === null) return []
  return [
    ...(state === 'lost' ? [{ change: 'lease', id, to: 'stopping' } as const] : []),
    ...(startedAt === null ? billedFrom(id, seen.value) : []),
  ]
}

/** What stood in line all the time held nothing. */
function billedFrom(id: string, { ranks, heldSince }: Sighting): Change[] {
  if (heldSince === null) return []
  return [{ change: 'lease', id, to: 'starting', ...(heldSince === undefined ? sinceOf(ranks) : { since: heldSince }) }]
}

type With = { house: House; provider: Provider; view: AgentView | undefined; call: AbortSignal }

async function act(operation: ClaimedOperation, { provider, view, house, call }: With): Promise<OperationResult> {
  const { leaseRow, token } = operation
  const handle: Handle = { site: leaseRow.site, token }
  const ranks = leaseRow.ranks.map(({ rank }) => rank)
  const now = house.clock.now()
  if (agentsAreAtIt(operation, view, now)) {
    const seen = await provider.get(handle, call)
    if (!seen.ok) return afterFault(operation, now, seen.fault)
    const running = seen.value?.ranks.some(({ state }) => state !== 'exited' && state !== 'lost')
    if (running) return again(operation, now, { ...soon, detail: 'its agents end it' })
  }
  const { lease } = operation
  const nodesUntil = leaseRow.state === 'lost' ? now + nodePatienceMs : now
  const progress = collecting(house).get(lease) ?? { finished: new Set(), movedAt: now, nodesUntil }
  collecting(house).set(lease, progress)
  const source = { provider, handle, ranks, lease, archive: house.archive, progress, now: house.clock.now }
  const logs = await collectLogs(source, call)
  if (logs !== 'all' && !(await isInVain(source, call))) {
    if (logs === 'unreachable') return again(operation, now, unanswered)
    return again(operation, now, { ...soon, detail: 'its logs are still being collected' })
  }
  const answer = await provider.retire(handle, leaseRow.graceMs, call)
  if (!answer.ok) return afterFault(operation, house.clock.now(), answer.fault)
  if (answer.value === 'gone') return { state: 'done', detail: '' }
  if (typeof answer.value !== 'string')
    return again(operation, house.clock.now(), { ...later, detail: heldUp(answer.value.held) })
  return again(operation, house.clock.now(), { ...soon, detail: 'nodes are ending' })
}

/** Whether no more of its logs came for long, though its site answers. Then that is said in them, and it goes without. */
async function isInVain(source: Source, call: AbortSignal): Promise<boolean> {
  const { provider, handle, progress, now } = source
  if (now() < progress.movedAt + logPatienceMs) return false
  if (!(await provider.get(handle, call)).ok) {
    progress.movedAt = now() // it has as long again once it is back
    return false
  }
  await tellOfTheRest(source, `${handle.site} answered, and did not give it for ${formatDuration(logPatienceMs)}`)
  return true
}

/**
 * Agents that report were told to stop when the attempt was: they end their ranks within the grace and write the last
 * of the logs, which would be lost if their nodes went first. The tries stand for the time that has gone by.
 */
function agentsAreAtIt(operation: ClaimedOperation, view: AgentView | undefined, now: number): boolean {
  const mostTries = 5 + Math.ceil((operation.leaseRow.graceMs + afterGraceMs) / soon.mostMs)
  const talking = view?.ranks.some(
    ({ state, heardAt }) => state !== 'exited' && state !== 'lost' && heardAt !== null && now < heardAt + silenceMs,
  )
  return talking === true && operation.tries <= mostTries
}

type Pause = { firstMs: number; mostMs: number; detail: string }

function again({ tries }: ClaimedOperation, now: number, { detail, ...pause }: Pause): OperationResult {
  return { state: 'intended', retryAt: now + backoffMs({ ...pause, tries, spread: 0 }), detail }
}

/** Later, and not before the time that the provider asked for. */
function afterFault(operation: ClaimedOperation, now: number, fault: Fault): OperationResult {
  const firstMs = Math.max(later.firstMs, retryAfterOf(fault))
  return again(operation, now, { firstMs, mostMs: Math.max(later.mostMs, firstMs), detail: fault.detail })
}

const heldAt = 'others hold up the end of what is left: '
const heldUp = (held: readonly Remain[]): string =>
  heldAt + held.map(({ what, fix }) => (fix === null ? what : `${what}; next: ${fix}`)).join('; ')
const isHeldUp = (detail: string): boolean => detail.startsWith(heldAt)

/** Nobody here can end it: it is billed and its nodes may be free, until others let go. Told once for each who holds it. */
function told({ lease, attempt, workload, leaseRow, site }: ClaimedOperation, detail: string): Change[] {
  const message = `attempt ${attempt.number} of ${workload.spec.name} at ${site}: ${detail}`
  const data = { lease, site, attempt: attempt.id, ranks: leaseRow.ranks.length }
  const event = { type: 'lease.stuck', workload: workload.id, project: workload.project, message, data }
  return [
    { change: 'event', event },
    ...(workload.state === 'stopping' ? [{ change: 'reason', id: workload.id, reason: detail } as const] : []),
  ]
}

const unanswered = { ...later, detail: 'the site does not answer' }
const isSilence = ({ kind }: Fault): boolean => kind === 'unreachable' || kind === 'throttled'

const siteOf = ({ leaseRow: { provider, site } }: ClaimedOperation) => siteKey({ provider, name: site })
