import type { LiveLease } from '#model/live-lease.ts'
import type { Reading } from '#store/queries/queue.ts'
import { jsonb, jsonText } from './jsonb.ts'
import type { Memory } from './memory.ts'
import type { LeaseRow, WorkloadRow } from './rows.ts'
import { all } from './tables.ts'

/** A lease that occupies capacity, or whose nodes are kept for a replica. */
type Live = { lease: LeaseRow; leaves: boolean; keptFor: LiveLease['keptFor'] | null; until: number | null }

/** What several that hold the same have in common. */
type Group = Pick<LiveLease, 'times' | 'leaves' | 'keptFor'> & {
  id: string
  first: string | null
  until: number | null
  ends: number[] | null
}

/** All leases that are in the way, as the query of the same name reads them. */
export function readLeases(memory: Memory, { apart, one, few, moves, now }: Reading): LiveLease[] {
  const live = liveOf(memory, now)
  const alone = new Set(apart)
  const isApart = live.length <= few || one
  const isAlone = ({ lease, keptFor }: Live) => isApart || keptFor !== null || alone.has(lease.workload)
  const together = Map.groupBy(
    live.filter((each) => !isAlone(each)),
    ({ lease }) => whatOf(lease),
  )
  const groups = [
    ...[...together.values()].map(grouped),
    ...live.filter(isAlone).map(({ lease, leaves, keptFor, until }) => ({
      id: lease.id,
      leaves,
      times: 1,
      until,
      first: lease.workload,
      ends: null,
      keptFor,
    })),
  ]
  return groups.sort((a, b) => (a.id < b.id ? -1 : 1)).flatMap((group) => shown(memory, group, { one, moves }))
}

function liveOf({ leases, replicas, attempts }: Memory, now: number): Live[] {
  const keeping = Map.groupBy(replicas.keeping.get(all), ({ kept }) => kept?.lease ?? '')
  const gone = [...keeping.keys()].flatMap((id) => {
    const lease = leases.get(id)
    return lease?.state === 'gone' ? (keeping.get(id) ?? []).map(() => lease) : []
  })
  return [...leases.occupying.get(all), ...gone].flatMap((lease): Live[] => {
    const attempt = attempts.get(lease.attempt)
    if (!attempt) return []
    const kept = keeping.get(lease.id) ?? []
    const isLeaving = lease.state === 'stopping' || (attempt.state !== 'starting' && attempt.state !== 'running')
    if (kept.length === 0) {
      const left = Math.max(now, (attempt.preemptedAt ?? now) + lease.graceMs)
      const until = isLeaving ? Math.min(lease.endsAt ?? Infinity, left) : lease.endsAt
      return [{ lease, leaves: isLeaving, keptFor: null, until }]
    }
    return kept.map(({ replica, kept: its }) => {
      const keptFor = jsonb({ replica, lost: its?.lost ?? [], isGone: lease.state === 'gone' })
      return { lease, leaves: false, keptFor, until: null }
    })
  })
}

/** Equal for leases that hold the same at the same place. */
const whatOf = ({ project, provider, site, tier, shape, priceMicros, ranks, beside }: LeaseRow): string =>
  [project, provider, site, tier, shape, priceMicros, jsonText(ranks), jsonText(beside)].join('\n')

function grouped(some: Live[]): Group {
  const ids = some.map(({ lease }) => lease.id)
  const known = some.flatMap(({ lease: { workload }, until }) => (until === null ? [] : [{ until, workload }]))
  known.sort((a, b) => a.until - b.until || (a.workload < b.workload ? -1 : 1))
  return {
    id: ids.reduce((a, b) => (a > b ? a : b)),
    leaves: some.every(({ leaves }) => leaves),
    times: some.length,
    until: known[0]?.until ?? null,
    first: known[0]?.workload ?? null,
    ends: known.length > 0 ? known.map(({ until }) => until) : null,
    keptFor: null,
  }
}

type Shown = Pick<Reading, 'one' | 'moves'>

function shown({ leases, workloads }: Memory, group: Group, { one, moves }: Shown): LiveLease[] {
  const lease = leases.get(group.id)
  const workload = workloads.get(lease?.workload ?? '')
  if (!lease || !workload) return []
  const { id, project, provider, site, tier, ranks, priceMicros, shape, beside, graceMs } = lease
  return [
    {
      id,
      workload: workload.id,
      project,
      provider,
      site,
      tier,
      ranks,
      priceMicros,
      shape,
      beside,
      times: group.times,
      name: workload.name,
      endsAt: group.until,
      endsName: (group.first === null ? undefined : workloads.get(group.first)?.name) ?? null,
      ends: group.ends,
      priority: workload.priority,
      kind: workload.kind,
      since: lease.startedAt ?? lease.createdAt,
      graceMs,
      leaves: group.leaves,
      keptFor: group.keptFor,
      movable: moves ? isMovable(workload) : null,
      savesEveryMs: one ? (workload.spec.checkpoint.everyMs ?? null) : null,
    },
  ]
}

/** Who says that it saves its work, and an array, which has tasks to begin anew and nothing else, may be moved. */
export const isMovable = ({ kind, spec: { checkpoint } }: WorkloadRow): boolean =>
  kind === 'array' || (kind === 'job' && ('everyMs' in checkpoint || 'directory' in checkpoint))
