import { attemptMoves } from '#model/attempt.ts'
import type { Change } from '#model/change.ts'
import type { NewEvent } from '#model/event.ts'
import { leaseMoves } from '#model/lease.ts'
import { finalStates, statesBefore } from '#model/moves.ts'
import { workloadMoves } from '#model/workload.ts'
import { of, type Of, rounds, steps } from '#store/queries/in-steps.ts'
import { attemptEvent, closedDetail, lostEvent, retiredDetail, workloadEvent } from '#store/queries/told.ts'
import type { Nudge } from '#store/store.ts'
import { jsonb } from './jsonb.ts'
import { warnOnce } from './ledger.ts'
import type { Memory } from './memory.ts'
import type { LeaseRow, WorkloadRow } from './rows.ts'
import { isOver, replicaKey, siteOf } from './tables.ts'

type Applying = {
  memory: Memory
  now: number
  nudges: Set<Nudge>
  gone: string[]
  events: NewEvent[]
  count: number
}

/** Applies changes within a transaction, as the query of the same name does. */
export function apply(memory: Memory, changes: Change[], now: number): number {
  if (changes.length === 0) return 0
  const applying: Applying = { memory, now, nudges: new Set(), gone: [], events: [], count: 0 }
  moveLeases(applying, of(changes, 'lease'))
  retireLeases(applying, of(changes, 'retire'))
  moveAttempts(applying, of(changes, 'attempt'))
  markReady(applying, of(changes, 'attempt-ready'))
  releaseTasks(applying, of(changes, 'release-tasks'))
  requeue(applying, of(changes, 'replica-waits'))
  finish(applying, of(changes, 'replica-done'))
  moveWorkloads(applying, of(changes, 'workload'))
  explain(applying, of(changes, 'reason'))
  lookAgain(applying, of(changes, 'look-again'))
  warn(applying, of(changes, 'warn'))
  applying.events.push(...of(changes, 'event').map(({ event }) => event))
  if (applying.events.length > 0) applying.nudges.add('events')
  memory.tell({ ...applying, news: applying })
  return applying.count + of(changes, 'event').length
}

const has = (states: readonly string[], { state }: { state: string }): boolean => states.includes(state)

const greatest = (...times: (number | null)[]): number => Math.max(...times.filter((time) => time !== null))

function moveLeases(applying: Applying, changes: Of<'lease'>[]): void {
  const { memory, now } = applying
  const { leases } = memory
  for (const { to, group, from } of steps(changes, leaseMoves)) {
    const moved: LeaseRow[] = []
    let wasLost = false
    const over = ['gone', 'lost', 'refused'].includes(to)
    for (const { id, since, inLine = false } of group) {
      const lease = leases.get(id)
      if (!lease) continue
      const begun = Math.max(lease.createdAt, Math.min(since ?? now, now))
      // One that its provider took while it was being stopped is billed all the same, until nothing is left of it.
      if (to === 'starting' && lease.state === 'stopping' && lease.startedAt === null && !inLine)
        leases.update(lease, { startedAt: begun, meteredUntil: begun })
      if (!has(from, lease)) continue
      wasLost ||= lease.state === 'lost'
      moved.push(lease)
      leases.update(lease, { state: to, ...timesAfter(lease, to, { now, begun: inLine ? null : begun, over }) })
    }
    applying.count += moved.length
    if (moved.length > 0) applying.nudges.add('agents')
    if (to === 'held' || to === 'gone') closeLaunches(memory, moved, to)
    if ((to === 'lost' && moved.length > 0) || wasLost) applying.nudges.add('admit')
    else if (over) applying.gone.push(...moved.map(({ id }) => id))
    if (to === 'lost') applying.events.push(...moved.map((lease) => lostEvent(named(memory, lease))))
  }
}

/** `begun`: null where nothing is held yet. */
type Times = { now: number; begun: number | null; over: boolean }

function timesAfter(lease: LeaseRow, to: string, { now, begun, over }: Times): Partial<LeaseRow> {
  if (to === 'stopping') return { endedAt: null }
  if (over) return { endedAt: lease.endedAt ?? greatest(now, lease.startedAt, lease.meteredUntil) }
  return to === 'starting' || to === 'held'
    ? { startedAt: lease.startedAt ?? begun, meteredUntil: lease.meteredUntil ?? begun }
    : {}
}

const named = ({ workloads }: Memory, { id, workload, project, provider, site }: LeaseRow) => ({
  id,
  name: workloads.get(workload)?.name ?? '',
  workload,
  project,
  site: siteOf({ provider, site }),
})

function closeLaunches({ operations }: Memory, moved: LeaseRow[], to: 'held' | 'gone'): void {
  for (const { id } of moved)
    for (const operation of operations.byLease.get(id))
      if (operation.kind === 'launch' && operation.state === 'intended')
        operations.update(operation, { state: to === 'held' ? 'done' : 'failed', detail: closedDetail(to) })
}

function retireLeases(applying: Applying, changes: Of<'retire'>[]): void {
  if (changes.length === 0) return
  const { memory, now } = applying
  const { leases, operations, clock } = memory
  const [once = []] = rounds(changes, ({ lease }) => lease)
  const wanted = once.map(({ lease, site }) => ({ id: memory.ids('o'), lease, site }))
  for (const { id, lease, site } of wanted) {
    const row = leases.get(lease)
    const before = operations.byLease.get(lease).find(({ kind }) => kind === 'retire')
    if (!row || isOver(row) || (before && before.state !== 'failed')) continue
    applying.count += 1
    if (before) operations.update(before, { state: 'intended', notBefore: now })
    else operations.insert({ id, lease, kind: 'retire', site, token: lease, notBefore: now, ...fresh })
  }
  for (const { lease } of once) {
    const row = leases.get(lease)
    // A lost lease stays lost until the provider shows that nothing of it is left.
    if (row && row.state !== 'lost' && has(statesBefore(leaseMoves, 'stopping'), row))
      leases.update(row, { state: 'stopping' })
    // A launch that nobody is at now must not run any more.
    const launch = operations.byLease.get(lease).find(({ kind }) => kind === 'launch')
    if (launch?.state === 'intended' && (launch.claimedUntil === null || launch.claimedUntil < clock.now()))
      operations.update(launch, { state: 'failed', detail: retiredDetail })
  }
  applying.nudges.add('retire').add('agents')
}

/** An operation that nobody has tried yet. */
export const fresh = { state: 'intended', tries: 0, detail: '', claimedBy: null, claimedUntil: null } as const

function moveAttempts(applying: Applying, changes: Of<'attempt'>[]): void {
  const { memory, now } = applying
  const { attempts, workloads } = memory
  for (const { to, group, from } of steps(changes, attemptMoves)) {
    const over = finalStates(attemptMoves).some((state) => state === to)
    const moved: NewEvent[] = []
    for (const { id, reason, exitCode } of group) {
      const attempt = attempts.get(id)
      const workload = workloads.get(attempt?.workload ?? '')
      if (!attempt || !workload || !has(from, attempt)) continue
      attempts.update(attempt, {
        state: to,
        reason,
        exitCode: exitCode ?? attempt.exitCode,
        ...(to === 'running' && { startedAt: attempt.startedAt ?? now }),
        ...(over && { endedAt: now, ready: false }),
      })
      if (to === 'running') noteKnownEnd(memory, attempt, workload)
      moved.push(attemptEvent(to, { ...attempt, name: workload.name, project: workload.project }))
    }
    applying.count += moved.length
    if (moved.length > 0) applying.nudges.add('agents')
    applying.events.push(...moved)
  }
}

type Started = { id: string; startedAt: number | null }

function noteKnownEnd({ leases }: Memory, { id, startedAt }: Started, workload: WorkloadRow): void {
  const lasts = lastsMs(workload)
  if (lasts === null || startedAt === null) return
  for (const lease of leases.byAttempt.get(id)) leases.update(lease, { endsAt: startedAt + lasts })
}

/** Of the accelerators that it names, it may run on the slowest. */
function lastsMs({ spec: { duration, throughput } }: WorkloadRow): number | null {
  if (duration.maximumMs !== undefined) return duration.maximumMs
  if (duration.expectedMs === undefined) return null
  const slowest = Math.min(1, ...Object.values(throughput ?? {}))
  // PostgreSQL divides decimals, where nothing is a little more than it should be.
  return Math.ceil(Number((duration.expectedMs / slowest).toPrecision(15)))
}

function markReady(applying: Applying, changes: Of<'attempt-ready'>[]): void {
  const { attempts } = applying.memory
  for (const { id, ready } of changes) {
    const attempt = attempts.get(id)
    if (!attempt || attempt.ready === ready || !has(['starting', 'running', 'stopping'], attempt)) continue
    attempts.update(attempt, { ready })
    applying.count += 1
    applying.nudges.add('events')
  }
}

function releaseTasks(applying: Applying, changes: Of<'release-tasks'>[]): void {
  const { tasks, workloads } = applying.memory
  for (const { workload, attempt } of changes) {
    const row = workloads.get(workload)
    const released = tasks.leased.get(`${workload} ${attempt}`).slice()
    if (!row || released.length === 0) continue
    for (const task of released) tasks.update(task, { state: 'waiting', attempt: null })
    workloads.update(row, { tasksLeased: row.tasksLeased - released.length })
    applying.count += 1
    applying.nudges.add('agents')
  }
}

function requeue(applying: Applying, changes: Of<'replica-waits'>[]): void {
  const { attempts, replicas } = applying.memory
  for (const { workload, replica, losses, failures, notBefore, avoid, kept } of changes) {
    const row = replicas.get(replicaKey({ workload, replica }))
    if (!row || lives(attempts, { workload, replica })) continue
    const counted = { losses, failures, notBefore, avoid: jsonb(avoid), kept: jsonb(kept ?? null) }
    replicas.update(row, { state: 'waiting', ...counted })
    applying.count += 1
    applying.nudges.add('admit')
  }
}

/** While an attempt of it lives, what was decided of a replica was decided on old facts: it was placed meanwhile. */
const lives = ({ live }: Memory['attempts'], { workload, replica }: { workload: string; replica: number }): boolean =>
  live.get(workload).some((attempt) => attempt.replica === replica)

function finish(applying: Applying, changes: Of<'replica-done'>[]): void {
  const { attempts, replicas } = applying.memory
  for (const change of changes) {
    const row = replicas.get(replicaKey(change))
    if (!row || row.state === 'done' || lives(attempts, change)) continue
    if (row.state === 'waiting') applying.nudges.add('admit')
    replicas.update(row, { state: 'done' })
    applying.count += 1
  }
}

function moveWorkloads(applying: Applying, changes: Of<'workload'>[]): void {
  const { memory, now } = applying
  const { attempts, workloads } = memory
  for (const { to, group, from } of steps(changes, workloadMoves)) {
    const over = finalStates(workloadMoves).some((state) => state === to)
    const moved: WorkloadRow[] = []
    for (const { id, reason, exitCode } of group) {
      const row = workloads.get(id)
      if (!row || !has(from, row) || (over && attempts.live.get(id).length > 0)) continue
      workloads.update(row, {
        state: to,
        reason,
        exitCode: exitCode ?? row.exitCode,
        ...(to === 'running' && { startedAt: row.startedAt ?? now }),
        ...(over && { endedAt: now, dueAt: null, claimedUntil: null, refusal: null }),
      })
      moved.push(row)
    }
    const left = over ? leaveQueue(memory, moved) : moved.length
    applying.count += moved.length
    if (to === 'held') keepNothing(memory, moved)
    if (moved.length > 0) applying.nudges.add('agents')
    // Who starts or runs has left the queue already, and so have most who end.
    if (left > 0 && to !== 'starting' && to !== 'running') applying.nudges.add('admit')
    applying.events.push(...moved.map((row) => workloadEvent(to, { ...row, workload: row.id })))
  }
}

/** Nothing of an ended workload waits. */
function leaveQueue({ replicas }: Memory, ended: WorkloadRow[]): number {
  const waiting = ended.flatMap(({ id }) => replicas.byWorkload.get(id).filter(({ state }) => state === 'waiting'))
  for (const replica of waiting) replicas.update(replica, { state: 'done' })
  return waiting.length
}

function keepNothing({ replicas }: Memory, held: WorkloadRow[]): void {
  for (const { id } of held) for (const replica of replicas.byWorkload.get(id)) replicas.update(replica, { kept: null })
}

function explain(applying: Applying, changes: Of<'reason'>[]): void {
  const { workloads } = applying.memory
  for (const { id, reason } of changes) {
    const row = workloads.get(id)
    if (!row || row.reason === reason || row.endedAt !== null) continue
    workloads.update(row, { reason })
    applying.count += 1
    applying.nudges.add('events')
  }
}

function lookAgain(applying: Applying, changes: Of<'look-again'>[]): void {
  const { workloads } = applying.memory
  for (const { id, at, claim } of changes) {
    const row = workloads.get(id)
    if (!row || row.endedAt !== null) continue
    const isMine = row.dueAt !== null && row.dueAt === claim && row.claimedUntil === claim
    const dueAt = isMine ? at : Math.min(row.dueAt ?? Infinity, at)
    workloads.update(row, { dueAt })
    applying.count += 1
    if (dueAt <= applying.now) applying.nudges.add('follow')
  }
}

function warn({ memory, now, events }: Applying, changes: Of<'warn'>[]): void {
  for (const { event } of changes)
    if (warnOnce(memory, { kind: 'workload', name: event.workload, now })) events.push(event)
}
