import assert from 'node:assert/strict'
import { test } from 'node:test'

import * as fc from 'fast-check'

import { attemptMoves } from '#model/attempt.ts'
import type { Change } from '#model/change.ts'
import { type Lease, leaseMoves } from '#model/lease.ts'
import { mayMove, type Moves } from '#model/moves.ts'
import { rankMoves, type RankState } from '#model/rank.ts'
import { wantedReplicas, type Workload, workloadMoves } from '#model/workload.ts'
import { aJob, aNow, anArray, aReplica, aService } from '#test/builders.ts'
import { conclude } from './conclude.ts'
import type { LiveAttempt, WorkloadFacts } from './facts.ts'

/** A model of the store and of the other loops, in memory: what conclude is asked to decide on over a whole life. */
type World = {
  now: number
  workload: Workload
  replicas: WorkloadFacts['replicas']
  attempts: (LiveAttempt & { retired: boolean })[]
  tasks: NonNullable<WorkloadFacts['tasks']> | null
  site: WorkloadFacts['sites'][string]
}

const site = 'local/west'
const dead = new Set<string>(['succeeded', 'failed', 'stopped', 'refused', 'lost'])
const isLive = ({ state }: LiveAttempt) => !dead.has(state)
const isEnd = ({ state }: Workload) => ['succeeded', 'failed', 'stopped'].includes(state)

function aWorld(workload: Workload): World {
  const replicas = Array.from({ length: wantedReplicas(workload.spec) }, (_, replica) =>
    aReplica(workload, { replica }),
  )
  const tasks =
    workload.spec.kind === 'array' ? { succeeded: 0, failed: 0, leased: 0, waiting: workload.spec.tasks } : null
  const reach = { site, reach: 'reachable', since: aNow, askedAt: aNow, detail: '', patienceMs: 60_000 } as const
  return { now: aNow, workload, replicas, attempts: [], tasks, site: { ...reach } }
}

const factsOf = ({ workload, replicas, attempts, tasks, site: reach }: World): WorkloadFacts =>
  structuredClone({
    workload,
    replicas,
    attempts: attempts.filter(isLive),
    leftovers: attempts
      .filter((attempt) => !isLive(attempt) && !['gone', 'refused'].includes(attempt.lease.state))
      .map(({ lease }) => lease),
    tasks,
    spentMicros: 0n,
    warned: false,
    sites: { [site]: reach },
  })

/** The order in which the store applies kinds of changes. */
const order: Change['change'][] = [
  'lease',
  'retire',
  'attempt',
  'attempt-ready',
  'release-tasks',
  'replica-waits',
  'replica-done',
  'workload',
  'reason',
  'look-again',
  'event',
]

/** Applies changes as the store does, and insists that each is allowed. */
function apply(world: World, changes: Change[]): void {
  const sorted = order.flatMap((kind) => changes.filter(({ change }) => change === kind))
  assert.equal(sorted.length, changes.length)
  for (const change of sorted) applyOne(world, change)
}

function move<T extends { state: string }>(row: T, moves: Moves, to: T['state']): void {
  assert.ok(mayMove(moves, row.state, to) && row.state !== to, `${row.state} may not become ${to}`)
  row.state = to
}

function applyOne(world: World, change: Change): void {
  const { attempts, workload, replicas, now } = world
  const leaseOf = (id: string) => attempts.find(({ lease }) => lease.id === id) ?? assert.fail(`no lease ${id}`)
  const attemptOf = (id: string) => attempts.find((attempt) => attempt.id === id) ?? assert.fail(`no attempt ${id}`)
  const replicaOf = (number: number) =>
    replicas.find(({ replica }) => replica === number) ?? assert.fail(`no replica ${number}`)
  switch (change.change) {
    case 'lease': {
      const { lease } = leaseOf(change.id)
      if (change.to === 'starting' || change.to === 'held') lease.startedAt ??= now
      // The provider took it while it was being stopped: it is billed, and no less on its way out.
      if (change.to === 'starting' && lease.state === 'stopping') return
      return move(lease, leaseMoves, change.to)
    }
    case 'retire':
      leaseOf(change.lease).retired = true
      return
    case 'attempt':
      if (change.to === 'running') attemptOf(change.id).startedAt = now
      attemptOf(change.id).reason = change.reason
      return move(attemptOf(change.id), attemptMoves, change.to)
    case 'attempt-ready':
      attemptOf(change.id).ready = change.ready
      return
    case 'replica-waits': {
      const { losses, failures, notBefore, avoid } = change
      assert.ok(!attempts.some((attempt) => isLive(attempt) && attempt.replica === change.replica), 'it still lives')
      Object.assign(replicaOf(change.replica), { state: 'waiting', losses, failures, notBefore, avoid })
      return
    }
    case 'replica-done':
      replicaOf(change.replica).state = 'done'
      return
    case 'workload':
      if (change.to === 'running') workload.startedAt ??= now
      workload.reason = change.reason
      return move(workload, workloadMoves, change.to)
    case 'reason':
      workload.reason = change.reason
      return
    case 'look-again':
      assert.ok(change.at > now, 'another look lies ahead')
      return
    case 'release-tasks':
    case 'event':
  }
}

/** One thing that happens, told by numbers so that fast-check can shrink it. */
type Step = { what: (typeof happenings)[number]; which: number; value: number }
const happenings = [
  'place',
  'place',
  'report',
  'report',
  'report',
  'listed-lost',
  'heard',
  'cut',
  'back',
  'wait',
  'retired',
  'launched',
  'want',
  'task',
] as const

function happen(world: World, { what, which, value }: Step): void {
  const { attempts, workload, now } = world
  const attempt = attempts[which % Math.max(1, attempts.length)]
  const rank = attempt?.ranks[value % (attempt.ranks.length || 1)]
  switch (what) {
    case 'place':
      return place(world)
    case 'report': {
      const to = (['arrived', 'running', 'running', 'exited'] as RankState[])[value % 4]
      if (!rank || !to || !mayMove(rankMoves, rank.state, to)) return
      Object.assign(rank, { state: to, heardAt: now, ready: to === 'running' && value % 3 > 0 })
      if (to === 'exited') Object.assign(rank, { exitCode: rank.exitCode ?? [0, 0, 1, 17][which % 4], endedAt: now })
      return
    }
    case 'listed-lost':
      if (rank && mayMove(rankMoves, rank.state, 'lost')) rank.state = 'lost'
      return
    case 'heard':
      if (rank && rank.state !== 'expected') rank.heardAt = now
      return
    case 'cut':
    case 'back':
      if ((world.site.reach === 'reachable') === (what === 'cut'))
        world.site = { ...world.site, reach: what === 'cut' ? 'unreachable' : 'reachable', since: now }
      return
    case 'wait':
      world.now += [10, 1000, 20_000, 60_000, 200_000][value % 5] ?? 0
      return
    case 'retired':
      if (attempt?.retired && world.site.reach === 'reachable' && mayMove(leaseMoves, attempt.lease.state, 'gone'))
        attempt.lease.state = 'gone'
      return
    case 'launched':
      if (attempt?.lease.state !== 'wanted' || attempt.ranks.some(({ state }) => state !== 'expected')) return
      attempt.lease.state = value % 4 === 0 ? 'refused' : 'starting'
      if (attempt.lease.state === 'starting') attempt.lease.startedAt = now
      return
    case 'want':
      if (workload.wants !== 'stop') workload.wants = (['run', 'run', 'hold', 'stop'] as const)[value % 4] ?? 'run'
      return
    case 'task': {
      const { tasks } = world
      if (!tasks || tasks.waiting === 0 || attempts.filter(isLive).length === 0) return
      tasks.waiting -= 1
      tasks[value % 5 === 0 ? 'failed' : 'succeeded'] += 1
    }
  }
}

function place(world: World): void {
  const { workload, replicas, attempts, now } = world
  const replica = replicas.find(({ state, notBefore }) => state === 'waiting' && notBefore <= now)
  const open = workload.wants === 'run' && !isEnd(workload) && !['held', 'stopping'].includes(workload.state)
  if (!replica || !open || world.site.reach !== 'reachable') return
  replica.state = 'placed'
  if (workload.state === 'queued') workload.state = 'starting'
  const number = (workload.attempts += 1)
  const lease: Lease = {
    id: `l-${number}`,
    attempt: `a-${number}`,
    workload: workload.id,
    project: 'default',
    provider: 'local',
    site: 'west',
    tier: 'on-demand',
    priceMicros: 0,
    ranks: [],
    state: 'wanted',
    createdAt: now,
    startedAt: null,
    endedAt: null,
    meteredUntil: null,
  }
  attempts.push({
    id: lease.attempt,
    workload: workload.id,
    replica: replica.replica,
    number,
    state: 'starting',
    plan: '',
    ready: false,
    exitCode: null,
    reason: '',
    createdAt: now,
    startedAt: null,
    endedAt: null,
    lease,
    retired: false,
    ranks: Array.from({ length: workload.spec.nodes }, (_, rank) => ({
      lease: lease.id,
      rank,
      state: 'expected' as const,
      address: null,
      endpoints: [],
      ready: false,
      exitCode: null,
      startedAt: null,
      endedAt: null,
      heardAt: null,
      cause: null,
      leavesAt: null,
    })),
  })
}

function check(world: World, changes: Change[], before: WorkloadFacts): void {
  const { workload, attempts, replicas, now } = world
  const live = attempts.filter(isLive)
  assert.equal(new Set(live.map(({ replica }) => replica)).size, live.length, 'one live attempt for each replica')
  for (const { lease, retired } of attempts.filter((attempt) => !isLive(attempt)))
    assert.ok(['gone', 'refused'].includes(lease.state) || retired, 'what has ended is being retired')
  for (const { lease, ranks } of before.attempts)
    assert.ok(
      ranks.every(({ state, heardAt }) => state === 'expected' || (state === 'lost' && heardAt === null)) ||
        attempts.some((attempt) => attempt.lease.id === lease.id && attempt.lease.startedAt !== null),
      'what was seen is billed',
    )
  if (isEnd(workload)) {
    assert.equal(live.length, 0, 'nothing lives of what has ended')
    return
  }
  assert.ok(
    changes.some(({ change }) => change === 'look-again'),
    'it is looked at again',
  )
  const within = before.sites[site]?.reach === 'unreachable' && now < (before.sites[site]?.since ?? 0) + 60_000
  if (within && before.attempts.every(({ ranks }) => ranks.every(({ state }) => state !== 'lost')))
    assert.ok(!changes.some((change) => change.change === 'lease' && change.to === 'lost'), 'unknown is not lost')
  const idle = live.length === 0 && workload.state !== 'held'
  if (idle)
    assert.ok(
      replicas.some(({ state }) => state === 'waiting'),
      'what has not ended waits or lives',
    )
  const again = conclude(factsOf(world), now)
  assert.deepEqual(
    again.filter(({ change }) => change !== 'look-again'),
    [],
    'to conclude once more asks for nothing',
  )
}

const workloads = fc.constantFrom(
  () => aJob({ nodes: 3, retry: { onLoss: 2, onExit: [17], times: 2 } }),
  () => aJob({ duration: { maximum: '2m' }, expiry: '10m' }),
  () => aService({ nodes: 2, replicas: 3 }),
  () => anArray({ tasks: 24, parallelism: 24, retry: { onLoss: 2, times: 1 } }),
)
const steps = fc.array(fc.record({ what: fc.constantFrom(...happenings), which: fc.nat(7), value: fc.nat(59) }), {
  maxLength: 120,
})

/** What was once found: held at a site that was out of reach, it forgot what may be left of it. */
const found: [() => Workload, Step[]][] = [
  [
    () => aJob({ nodes: 3, retry: { onLoss: 2, onExit: [17], times: 2 } }),
    [
      { what: 'place', which: 0, value: 0 },
      { what: 'cut', which: 0, value: 0 },
      { what: 'want', which: 0, value: 10 },
      { what: 'wait', which: 0, value: 3 },
    ],
  ],
]

test('whatever happens in whatever order, every change is allowed and the invariants of a workload hold', () => {
  fc.assert(
    fc.property(workloads, steps, (make, history) => {
      const world = aWorld(make())
      for (const step of history) {
        happen(world, step)
        const before = factsOf(world)
        const changes = conclude(before, world.now)
        apply(world, changes)
        check(world, changes, before)
      }
    }),
    { numRuns: 500, examples: found },
  )
})
