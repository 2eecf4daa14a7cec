import type { NewEvent } from '#model/event.ts'
import type { Decision } from '#model/plan.ts'
import { mayPreempt } from '#model/project.ts'
import type { Workload } from '#model/workload.ts'
import {
  asked,
  firstRefusals,
  isKnownAlone,
  mostToCome,
  numbered,
  type PlacedRow,
  preempting,
  type Row,
  nobody,
  runningOf,
  nextOf,
  someMore,
} from '#store/queries/placing.ts'
import { placedEvent, waitsEvent } from '#store/queries/told.ts'
import type { Behind, Claim, Next, Placed, Placement, QueueSnapshot } from '#store/store.ts'
import { fresh } from './apply.ts'
import { holds as isHeld } from './claims.ts'
import { jsonb, sameJson } from './jsonb.ts'
import { readLeases } from './live-leases.ts'
import type { Memory } from './memory.ts'
import { dueWithNews } from './news-due.ts'
import { owedBy } from './owed.ts'
import { preempt, readPreemptions } from './preempt.ts'
import { listProjects } from './projects.ts'
import { readBehind, readQueue, readThese } from './queue.ts'
import { readRunning } from './running.ts'
import { workloadOf } from './rows.ts'
import { readSpot } from './spot.ts'
import { listSites } from './sites.ts'
import { all, isLive, replicaKey, siteOf, spentKey } from './tables.ts'
import { readUsage } from './usage.ts'

export const createPlacement = (memory: Memory): Placement => ({
  snapshot: (options) => memory.read(() => snapshot(memory, options)),
  come: (workloads, now) => memory.read(() => come(memory, workloads, now)),
  more: (behind, now) => memory.read(() => more(memory, behind, now)),
  nextAt: (now) =>
    memory.read(() => {
      const { later } = memory.replicas
      return later.get(all)[later.behind(all, [now])]?.notBefore ?? null
    }),
  usage: ({ now, halfLifeMs }) => memory.read(() => readUsage(memory, now, halfLifeMs)),
  commit: (...[claim, placed, refused, now]) => memory.write(() => commit(memory, { claim, placed, refused, now })),
})

function snapshot(
  memory: Memory,
  {
    now,
    most,
    asleep = new Map(),
    after = '',
    unlessIdle,
    moves = false,
    few = 0,
    spot: always = false,
    running,
  }: Parameters<Placement['snapshot']>[0],
): QueueSnapshot {
  const back = running ? readRunning(memory, running) : []
  if (running && back.length === 0) return nobody()
  const { replicas, ...rest } = readQueue(memory, { now, most, asleep, after })
  if (unlessIdle && replicas.length === 0) return { ...nobody(), ...rest }
  const workloads = readWorkloads(memory, [...replicas, ...back])
  const projects = listProjects(memory)
  const spot = readSpot(memory, { workloads, now, always })
  const apart = workloads.map(({ id }) => id)
  return {
    waiting: asked(replicas, workloads),
    ...rest,
    leases: readLeases(memory, { apart, one: moves || projects.some(mayPreempt), few, moves, now }),
    projects,
    preemptions: readPreemptions(memory, now),
    spent: spentOf(memory, { workloads, now }),
    missing: missingSecrets(memory, workloads),
    ...(spot && { spot }),
    ...(running && { running: runningOf(back, workloads) }),
    sites: listSites(memory),
  }
}

const readWorkloads = ({ workloads }: Memory, replicas: readonly { workload: string }[]): Workload[] =>
  [...new Set(replicas.map(({ workload }) => workload))].flatMap((id) => {
    const row = workloads.get(id)
    return row ? [workloadOf(row)] : []
  })

function come(memory: Memory, workloads: readonly string[], now: number): QueueSnapshot['waiting'] | null {
  const replicas = readThese(memory, { workloads, most: mostToCome + 1, now })
  return replicas.length > mostToCome ? null : askedAlone(memory, replicas)
}

function more(memory: Memory, behind: readonly Behind[], now: number): Next[] | null {
  const most = someMore(behind.length) + 1
  const lines = nextOf(
    behind,
    behind.flatMap((one) => readBehind(memory, one, { most, now })),
  ).map(({ next, ...line }) => ({ ...line, asked: askedAlone(memory, next) }))
  return lines.every((line): line is Next => line.asked !== null) ? lines : null
}

/** Null for those of whom more is to be known. */
function askedAlone(memory: Memory, replicas: ReturnType<typeof readThese>): QueueSnapshot['waiting'] | null {
  const workloads = readWorkloads(memory, replicas)
  if (workloads.some(({ spec }) => !isKnownAlone(spec))) return null
  return asked(replicas, workloads)
}

/** A secret that was removed after the submit. */
function missingSecrets({ secrets }: Memory, workloads: Workload[]): Map<string, string> {
  return new Map(
    workloads.flatMap(({ id, project, spec }) => {
      const name = spec.secrets.find((one) => !secrets.get(`${project} ${one}`))
      return name === undefined ? [] : [[id, name] as const]
    }),
  )
}

/** Of those that have a budget; with what the ledger does not have yet. */
function spentOf(memory: Memory, { workloads, now }: { workloads: Workload[]; now: number }): Map<string, bigint> {
  const { spent, leases, projects } = memory
  const limited = projects.byName.get(all).filter(({ budgetMicros }) => budgetMicros !== null)
  const waiting = workloads.filter(({ spec }) => spec.budget !== undefined)
  const keys = [
    ...limited.map(({ name }) => ({ kind: 'project', name, open: leases.owedOfProject.get(name) })),
    ...waiting.map(({ id }) => ({ kind: 'workload', name: id, open: leases.owedOfWorkload.get(id) })),
  ]
  return new Map(
    keys.flatMap(({ open, ...key }) => {
      const row = spent.get(spentKey(key))
      return row || open.length > 0 ? [[spentKey(key), (row?.amountMicros ?? 0n) + owedBy(open, now)] as const] : []
    }),
  )
}

type Commit = { claim: Claim; placed: Placed[]; refused: Decision[]; now: number }

function commit(memory: Memory, { claim, placed, refused, now }: Commit): number | null {
  if (!isHeld(memory, claim)) return null
  const workloads = waitingOnes(memory, [...placed.map(({ decision }) => decision), ...refused])
  const vain = preempt(memory, preempting(refused, workloads), now)
  // Where nobody leaves any more, nothing is told of it: the next round knows who does.
  const stands = refused.filter(({ workload, preempts = [] }) => preempts.length === 0 || !vain.has(workload))
  const written = place(memory, { placed, workloads, now })
  const events = [...written, ...refuse(memory, stands, workloads)]
  const lets = refused.filter((one) => one.lets !== undefined)
  letGo(memory, lets)
  memory.tell({
    events,
    now,
    nudges: [
      ...(lets.length > 0 ? (['admit'] as const) : []),
      ...(written.length > 0 ? (['launch', 'follow'] as const) : []),
      ...(events.length > 0 ? (['events'] as const) : []),
    ],
  })
  return written.length
}

/** Those of these decisions that still wait to be placed. */
function waitingOnes({ workloads }: Memory, decisions: Decision[]): Map<string, Row> {
  const ids = decisions.flatMap(({ workload, preempts = [] }) => [workload, ...preempts.map((one) => one.workload)])
  return new Map(
    ids.flatMap((id): [string, Row][] => {
      const row = workloads.get(id)
      const waits = row?.wants === 'run' && row.endedAt === null && row.state !== 'held' && row.state !== 'stopping'
      return waits ? [[id, { id, name: row.name, project: row.project, attempts: row.attempts, waits }]] : []
    }),
  )
}

function letGo({ replicas }: Memory, lets: Decision[]): void {
  for (const { workload, replica, lets: lease } of lets) {
    const row = replicas.get(replicaKey({ workload, replica }))
    if (row?.kept && row.kept.lease === lease) replicas.update(row, { kept: null })
  }
}

type Placing = { placed: Placed[]; workloads: Map<string, Row>; now: number }

/** Writes what is placed, but for replicas that no longer wait: somebody changed their mind since the snapshot. */
function place(memory: Memory, { placed: given, workloads, now }: Placing): NewEvent[] {
  const { replicas } = memory
  const placed = given.filter(({ decision }) => decision.placement !== null)
  const taken = placed.flatMap(({ decision: { workload, replica } }) => {
    const row = replicas.get(replicaKey({ workload, replica }))
    if (row?.state !== 'waiting' || !workloads.has(workload)) return []
    replicas.update(row, { state: 'placed', told: false, promised: false, kept: null })
    return [{ workload, replica }]
  })
  const rows = numbered(placed, taken, workloads)
  for (const row of rows) insertPlaced(memory, row, now)
  for (const [id, some] of Map.groupBy(rows, ({ workload }) => workload)) {
    const row = memory.workloads.get(id)
    if (!row) continue
    memory.workloads.update(row, {
      attempts: Math.max(...some.map(({ number }) => number)),
      refusal: null,
      dueAt: dueWithNews(row, now),
      ...(row.state === 'queued' && { state: 'starting', reason: '' }),
    })
  }
  return rows.map(placedEvent)
}

function insertPlaced(memory: Memory, row: PlacedRow, now: number): void {
  const { plans, attempts, leases, ranks, operations } = memory
  const { decision, attemptId, leaseId, operationId, planId, graceMs, workload, replica, number, project } = row
  const { provider, site, tier, shape, priceMicros } = row
  const plan = { workload, decisions: [decision], submission: null, createdAt: now, expiresAt: null, appliedAt: null }
  plans.insert({ id: planId, ...plan, decisions: jsonb([decision]) })
  if (
    attempts.byWorkload.get(workload).some((one) => one.number === number || (isLive(one) && one.replica === replica))
  )
    throw new Error(`attempt ${number} of ${workload} cannot live beside another`)
  attempts.insert({ id: attemptId, workload, replica, number, plan: planId, createdAt: now, ...begun })
  const holds = { shape, priceMicros, graceMs, ranks: jsonb(row.ranks), beside: jsonb(row.beside ?? null) }
  const lease = { id: leaseId, attempt: attemptId, workload, project, provider, site, tier, createdAt: now }
  leases.insert({ ...lease, ...holds, ...unasked })
  for (const { rank } of row.ranks) ranks.insert({ lease: leaseId, rank, ...unseen })
  const order = { id: operationId, lease: leaseId, kind: 'launch', token: leaseId } as const
  operations.insert({ ...order, site: siteOf(row), notBefore: now, ...fresh })
}

const begun = {
  state: 'starting',
  ready: false,
  exitCode: null,
  reason: '',
  startedAt: null,
  endedAt: null,
  preemptedFor: null,
  preemptedAt: null,
  moved: false,
} as const

const unasked = { state: 'wanted', startedAt: null, endedAt: null, meteredUntil: null, endsAt: null } as const

const unseen = {
  state: 'expected',
  address: null,
  endpoints: jsonb<string[]>([]),
  ready: false,
  exitCode: null,
  startedAt: null,
  endedAt: null,
  heardAt: null,
  cause: null,
  leavesAt: null,
  report: 0,
} as const

/** Writes why these wait, and tells it, when the text is another than before. */
function refuse(memory: Memory, refused: Decision[], waiting: Map<string, Row>): NewEvent[] {
  const { workloads, replicas } = memory
  const events: NewEvent[] = []
  const first = firstRefusals(refused, waiting)
  for (const id of [...first.keys()].sort()) {
    const [row, refusal] = [workloads.get(id), first.get(id)]
    if (!row || !refusal) continue
    if (row.refusal?.text !== refusal.text) events.push(waitsEvent(id, row.project, refusal))
    if (!sameJson(row.refusal, refusal)) {
      const reason = row.state === 'queued' ? refusal.text : row.reason
      workloads.update(row, { refusal: jsonb(refusal), reason })
    }
    const promised = refusal.start !== undefined
    for (const replica of replicas.byWorkload.get(id))
      if (replica.state === 'waiting') replicas.update(replica, { told: true, promised })
  }
  return events
}
