import assert from 'node:assert/strict'
import { test } from 'node:test'

import * as fc from 'fast-check'

import { conclude } from '#engine/lifecycle/conclude.ts'
import type { LiveAttempt, WorkloadFacts } from '#engine/lifecycle/facts.ts'
import type { Change } from '#model/change.ts'
import type { Lease } from '#model/lease.ts'
import type { Workload } from '#model/workload.ts'
import { createSimulated } from '#providers/simulated/simulated.ts'
import { clockAt } from '#rigs/clock.ts'
import type { ClaimedOperation } from '#store/store.ts'
import { aJob, aNow, anArray, aReplica, aService, aShape } from '#test/builders.ts'
import { leastPatienceMs, permitMs, permitOf } from './start-permit.ts'

const aLease = (fields: Partial<Lease> = {}): Lease => ({
  id: 'l-1',
  attempt: 'a-1',
  workload: 'w-job',
  project: 'default',
  provider: 'simulated',
  site: 'west',
  tier: 'on-demand',
  priceMicros: 0,
  ranks: [{ rank: 0, cpuMilli: 1000, memoryMiB: 64, diskMiB: 0, accelerators: 0 }],
  state: 'wanted',
  createdAt: aNow,
  startedAt: null,
  endedAt: null,
  meteredUntil: null,
  ...fields,
})

const anAttempt = (workload: Workload, fields: Partial<LiveAttempt> = {}): LiveAttempt => ({
  id: 'a-1',
  workload: workload.id,
  replica: 0,
  number: 1,
  state: 'starting',
  plan: 'p-1',
  ready: false,
  exitCode: null,
  reason: '',
  createdAt: aNow,
  startedAt: null,
  endedAt: null,
  lease: aLease(),
  ranks: [],
  ...fields,
})

type Fields = { lease?: Partial<Lease>; tries?: number; at?: number; patienceMs?: number }

/** The permit that the first order of a workload comes with, unless something is said to be otherwise. */
function permitFor(workload: Workload, { lease = {}, tries = 1, at = aNow + 10, patienceMs = 60_000 }: Fields = {}) {
  const leaseRow = { ...aLease(lease), graceMs: 0, shape: 'sim-1' }
  const operation: ClaimedOperation = {
    id: 'o-1',
    lease: 'l-1',
    kind: 'launch',
    site: 'simulated/west',
    token: 'l-1',
    state: 'intended',
    tries,
    notBefore: 0,
    detail: '',
    leaseRow,
    workload,
    attempt: anAttempt(workload),
    replica: aReplica(workload),
  }
  const clock = clockAt(() => at)
  const pools = [{ tier: 'on-demand' as const, shape: aShape(), priceMicros: 0, nodes: 1 }]
  const cloud = createSimulated({ seed: 1, clock, sites: [{ name: 'west', jurisdictions: ['DE'], patienceMs, pools }] })
  return permitOf(operation, cloud.open(), { clock, checkpoints: (id) => `/checkpoints/${id}` })
}

test('the first order of a rank that is alone brings all that its start needs, for a moment from its placement on', () => {
  const job = aJob({ run: 'train', setup: 'prepare', env: { A: '1' } })
  const permit = permitFor(job)
  assert.equal(permit?.until, aNow + permitMs)
  const { run, setup, environment, bundle, checkpointRoot } = permit.go
  assert.deepEqual(
    [run, setup, environment, bundle, checkpointRoot],
    ['train', 'prepare', { A: '1' }, null, `/checkpoints/${job.id}`],
  )
  assert.ok(permitFor(aService({ ports: [80] })))
})

test('whoever needs what only an answer brings, is not alone, or comes late, asks before it starts', () => {
  const [one] = aLease().ranks
  assert.ok(one)
  const none: [string, ReturnType<typeof permitFor>][] = [
    ['a gang', permitFor(aJob({ nodes: 2 }), { lease: { ranks: [one, { ...one, rank: 1 }] } })],
    ['secrets', permitFor(aJob({ secrets: ['KEY'] }))],
    ['a workdir', permitFor(aJob({}, { bundle: 'sha256-1' }))],
    ['tasks', permitFor(anArray())],
    ['a second try', permitFor(aJob(), { tries: 2 })],
    ['placed long ago', permitFor(aJob(), { at: aNow + permitMs })],
    ['placed by a clock that is ahead', permitFor(aJob(), { at: aNow - 1 })],
    ['a site without patience', permitFor(aJob(), { patienceMs: leastPatienceMs - 1 })],
  ]
  for (const [what, permit] of none) assert.equal(permit, undefined, what)
})

/** Whether some changes let another attempt take the place of this one. */
const isOver = (changes: Change[]): boolean =>
  changes.some(
    (one) =>
      one.change === 'replica-waits' ||
      one.change === 'replica-done' ||
      (one.change === 'attempt' && one.to !== 'stopping'),
  )

test('while a permit holds, no attempt whose agent was not heard is over, unless its site says that nothing is left', () => {
  const sites = fc.record({
    reach: fc.constantFrom('reachable' as const, 'unreachable' as const, 'denied' as const),
    since: fc.integer({ min: 0, max: permitMs }).map((ms) => aNow + ms), // it was reachable when this was placed
    patienceMs: fc.integer({ min: leastPatienceMs, max: 600_000 }),
    detail: fc.constant(''),
  })
  const seen = fc.record({
    wants: fc.constantFrom('run' as const, 'stop' as const, 'hold' as const),
    attempt: fc.constantFrom('starting' as const, 'stopping' as const),
    lease: fc.constantFrom('wanted' as const, 'starting' as const, 'held' as const, 'stopping' as const),
    rank: fc.constantFrom('expected' as const, 'arrived' as const),
    site: sites,
    age: fc.integer({ min: 0, max: permitMs }),
  })
  const overOf = ({
    wants,
    attempt,
    lease,
    rank,
    site,
    age,
  }: typeof seen extends fc.Arbitrary<infer T> ? T : never) => {
    const workload = aJob({}, { wants, state: 'starting', attempts: 1 })
    const ranks: LiveAttempt['ranks'] = [
      {
        lease: 'l-1',
        rank: 0,
        state: rank,
        address: null,
        endpoints: [],
        ready: false,
        exitCode: null,
        startedAt: null,
        endedAt: null,
        heardAt: null,
        cause: null,
        leavesAt: null,
      },
    ]
    const facts: WorkloadFacts = {
      workload,
      replicas: [aReplica(workload, { state: 'placed' })],
      attempts: [
        anAttempt(workload, { state: attempt, ranks, lease: aLease({ state: lease, workload: workload.id }) }),
      ],
      leftovers: [],
      tasks: null,
      spentMicros: 0n,
      warned: false,
      sites: { 'simulated/west': { site: 'simulated/west', askedAt: aNow + age, ...site } },
    }
    return isOver(conclude(facts, aNow + age))
  }
  fc.assert(
    fc.property(seen, (facts) => assert.equal(overOf(facts), false)),
    { seed: 31, numRuns: 2000 },
  )
})
