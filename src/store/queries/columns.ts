import { type RawBuilder, sql } from 'kysely'

/** The columns of a noun, named as its type in the model names them, from the table that goes by `alias`. */
const columns =
  (names: Record<string, string>) =>
  (alias: string, { but }: { but?: string } = {}): RawBuilder<unknown> =>
    sql.raw(
      Object.entries(names)
        .filter(([property]) => property !== but)
        .map(([property, column]) => `${alias}.${column} as "${property}"`)
        .join(', '),
    )

export const workloadColumns = columns({
  id: 'id',
  name: 'name',
  project: 'project',
  kind: 'kind',
  spec: 'spec',
  bundle: 'bundle',
  priority: 'priority',
  wants: 'wants',
  state: 'state',
  exitCode: 'exit_code',
  reason: 'reason',
  attempts: 'attempts',
  submittedBy: 'submitted_by',
  createdAt: 'created_at',
  startedAt: 'started_at',
  endedAt: 'ended_at',
})

export const replicaColumns = columns({
  workload: 'workload',
  replica: 'replica',
  state: 'state',
  losses: 'losses',
  failures: 'failures',
  notBefore: 'not_before',
  avoid: 'avoid',
  kept: 'kept',
})

export const attemptColumns = columns({
  id: 'id',
  workload: 'workload',
  replica: 'replica',
  number: 'number',
  state: 'state',
  plan: 'plan',
  ready: 'ready',
  exitCode: 'exit_code',
  reason: 'reason',
  createdAt: 'created_at',
  startedAt: 'started_at',
  endedAt: 'ended_at',
})

export const leaseColumns = columns({
  id: 'id',
  attempt: 'attempt',
  workload: 'workload',
  project: 'project',
  provider: 'provider',
  site: 'site',
  tier: 'tier',
  priceMicros: 'price_micros',
  ranks: 'ranks',
  state: 'state',
  createdAt: 'created_at',
  startedAt: 'started_at',
  endedAt: 'ended_at',
  meteredUntil: 'metered_until',
})

export const rankColumns = columns({
  lease: 'lease',
  rank: 'rank',
  state: 'state',
  address: 'address',
  endpoints: 'endpoints',
  ready: 'ready',
  exitCode: 'exit_code',
  startedAt: 'started_at',
  endedAt: 'ended_at',
  heardAt: 'heard_at',
  cause: 'cause',
  leavesAt: 'leaves_at',
})

export const operationColumns = columns({
  id: 'id',
  lease: 'lease',
  kind: 'kind',
  site: 'site',
  token: 'token',
  state: 'state',
  tries: 'tries',
  notBefore: 'not_before',
  detail: 'detail',
})
