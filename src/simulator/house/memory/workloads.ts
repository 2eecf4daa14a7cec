import { createHash } from 'node:crypto'

import type { Spec } from '#model/spec/spec.ts'
import { wantedReplicas, type Wants } from '#model/workload.ts'
import { totalOf } from '#store/queries/pages.ts'
import { ofNoNeed } from '#store/queries/queue.ts'
import { askedEvent, prioritisedEvent, submittedEvent } from '#store/queries/told.ts'
import { firstLookMs, mostServices } from '#store/queries/workloads.ts'
import type { By, ListedWorkload, NewWorkload, Page, WorkloadFilter, Workloads } from '#store/store.ts'
import { jsonb, jsonText } from './jsonb.ts'
import type { Memory } from './memory.ts'
import { dueWithNews } from './news-due.ts'
import { expired, forget } from './prune.ts'
import { attemptOf, leaseOf, rankOf, workloadOf, type WorkloadRow } from './rows.ts'
import { all, isOccupying, siteOf, spentKey } from './tables.ts'

export const createWorkloads = (memory: Memory): Workloads => {
  const { workloads, tasks, read, write } = memory
  const one = (row: WorkloadRow | undefined) => (row ? listed(memory, row) : null)
  return {
    submit: (submitted, now) => write(() => submit(memory, submitted, now)),
    get: (id) => read(() => one(workloads.get(id))),
    find: (project, nameOrId) =>
      read(() => {
        const named = workloads.get(nameOrId)
        if (named?.project === project) return one(named)
        const key = `${project} ${nameOrId}`
        return one(workloads.liveByName.get(key).at(-1) ?? workloads.byName.get(key).at(-1))
      }),
    list: (filter, page) => read(() => pageOf(memory, filter, page).map((row) => listed(memory, row))),
    want: (id, wants, by) => write(() => want(memory, { id, wants, ...by })),
    prioritise: (id, priority, by) => write(() => prioritise(memory, { id, priority, ...by })),
    attempts: (id) => read(() => attemptsOf(memory, id)),
    refusal: (id) => read(() => workloads.get(id)?.refusal ?? null),
    failedTasks: (id, most) =>
      read(
        () =>
          tasks.failed
            .get(id)
            .slice(0, most)
            .map(({ index, exitCode }) => ({ index, exitCode: exitCode as number })), // what failed has one
      ),
    endpoints: () => read(() => endpointsOf(memory)),
    bundles: () => read(() => [...workloads.bundles.keys()]),
    expired: (options) => read(() => expired(memory, options)),
    forget: (ids) => write(() => forget(memory, ids)),
  }
}

/** What a spec asks of a place, as the query of the same name says it. */
function needOf(spec: Spec, id: string): string {
  const asked = jsonb(Object.fromEntries(Object.entries(spec).filter(([key]) => !ofNoNeed.includes(key))))
  const { checkpoint } = spec
  const saves = 'everyMs' in checkpoint || 'directory' in checkpoint
  const text = [
    jsonText(asked),
    spec.budget === undefined ? '' : id,
    spec.deadline !== undefined && saves ? id : '',
    saves ? `checkpoints ${checkpoint.everyMs ?? ''}` : '',
  ]
  return createHash('md5').update(text.join('')).digest('hex')
}

const lineOf = ({ project, priority, need, id }: WorkloadRow): string => `${project} ${priority} ${need ?? id}`

function submit({ workloads, replicas, tell }: Memory, submitted: NewWorkload[], now: number): void {
  if (submitted.length === 0) return
  for (const { id, name, project, kind, spec: given, bundle, priority, submittedBy } of submitted) {
    const spec = jsonb(given)
    const endsSomeTime = 'expiry' in spec || 'deadline' in spec
    const row: WorkloadRow = {
      id,
      name,
      project,
      kind,
      spec,
      bundle,
      priority,
      wants: 'run',
      state: 'queued',
      exitCode: null,
      reason: '',
      refusal: null,
      attempts: 0,
      submittedBy,
      createdAt: now,
      startedAt: null,
      endedAt: null,
      dueAt: now + (endsSomeTime ? 0 : firstLookMs),
      claimedUntil: null,
      nextTask: 0,
      tasksLeased: 0,
      tasksSucceeded: 0,
      tasksFailed: 0,
      need: needOf(spec, id),
    }
    workloads.insert(row)
    for (let replica = 0; replica < wantedReplicas(spec); replica++)
      replicas.insert({
        workload: id,
        replica,
        state: 'waiting',
        losses: 0,
        failures: 0,
        notBefore: 0,
        avoid: jsonb({}),
        kept: null,
        need: lineOf(row),
        priority,
        createdAt: now,
        told: false,
        promised: false,
      })
  }
  const come = submitted.map(({ id }) => id)
  tell({ events: submitted.map(submittedEvent), now, nudges: ['follow', 'events'], news: { come } })
}

function listed({ replicas, attempts, leases, spent }: Memory, row: WorkloadRow): ListedWorkload {
  const held = leases.open.get(row.id).filter(isOccupying)
  return {
    ...workloadOf(row),
    ready: attempts.live.get(row.id).filter(({ ready }) => ready).length,
    replicas: replicas.byWorkload.get(row.id).length,
    sites: [...new Set(held.map(siteOf))].sort(),
    priceMicros: held.reduce((sum, { priceMicros }) => sum + priceMicros, 0),
    spentMicros: spent.get(spentKey({ kind: 'workload', name: row.id }))?.amountMicros ?? 0n,
    tasks:
      row.kind === 'array' ? { succeeded: row.tasksSucceeded, failed: row.tasksFailed, leased: row.tasksLeased } : null,
  }
}

const isFinal: ReadonlySet<string> = new Set(['succeeded', 'failed', 'stopped'])

function pageOf({ workloads }: Memory, filter: WorkloadFilter, { size, order, after }: Page): WorkloadRow[] {
  const { project, name, states } = filter
  const rows =
    project !== undefined && name !== undefined
      ? workloads.byName.get(`${project} ${name}`)
      : states && !states.some((state) => isFinal.has(state))
        ? workloads.active.get(all)
        : project === undefined
          ? workloads.byAge.get(all)
          : workloads.byProject.get(project)
  const columns = totalOf(order)
  const compare = (a: NonNullable<Page['after']>, b: NonNullable<Page['after']>): number => {
    for (const { by, descending } of columns) if (a[by] !== b[by]) return a[by] < b[by] === descending ? 1 : -1
    return 0
  }
  const isWanted = (row: WorkloadRow): boolean => matches(row, filter) && (!after || compare(after, row) < 0)
  const [first, second] = columns
  // Indexes are in the order of age.
  if (first?.by !== 'createdAt' || second?.by !== 'id') return rows.filter(isWanted).sort(compare).slice(0, size)
  const found: WorkloadRow[] = []
  for (let i = 0; i < rows.length && found.length < size; i++) {
    const row = rows[first.descending ? rows.length - 1 - i : i]
    if (row && isWanted(row)) found.push(row)
  }
  return found
}

const matches = (row: WorkloadRow, { project, name, kind, states, label }: WorkloadFilter): boolean =>
  (project === undefined || row.project === project) &&
  (name === undefined || row.name === name) &&
  (kind === undefined || row.kind === kind) &&
  (!states || states.includes(row.state)) &&
  (!label || row.spec.labels[label[0]] === label[1])

type Asked = By & { id: string }

function checked({ workloads }: Memory, { id, check }: Asked): WorkloadRow | undefined {
  const row = workloads.get(id)
  if (row) check?.(workloadOf(row))
  return row
}

function want(memory: Memory, { wants, ...asked }: Asked & { wants: Wants }): ListedWorkload | null {
  const row = checked(memory, asked)
  const { who, now } = asked
  // Once it is to stop, nothing takes that back.
  if (!row || row.endedAt !== null || (row.wants === 'stop' && wants !== 'stop')) return null
  memory.workloads.update(row, { wants, dueAt: dueWithNews(row, now) })
  const event = askedEvent({ name: row.name, project: row.project, workload: row.id }, wants, who)
  memory.tell({ events: [event], now, nudges: ['follow', 'admit', 'events', 'agents'] })
  return listed(memory, row)
}

function prioritise(memory: Memory, { priority, ...asked }: Asked & { priority: number }): ListedWorkload | null {
  const row = checked(memory, asked)
  const { who, now } = asked
  if (!row || row.endedAt !== null) return null
  memory.workloads.update(row, { priority })
  const need = lineOf(row)
  for (const replica of memory.replicas.byWorkload.get(row.id)) memory.replicas.update(replica, { priority, need })
  const event = prioritisedEvent({ name: row.name, project: row.project, workload: row.id }, priority, who)
  memory.tell({ events: [event], now, nudges: ['admit', 'events'] })
  return listed(memory, row)
}

const attemptsOf = ({ attempts, leases, ranks }: Memory, id: string): Awaited<ReturnType<Workloads['attempts']>> =>
  attempts.byWorkload.get(id).map((attempt) => {
    const lease = leases.byAttempt.get(attempt.id).at(-1)
    return {
      ...attemptOf(attempt),
      lease: lease ? leaseOf(lease) : null,
      ranks: lease ? ranks.byLease.get(lease.id).map(rankOf) : [],
    }
  })

function endpointsOf({ workloads, attempts, leases, ranks }: Memory): Awaited<ReturnType<Workloads['endpoints']>> {
  const services = Map.groupBy(workloads.services.get(all), ({ project, name }) => `${project} ${name}`)
  return [...services.values()].slice(0, mostServices).flatMap((some) => {
    const [first] = some
    if (!first) return []
    const ready = some
      .flatMap(({ id }) => attempts.live.get(id))
      .filter((attempt) => attempt.ready && attempt.state === 'running')
      .sort((a, b) => a.replica - b.replica)
    const endpoints = ready.flatMap(({ id }) =>
      leases.byAttempt.get(id).flatMap((lease) => ranks.byLease.get(lease.id)[0]?.endpoints[0] ?? []),
    )
    return [{ project: first.project, name: first.name, endpoints }]
  })
}
