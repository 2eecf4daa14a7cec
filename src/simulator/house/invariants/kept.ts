import { beginPatienceMs } from '#engine/lifecycle/patience.ts'
import type { Gang } from '#providers/simulated/gang.ts'
import { wantedReplicas } from '#model/workload.ts'
import type { Invariant, Seen, There } from './invariant.ts'
import type { Known } from './known.ts'
import { createPatience, type Passing } from './patience.ts'
import { type AttemptRow, keyOf, type LeaseRow, type WorkloadRow } from './tables.ts'

/** Rows stay: what is submitted until it has ended, what is held until it is over and billed. */
export const nothingIsForgotten = (): Invariant => ({
  name: 'nothing is forgotten before it is over',
  rule: 2,
  when: 'always',
  check: ({ changes, tables, gangOf }) => [
    ...changes.workloads.flatMap(({ key, before, after }) =>
      after === null && before !== null && before.endedAt === null
        ? [`workload ${key} is no more, and had not ended`]
        : [],
    ),
    ...changes.attempts.flatMap(({ key, before, after }) =>
      after === null && before !== null && before.endedAt === null
        ? [`attempt ${key} is no more, and had not ended`]
        : [],
    ),
    ...changes.leases.flatMap(({ key, before, after }) =>
      after === null && before !== null && !isOverAndBilled(before, changes) && !wasToEnd(before, gangOf(key))
        ? [`lease ${key} is no more, and was ${before.state}, billed until ${before.meteredUntil}`]
        : [],
    ),
    ...changes.workloads.flatMap(({ after }) => (after ? replicasMissing(after, tables.replicas) : [])),
    ...changes.replicas.flatMap(({ key, before, after }) =>
      after === null && before !== null && tables.workloads.has(before.workload) ? [`replica ${key} is no more`] : [],
    ),
  ],
})

/** Of an attempt that ended long ago nothing is kept once its lease is over, which may have come since the last look. */
const wasToEnd = ({ state }: LeaseRow, there: There | null): boolean =>
  (state === 'stopping' || state === 'lost') && there?.gang.closed !== false

/** The rest of its bill may have been written since the last look. */
const isOverAndBilled = ({ id, state, meteredUntil, endedAt }: LeaseRow, { entries }: Seen['changes']): boolean =>
  (state === 'gone' || state === 'refused') &&
  (meteredUntil === null ||
    meteredUntil === endedAt ||
    entries.some(({ after }) => after?.lease === id && after.to === endedAt))

function replicasMissing({ id, spec }: WorkloadRow, replicas: ReadonlyMap<string, unknown>): string[] {
  const count = wantedReplicas(spec)
  const missing = Array.from({ length: count }, (_, i) => i).filter((i) => !replicas.has(keyOf(id, i)))
  return missing.length > 0 ? [`workload ${id} lacks ${missing.length} of its ${count} replicas`] : []
}

/** Rows that belong together say the same: there is always one that makes the next step happen. */
export const rowsAgree = (): Invariant => ({
  name: 'rows agree, and what is not over has somebody to carry it on',
  rule: 3,
  when: 'always',
  check: (seen) => [
    ...seen.changes.workloads.flatMap(({ after }) => (after ? workloadSays(after, seen) : [])),
    ...seen.changes.replicas.flatMap(({ after }) => (after ? replicaSays(after, seen.known) : [])),
    ...seen.changes.attempts.flatMap(({ after }) => (after ? attemptSays(after, seen) : [])),
    ...seen.known.leases.values().flatMap((lease) => leaseSays(lease, seen.known)),
  ],
})

/** Everything that goes on is looked at again within some minutes, whatever the clocks of control planes say. */
const lookMs = 600_000

function workloadSays({ id, state, endedAt, dueAt }: WorkloadRow, { now }: Seen): string[] {
  if (endedAt !== null) return dueAt === null ? [] : [`${id} is ${state}, and is to be looked at again`]
  if (dueAt === null) return [`${id} is ${state}, and nobody will look at it again`]
  return dueAt <= now + lookMs ? [] : [`${id} is ${state}, and is not looked at for ${dueAt - now} ms`]
}

function replicaSays({ workload, replica, state }: { workload: string; replica: number; state: string }, known: Known) {
  const live = known.attemptsOf(workload, replica).map(({ id }) => id)
  const wanted = state === 'placed' ? 1 : 0
  return live.length === wanted ? [] : [`replica ${replica} of ${workload} is ${state}, and these live: [${live}]`]
}

function attemptSays({ id, workload, replica, endedAt, state }: AttemptRow, { tables, known }: Seen): string[] {
  const its = tables.replicas.get(keyOf(workload, replica))
  if (!its) return [`attempt ${id} is of replica ${replica} of ${workload}, which is none`]
  if (!known.leaseOf(id)) return [`attempt ${id} has no lease`]
  if (endedAt !== null) return []
  const over = tables.workloads.get(workload)?.endedAt !== null
  return [
    ...(its.state === 'placed' ? [] : [`attempt ${id} is ${state}, and its replica is ${its.state}`]),
    ...(over ? [`attempt ${id} is ${state}, and its workload has ended`] : []),
  ]
}

/** Each lease that is not over has an open operation, or an attempt whose end will retire it. */
function leaseSays({ id, state, attempt }: LeaseRow, known: Known): string[] {
  const isOpen = (kind: 'launch' | 'retire') => known.operationOf(id, kind)?.state === 'intended'
  switch (state) {
    case 'wanted':
      return isOpen('launch') ? [] : [`lease ${id} is wanted, and nobody will launch it`]
    case 'starting':
    case 'held':
      return known.attempts.has(attempt) ? [] : [`lease ${id} is ${state}, and its attempt ${attempt} has ended`]
    case 'stopping':
    case 'lost':
      return isOpen('retire') ? [] : [`lease ${id} is ${state}, and nobody will retire it`]
    case 'gone':
    case 'refused':
      return []
  }
}

/** What is gone at its provider is noticed, and what is to end ends, as soon as somebody can see to it. */
export function endsAreSeenTo(): Invariant {
  const patience = createPatience()
  return {
    name: 'what is gone is noticed, and what is to end ends',
    rule: 2,
    when: 'always',
    check(seen) {
      const there = new Map(seen.gangs.filter(({ gang }) => !gang.closed).map(({ gang }) => [gang.token, gang]))
      const waited = [
        ...seen.known.leases.values().flatMap((lease) => waiting(lease, there, seen)),
        ...seen.known.attempts.values().flatMap((attempt) => starting(attempt, seen)),
      ]
      const overdue = patience(seen.now, waited)
      return waited
        .filter(({ key }) => overdue.has(key))
        .map(({ what, mostMs }) => `${what} for more than ${mostMs} ms`)
    },
  }
}

/** It gets up, or is withdrawn once its site has had the time that it asks for. */
function starting({ id, state }: AttemptRow, seen: Seen): (Passing & { what: string })[] {
  const { known, tables, able, bounds } = seen
  const lease = state === 'starting' && known.leaseOf(id)
  if (!lease) return []
  const site = `${lease.provider}/${lease.site}`
  const isMute = seen.agentsOf(lease.id)?.some((agent) => agent.isMute) ?? false
  // Ranks that are all up may wait for what they need to begin, a secret that was removed, as long as for their nodes.
  const isUp = [...lease.ranks].every(({ rank }) => tables.ranks.get(keyOf(lease.id, rank))?.state === 'arrived')
  const mostMs = (isMute ? bounds.muteMs : bounds.endMs) + upWithin(site, tables) + (isUp ? beginPatienceMs : 0)
  return [{ key: `start ${id}`, isAble: able(site), mostMs, what: `attempt ${id} was starting` }]
}

const upWithin = (site: string, { sites }: Seen['tables']): number => sites.get(site)?.info.upWithinMs ?? 0

/** Who has an agent that says nothing, though its site answers, comes to an end; one that may still come has its site's time. */
export function nobodyIsMute(): Invariant {
  const patience = createPatience()
  return {
    name: 'what has an agent that says nothing is given up in its time',
    rule: 2,
    when: 'always',
    check(seen) {
      const { known, now, able, bounds, tables } = seen
      const mute = [...known.attempts.values()].flatMap(({ id, state }) => {
        const lease = known.leaseOf(id)
        const agents = (lease && seen.agentsOf(lease.id)) ?? []
        if (!lease || !agents.some(({ isMute }) => isMute)) return []
        const site = `${lease.provider}/${lease.site}`
        return [
          {
            key: id,
            isAble: able(site),
            mostMs: bounds.muteMs + (state === 'starting' ? upWithin(site, tables) : 0),
            what: `attempt ${id} is ${state}, and has an agent that says nothing`,
          },
        ]
      })
      const overdue = patience(now, mute)
      return mute.filter(({ key }) => overdue.has(key)).map(({ what, mostMs }) => `${what} for more than ${mostMs} ms`)
    },
  }
}

type Gangs = ReadonlyMap<string, Readonly<Gang>>

function waiting(lease: LeaseRow, there: Gangs, seen: Seen): (Passing & { what: string })[] {
  const { now, able, bounds, tables } = seen
  const { id, state, graceMs } = lease
  const isToEnd = state === 'stopping' || state === 'lost'
  if (!isToEnd && (state === 'wanted' || there.has(id))) return []
  const site = `${lease.provider}/${lease.site}`
  const isAble = able(site)
  // Some providers take an hour to end what they were told to end: nobody can do more about it.
  const isAtIt = now < (there.get(id)?.stop?.goneAt ?? 0)
  if (isToEnd)
    return [
      { key: `end ${id}`, isAble: isAble && !isAtIt, mostMs: bounds.endMs + graceMs, what: `lease ${id} was to end` },
    ]
  // A rank that never was is told from one that is not up yet only by time, where its site shows the rest of the order.
  const mostMs = bounds.lossMs + (state === 'starting' ? upWithin(site, tables) : 0)
  return [{ key: `loss ${id}`, isAble, mostMs, what: `lease ${id} was ${state} with nothing there` }]
}
