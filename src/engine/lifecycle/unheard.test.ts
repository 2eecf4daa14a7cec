import assert from 'node:assert/strict'
import { test } from 'node:test'

import type { Change } from '#model/change.ts'
import type { Rank } from '#model/rank.ts'
import type { Workload } from '#model/workload.ts'
import { aJob, aNow, anArray, aReplica } from '#test/builders.ts'
import { aLease, anAttempt, aRank, short } from '#test/live-attempts.ts'
import { conclude } from './conclude.ts'
import type { LiveAttempt, WorkloadFacts } from './facts.ts'
import { agentPatienceMs, unheardMs } from './patience.ts'

const { one: oneMs, all: allMs } = agentPatienceMs

type Given = Partial<Omit<LiveAttempt, 'workload'>> & {
  workload?: Workload
  site?: Partial<WorkloadFacts['sites'][string]>
}

/** A workload that runs at a site that answers; an agent of it was heard at `aNow` for the last time. */
function facts(ranks: Partial<Rank>[], { workload = aJob({ nodes: ranks.length }), site, ...fields }: Given = {}) {
  const holds = { cpuMilli: 1_000, memoryMiB: 1_024, diskMiB: 0, accelerators: 0 }
  const attempt = anAttempt(workload, {
    lease: aLease({ workload: workload.id, ranks: ranks.map((_, rank) => ({ rank, node: `n${rank}`, ...holds })) }),
    ranks: ranks.map((rank, index) => aRank({ rank: index, address: null, ...rank })),
    ...fields,
  })
  const asked = { since: 0, askedAt: 0, detail: '' }
  const reach = { site: 'local/west', reach: 'reachable', ...asked, patienceMs: 60_000, ...site } as const
  return {
    workload: { ...workload, state: attempt.state, startedAt: aNow } as Workload,
    replicas: [aReplica(workload, { state: 'placed' })],
    attempts: [attempt],
    leftovers: [],
    tasks: workload.kind === 'array' ? { succeeded: 0, failed: 0, leased: 1, waiting: 3 } : null,
    spentMicros: 0n,
    warned: false,
    sites: { 'local/west': reach },
  } satisfies WorkloadFacts
}

const reasonOf = (changes: Change[]): string | undefined =>
  changes.flatMap((change) => (change.change === 'reason' ? [change.reason] : []))[0]

const nextLook = (changes: Change[]): number | undefined =>
  changes.flatMap((change) => (change.change === 'look-again' ? [change.at] : []))[0]

const givenBack = ['attempt-ready', 'lease stopping', 'retire', 'reason']
/** Other agents of the site are heard all the time. */
const heardBeside = { site: { hearsSince: aNow - 1 } }

test('an agent that is silent though its site answers is told of within a minute, and when its nodes are given back', () => {
  const early = conclude(facts([{}]), aNow + unheardMs - 1)
  assert.deepEqual([short(early), nextLook(early)], [[], aNow + unheardMs])
  const told = conclude(facts([{}]), aNow + unheardMs)
  assert.equal(
    reasonOf(told),
    'local/west answers, but the agent of rank 0 is not heard since 00:00:00 UTC; left alone until 00:15:00 UTC, then its nodes are given back',
  )
  assert.equal(nextLook(told), aNow + unheardMs + 30_000)
})

test('one agent that is silent where others are heard is waited for less long than one where none is', () => {
  const gang: Partial<Rank>[] = [{}, { heardAt: aNow + allMs }]
  for (const [given, until] of [
    [heardBeside, aNow + oneMs],
    [{}, aNow + allMs],
    [{ site: { hearsSince: aNow + 60_000 } }, aNow + 60_000 + oneMs],
    [{ site: { hearsSince: aNow, patienceMs: 7_200_000 } }, aNow + 7_200_000],
    [{ site: { since: aNow + 60_000 } }, aNow + 60_000 + allMs],
  ] as const) {
    assert.deepEqual(short(conclude(facts(gang, given), until - 1)), ['reason'])
    assert.deepEqual(short(conclude(facts(gang, given), until)), givenBack)
  }
})

test('silence tells nothing where the site does not answer, of a rank that never had an agent, and of one that has ended', () => {
  const later = aNow + 10 * allMs
  const away = { site: { reach: 'unreachable', since: later - 1, hearsSince: aNow } } as const
  assert.ok(!short(conclude(facts([{}], away), later)).includes('retire'))
  assert.deepEqual(short(conclude(facts([{ heardAt: null }], heardBeside), later)), [])
  const ended = facts([{ state: 'exited', exitCode: 0, endedAt: aNow }, { heardAt: later }], heardBeside)
  assert.deepEqual(short(conclude(ended, later)), [])
})

test('an attempt that is arrived and never starts because an agent has died is given up like one that runs', () => {
  const arrived = facts([{ state: 'arrived', ready: false }], { ...heardBeside, state: 'starting', ready: false })
  assert.deepEqual(short(conclude(arrived, aNow + oneMs)), ['lease stopping', 'retire', 'reason'])
})

test('what is given back is placed anew only once nothing of it is left, and counts as a loss', () => {
  const before = facts([{}, { heardAt: aNow + oneMs }], heardBeside)
  const { attempts } = before
  const inState = (state: 'stopping' | 'gone', ranks = attempts[0]?.ranks ?? []) => ({
    ...before,
    attempts: attempts.map((one) => ({ ...one, ready: false, ranks, lease: { ...one.lease, state } })),
  })
  const [silent, heard] = attempts[0]?.ranks ?? []
  assert.ok(silent && heard)
  const ended = (exitCode: number): Rank[] => [silent, { ...heard, state: 'exited', exitCode, endedAt: aNow + oneMs }]
  // What its other rank ends with is not its own doing, be it success or failure.
  for (const ranks of [undefined, ended(143), ended(0)])
    assert.deepEqual(short(conclude(inState('stopping', ranks), aNow + 2 * oneMs)), ['reason'])
  const over = conclude(inState('gone', ended(143)), aNow + oneMs + 60_000)
  assert.deepEqual(short(over), ['attempt lost', 'replica-waits', 'workload queued'])
  const waits = over.find((change) => change.change === 'replica-waits')
  assert.deepEqual([waits?.losses, waits?.kept], [1, { lease: 'l-1', lost: [0] }])
  const lost = over.find((change) => change.change === 'attempt')
  assert.equal(
    lost?.reason,
    'the agent of rank 0 was not heard since 00:00:00 UTC though local/west answers, so its nodes were given back',
  )
})

test('a job whose losses are used up fails with it, and one that is to end meanwhile ends', () => {
  const job = aJob({ retry: { onLoss: 0 } })
  const gone = facts([{}], { workload: job, ...heardBeside })
  const [attempt] = gone.attempts
  assert.ok(attempt)
  const withLease = (state: 'stopping' | 'gone', given = gone) => ({
    ...given,
    attempts: [{ ...attempt, ready: false, lease: { ...attempt.lease, state } }],
  })
  assert.ok(short(conclude(withLease('gone'), aNow + oneMs)).includes('workload failed'))
  const asked = { ...gone, workload: { ...gone.workload, wants: 'stop' as const } }
  assert.deepEqual(short(conclude(withLease('stopping', asked), aNow + oneMs)), [
    'attempt stopping',
    'workload stopping',
  ])
})

test('a site that falls silent while nodes are given back is waited for, and then they are fenced', () => {
  const since = aNow + oneMs
  const away = { reach: 'unreachable', since, askedAt: since + 60_000, patienceMs: 60_000 } as const
  const before = facts([{}], { site: away })
  const [attempt] = before.attempts
  assert.ok(attempt)
  const stopping = {
    ...before,
    attempts: [{ ...attempt, ready: false, lease: { ...attempt.lease, state: 'stopping' as const } }],
  }
  const { sites } = facts([{}], { site: { ...away, askedAt: since + 59_999 } })
  assert.deepEqual(short(conclude({ ...stopping, sites }, since + 60_000)), ['reason'])
  const over = short(conclude(stopping, since + 60_000))
  assert.deepEqual(over.slice(0, 3), ['attempt lost', 'lease lost', 'retire'])
})

test('tasks that were leased to a silent agent are leased anew once nothing of it is left', () => {
  const array = anArray({ tasks: 4 })
  const before = facts([{}], { workload: array, ...heardBeside })
  assert.ok(!short(conclude(before, aNow + oneMs)).includes('release-tasks'))
  const [attempt] = before.attempts
  assert.ok(attempt)
  const gone = { ...before, attempts: [{ ...attempt, lease: { ...attempt.lease, state: 'gone' as const } }] }
  assert.ok(short(conclude(gone, aNow + oneMs)).includes('release-tasks'))
})
