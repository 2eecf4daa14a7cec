import type { LiveAttempt, WorkloadFacts } from '#engine/lifecycle/facts.ts'
import type { Change } from '#model/change.ts'
import type { Lease } from '#model/lease.ts'
import type { Rank } from '#model/rank.ts'
import type { Workload } from '#model/workload.ts'
import { aNow, aReplica } from './builders.ts'

// What is known of a workload whose attempts are live, for tests of what is concluded from it.

export const aRank = (fields: Partial<Rank> = {}): Rank => ({
  lease: 'l-1',
  rank: 0,
  state: 'running',
  address: '127.0.0.2',
  endpoints: [],
  ready: true,
  exitCode: null,
  startedAt: aNow,
  endedAt: null,
  heardAt: aNow,
  cause: null,
  leavesAt: null,
  ...fields,
})

export const aLease = (fields: Partial<Lease> = {}): Lease => ({
  id: 'l-1',
  attempt: 'a-1',
  workload: 'w-job',
  project: 'default',
  provider: 'local',
  site: 'west',
  tier: 'on-demand',
  priceMicros: 0,
  ranks: [],
  state: 'held',
  createdAt: aNow,
  startedAt: aNow,
  endedAt: null,
  meteredUntil: null,
  ...fields,
})

type AttemptFields = Partial<LiveAttempt>

export const anAttempt = (workload: Workload, fields: AttemptFields = {}): LiveAttempt => ({
  id: 'a-1',
  workload: workload.id,
  replica: 0,
  number: 1,
  state: 'running',
  plan: 'p-1',
  ready: true,
  exitCode: null,
  reason: '',
  createdAt: aNow,
  startedAt: aNow,
  endedAt: null,
  lease: aLease({ workload: workload.id }),
  ranks: [aRank()],
  ...fields,
})

export const aSite = (fields: Partial<WorkloadFacts['sites'][string]> = {}) => ({
  site: 'local/west',
  reach: 'reachable' as const,
  since: 0,
  askedAt: aNow,
  detail: '',
  patienceMs: 60_000,
  ...fields,
})

export function someFacts(workload: Workload, fields: Partial<WorkloadFacts> = {}): WorkloadFacts {
  const attempts = fields.attempts ?? []
  return {
    workload,
    replicas: [aReplica(workload, { state: attempts.length > 0 ? 'placed' : 'waiting' })],
    attempts,
    leftovers: [],
    tasks: null,
    spentMicros: 0n,
    warned: false,
    sites: { 'local/west': aSite() },
    ...fields,
  }
}

/** Facts about a running workload of one replica whose ranks are these. */
export const running = (
  workload: Workload,
  ranks: Partial<Rank>[],
  fields: Partial<WorkloadFacts> = {},
): WorkloadFacts =>
  someFacts(
    { ...workload, state: 'running', startedAt: aNow },
    {
      attempts: [anAttempt(workload, { ranks: ranks.map((rank, index) => aRank({ rank: index, ...rank })) })],
      ...fields,
    },
  )

/** The changes in short: `attempt failed`, `retire`, `replica-waits`. */
export const short = (changes: Change[]): string[] =>
  changes
    .filter(({ change }) => change !== 'look-again')
    .map((change) => ('to' in change ? `${change.change} ${change.to}` : change.change))

export const end = (changes: Change[]) =>
  changes.find((change) => change.change === 'workload' && ['succeeded', 'failed', 'stopped'].includes(change.to))

export const looks = (changes: Change[]) => changes.find(({ change }) => change === 'look-again')
