import assert from 'node:assert/strict'
import { test } from 'node:test'

import type { RankSighting } from '#providers/provider.ts'
import { underQueue, type Word, wordsOf, Workload } from './kueue.ts'

const evictedAt = Date.parse('2026-11-22T05:00:00Z')
const lastTransitionTime = '2026-11-22T05:00:00Z'
const condition = (type: string, status: string, [reason, message]: [string, string]) => ({
  type,
  status,
  reason,
  message,
  lastTransitionTime,
})

const wordOf = (status: object): Word | undefined =>
  wordsOf([
    Workload.parse({
      metadata: { uid: 'w', ownerReferences: [{ uid: 'u-1' }], creationTimestamp: '2026-11-22T04:00:00Z' },
      status,
    }),
  ]).get('u-1')

test('who waits for quota, or for an admission check, tells for what', () => {
  const noQuota = { conditions: [condition('QuotaReserved', 'False', ['Pending', 'insufficient unused quota'])] }
  assert.deepEqual(wordOf(noQuota)?.cause, { kind: 'queued', detail: 'Kueue: insufficient unused quota' })
  const unchecked = {
    conditions: [condition('QuotaReserved', 'True', ['QuotaReserved', 'Quota reserved'])],
    admissionChecks: [
      { name: 'done', state: 'Ready', message: '' },
      { name: 'dws', state: 'Pending', message: 'provisioning, ready in 2 h' },
    ],
  }
  assert.equal(wordOf(unchecked)?.cause?.detail, 'Kueue: admission check dws: provisioning, ready in 2 h')
  assert.deepEqual(wordOf({ conditions: [condition('Admitted', 'True', ['Admitted', ''])] }), {
    cause: null,
    evictedAt: null,
    admittedAt: evictedAt,
  })
  assert.deepEqual(wordOf({}), { cause: null, evictedAt: null, admittedAt: null }, 'Kueue has not looked at it yet')
})

const outranked = 'name a higher WorkloadPriorityClass in `queuePriority` of the site'

const reasons: [reason: string, kind: string][] = [
  ['Preempted', 'preempted'],
  ['NodeFailures', 'node-lost'],
  ['MaximumExecutionTimeExceeded', 'deadline'],
  ['ClusterQueueStopped', 'evicted'],
  ['PodsReadyTimeout', 'evicted'],
]
for (const [reason, kind] of reasons)
  test(`quota that is taken back by reason of ${reason} is ${kind}`, () => {
    const word = wordOf({ conditions: [condition('Evicted', 'True', [reason, 'why'])] })
    assert.deepEqual([word?.cause?.kind, word?.cause?.detail, word?.evictedAt], [kind, 'Kueue: why', evictedAt])
  })

test('who was evicted once stays so, though Kueue lets it go again', () => {
  const again = {
    conditions: [condition('Evicted', 'False', ['QuotaReserved', '']), condition('Admitted', 'True', ['Admitted', ''])],
    schedulingStats: { evictions: [{ reason: 'Preempted', underlyingCause: '', count: 1 }] },
  }
  assert.deepEqual(wordOf(again), {
    cause: { kind: 'preempted', detail: 'Kueue: Preempted', fix: outranked },
    evictedAt,
    admittedAt: null,
  })
})

test('who was evicted once stays so where nothing is counted, as in v1beta1', () => {
  const before = ['QuotaReserved', 'Previously: Preempted to accommodate'] as [string, string]
  const again = {
    conditions: [
      condition('Evicted', 'False', before),
      condition('Preempted', 'False', before),
      condition('Admitted', 'True', ['Admitted', '']),
    ],
  }
  assert.deepEqual(wordOf(again), {
    cause: { kind: 'preempted', detail: 'Kueue: Preempted to accommodate', fix: outranked },
    evictedAt,
    admittedAt: null,
  })
})

const rank = (fields: Partial<RankSighting>): RankSighting => ({
  rank: 0,
  state: 'running',
  exitCode: null,
  startedAt: evictedAt - 60_000,
  endedAt: null,
  ...fields,
})
const preempted: Word = { cause: { kind: 'preempted', detail: 'Kueue: why' }, evictedAt, admittedAt: null }

test('after Kueue took the quota back, who runs has notice, and no exit is the doing of the program but success', () => {
  const { state, leavesAt } = underQueue(rank({}), preempted)
  assert.deepEqual([state, leavesAt], ['running', evictedAt])
  assert.equal(underQueue(rank({ state: 'expected' }), preempted).state, 'lost')
  const ended = (exitCode: number, endedAt: number) =>
    underQueue(rank({ state: 'exited', exitCode, endedAt }), preempted).state
  assert.equal(ended(143, evictedAt + 5000), 'lost')
  assert.equal(ended(0, evictedAt + 5000), 'exited')
  assert.equal(ended(7, evictedAt - 5000), 'exited')
})

test('what a pod itself tells of why it does not start goes before what Kueue says', () => {
  const queued: Word = { cause: { kind: 'queued', detail: 'Kueue: no quota' }, evictedAt: null, admittedAt: null }
  const waiting = rank({ state: 'expected' })
  assert.equal(underQueue(waiting, queued).cause?.kind, 'queued')
  assert.equal(underQueue({ ...waiting, cause: { kind: 'image', detail: '' } }, queued).cause?.kind, 'image')
  assert.equal(underQueue(rank({}), queued).cause, undefined)
  assert.deepEqual(underQueue(waiting, undefined), waiting)
})

test('who is admitted is held since then, and who waits or was thrown out is not', () => {
  const at = '2026-11-22T04:00:07Z'
  const admitted = { type: 'Admitted', status: 'True', lastTransitionTime: at }
  assert.equal(wordOf({ conditions: [admitted] })?.admittedAt, Date.parse(at))
  assert.equal(wordOf({ conditions: [{ ...admitted, status: 'False' }] })?.admittedAt, null)
  const evicted = { type: 'Evicted', status: 'True', reason: 'Preempted', lastTransitionTime: at }
  assert.equal(wordOf({ conditions: [admitted, evicted] })?.admittedAt, null)
})
