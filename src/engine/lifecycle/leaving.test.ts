import assert from 'node:assert/strict'
import { test } from 'node:test'

import { causeOf } from '#model/cause.ts'
import type { Change } from '#model/change.ts'
import type { Rank } from '#model/rank.ts'
import { aJob, aNow, aReplica } from '#test/builders.ts'
import { conclude } from './conclude.ts'
import type { LiveAttempt, WorkloadFacts } from './facts.ts'
import { noticeMarginMs } from './leaving.ts'

const [graceMs, leavesAt] = [30_000, aNow + 120_000]
const endBy = leavesAt - graceMs - noticeMarginMs

/** A gang of two that runs, whose second rank is as told. */
function aGang(second: Partial<Rank>, attempt: Pick<Partial<LiveAttempt>, 'state' | 'reason'> = {}): WorkloadFacts {
  const workload = aJob({ nodes: 2, checkpoint: { grace: '30s' } }, { state: 'running', startedAt: aNow })
  const of = { attempt: 'a-1', workload: workload.id, project: 'default', provider: 'local', site: 'west' }
  const priced = { tier: 'spot', priceMicros: 0, createdAt: aNow, startedAt: aNow, endedAt: null, meteredUntil: null }
  const held = { cpuMilli: 1, memoryMiB: 1, diskMiB: 1, accelerators: 0 }
  const ranks = [0, 1].map((rank) => ({ ...held, rank, node: `n-${rank}` }))
  const lease = {
    id: 'l-1',
    ...of,
    ...priced,
    ranks,
    state: attempt.state === 'stopping' ? 'stopping' : 'held',
  } as const
  const unheard = { address: null, endpoints: [], exitCode: null, heardAt: null, cause: null, leavesAt: null }
  const rank = { ...unheard, lease: 'l-1', state: 'running' as const, ready: true, startedAt: aNow, endedAt: null }
  const times = { createdAt: aNow, startedAt: aNow, endedAt: null }
  const own = { id: 'a-1', workload: workload.id, replica: 0, number: 1, plan: 'p-1', ready: true, exitCode: null }
  const sites = {
    'local/west': { site: 'local/west', reach: 'reachable', since: 0, askedAt: 0, detail: '', patienceMs: 60_000 },
  } as const
  return {
    workload,
    replicas: [aReplica(workload, { state: 'placed' })],
    attempts: [
      {
        ...own,
        ...times,
        state: 'running',
        reason: '',
        ...attempt,
        lease,
        ranks: [
          { ...rank, rank: 0 },
          { ...rank, rank: 1, ...second },
        ],
      },
    ],
    leftovers: [],
    tasks: null,
    spentMicros: 0n,
    warned: false,
    sites,
  }
}

/** … both of whose ranks have ended. */
const ended = (gang: WorkloadFacts): WorkloadFacts => ({
  ...gang,
  attempts: gang.attempts.map((one) => ({ ...one, ranks: one.ranks.map((rank) => ({ ...rank, state: 'exited' })) })),
})

const told = (changes: Change[]) =>
  changes.flatMap((one) => ('reason' in one ? [`${one.change} ${'to' in one ? one.to : ''}: ${one.reason}`] : []))
const next = (changes: Change[]) => changes.flatMap((one) => (one.change === 'look-again' ? [one.at] : []))[0]
const reason = 'local/west takes rank 1 away at 00:02:00 UTC: it was preempted there'

test('a gang of which a node is to go works on, says so, and is looked at again when its grace begins', () => {
  const changes = conclude(aGang({ leavesAt, cause: causeOf('preempted') }), aNow)
  assert.deepEqual([told(changes), next(changes)], [[`reason : ${reason}`], endBy])
})

test('it is told to end when no more than its grace is left, and is given back in good order', () => {
  const changes = conclude(aGang({ leavesAt, cause: causeOf('preempted') }), endBy)
  assert.deepEqual(
    [told(changes)[0], changes.slice(1, 4).map(({ change }) => change)],
    [`attempt stopping: ${reason}`, ['attempt-ready', 'lease', 'retire']],
  )
})

test('notice without time ends it at once, also while it is starting', () => {
  const changes = conclude(aGang({ leavesAt: aNow - 1, state: 'expected' }, { state: 'starting' }), aNow)
  assert.equal(told(changes)[0], 'attempt stopping: local/west takes rank 1 away at 23:59:59 UTC')
})

test('it counts as lost once, waits again at once, and comes back to the nodes that stay', () => {
  const gang = ended(aGang({ leavesAt, exitCode: 143 }, { state: 'stopping', reason }))
  const waits = conclude(gang, endBy + 1_000).find(({ change }) => change === 'replica-waits')
  assert.ok(waits?.change === 'replica-waits')
  assert.deepEqual([waits.losses, waits.notBefore, waits.kept], [1, endBy + 1_000, { lease: 'l-1', lost: [1] }])
})

test('what leaves for another reason is no loss, though notice was given, too', () => {
  const gang = ended(aGang({ leavesAt, exitCode: 143 }, { state: 'stopping', reason: 'preempted for other' }))
  const waits = conclude(gang, endBy).find(({ change }) => change === 'replica-waits')
  assert.ok(waits?.change === 'replica-waits')
  assert.deepEqual([waits.losses, waits.kept], [0, undefined])
})

test('why a rank failed, was lost or does not start is told with what helps', () => {
  const failed = {
    state: 'exited' as const,
    exitCode: 137,
    heardAt: aNow,
    endedAt: aNow,
    cause: causeOf('out-of-memory', '2 GiB'),
  }
  assert.equal(
    told(conclude(aGang(failed), aNow + 60_000))[0],
    'attempt failed: rank 1 exited with 137: it was out of memory (2 GiB); ask for more resources.memory',
  )
  assert.equal(
    told(conclude(aGang({ state: 'lost', cause: causeOf('evicted', '', 'add a node') }), aNow))[0],
    'attempt lost: local/west lost rank 1: it was evicted; add a node',
  )
  const hindered = aGang({ state: 'expected', cause: causeOf('image', 'not found') }, { state: 'starting' })
  assert.match(
    told(conclude(hindered, aNow))[0] ?? '',
    /^workload starting: |^reason : rank 1 does not start on local.west: its image cannot be pulled/,
  )
})

test('who is released and waits for its next try says until when', () => {
  const workload = aJob({}, { state: 'held', wants: 'run' })
  const replicas = [aReplica(workload, { state: 'waiting', notBefore: aNow + 300_000, failures: 9 })]
  const facts = { ...aGang({}), workload, replicas, attempts: [] }
  assert.deepEqual(told(conclude(facts, aNow)), [
    'workload queued: tried again at 00:05:00 UTC, since it failed before',
  ])
  assert.deepEqual(told(conclude(facts, aNow + 300_000)), ['workload queued: '])
})
