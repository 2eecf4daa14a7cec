import { costMicros } from '#kit/money.ts'
import { occupyingStates, type Lease } from '#model/lease.ts'
import { roleOfRank } from '#model/spec/roles.ts'
import type { Spec } from '#model/spec/spec.ts'
import type { Workloads } from '#store/store.ts'
import { money, time, timeOrNull } from './show.ts'
import type { AttemptView } from './views.ts'

export type ShownAttempt = Awaited<ReturnType<Workloads['attempts']>>[number]

export const attemptView = (attempt: ShownAttempt, spec: Spec, now: number): AttemptView => ({
  id: attempt.id,
  number: attempt.number,
  replica: attempt.replica,
  state: attempt.state,
  ready: attempt.ready,
  exitCode: attempt.exitCode,
  reason: attempt.reason,
  site: attempt.lease && siteOf(attempt.lease),
  tier: attempt.lease?.tier ?? null,
  pricePerHour: money(attempt.lease?.priceMicros ?? 0),
  spent: money(attempt.lease ? spentOn(attempt.lease, now) : 0),
  createdAt: time(attempt.createdAt),
  startedAt: timeOrNull(attempt.startedAt),
  endedAt: timeOrNull(attempt.endedAt),
  ranks: ranksOf(attempt, spec),
  lease: attempt.lease && { id: attempt.lease.id, state: attempt.lease.state },
})

function ranksOf({ ranks, lease }: ShownAttempt, spec: Spec): AttemptView['ranks'] {
  const nodes = new Map(lease?.ranks.map(({ rank, node }) => [rank, node]))
  return ranks.map(({ rank, state, address, exitCode }) => {
    const role = rank < spec.nodes ? roleOfRank(spec, rank).name : ''
    return { rank, state, address, exitCode, role: role === '' ? null : role, node: nodes.get(rank) ?? null }
  })
}

const siteOf = (lease: Lease): string => `${lease.provider}/${lease.site}`

/** What the ledger will have said of a lease by now. */
const spentOn = (lease: Lease, now: number): bigint =>
  lease.startedAt === null
    ? 0n
    : costMicros(BigInt(lease.priceMicros), Math.max(0, (lease.endedAt ?? now) - lease.startedAt))

/** Where the ready replicas of a service are reached: the first port of the first rank of each. */
export const endpointsOf = (attempts: ShownAttempt[]): string[] =>
  attempts
    .filter(({ state, ready }) => state === 'running' && ready)
    .flatMap(({ ranks }) => ranks.find(({ rank }) => rank === 0)?.endpoints.slice(0, 1) ?? [])

/** Whether a lease still holds capacity. */
export const isLive = (lease: Lease | null): lease is Lease =>
  lease !== null && (occupyingStates as readonly string[]).includes(lease.state)
