import assert from 'node:assert/strict'
import { test } from 'node:test'

import type { Lease } from '#model/lease.ts'
import type { Workload } from '#model/workload.ts'
import { aJob, aNow, aService } from '#test/builders.ts'
import { aLease, anAttempt, aRank, aSite, end, looks, running, short, someFacts } from '#test/live-attempts.ts'
import { conclude } from './conclude.ts'
import type { WorkloadFacts } from './facts.ts'

// Stops, and what stops a workload: a hold, its maximum, its budget.

test('a stop goes through stopping, and ends when the lease is gone', () => {
  const job: Workload = { ...aJob(), wants: 'stop' }
  const facts = running(job, [{}])
  assert.deepEqual(short(conclude(facts, aNow)), [
    'attempt stopping',
    'attempt-ready',
    'lease stopping',
    'retire',
    'workload stopping',
  ])
  const down = (lease: Lease['state']) =>
    someFacts(
      { ...job, state: 'stopping', reason: 'stopped on request' },
      { attempts: [anAttempt(job, { state: 'stopping', ready: false, lease: aLease({ state: lease }) })] },
    )
  assert.deepEqual(short(conclude(down('stopping'), aNow)), [])
  assert.ok(short(conclude(down('gone'), aNow)).includes('workload stopped'))
})

test('a stop at a site that never answers ends beyond its patience and says what may be left', () => {
  const job: Workload = { ...aJob(), wants: 'stop', state: 'stopping' }
  const attempt = anAttempt(job, { state: 'stopping', ready: false, lease: aLease({ state: 'stopping' }) })
  const sites = { 'local/west': aSite({ reach: 'unreachable', since: aNow, askedAt: aNow + 60_000 }) }
  const changes = conclude(someFacts(job, { attempts: [attempt], sites }), aNow + 60_000)
  const ended = end(changes)
  assert.ok(short(changes).includes('lease lost'))
  assert.ok(ended?.change === 'workload' && /may still be there/.test(ended.reason))
})

test('while nobody asks a site its patience does not run: it is looked at again until somebody has', () => {
  const away = aSite({ reach: 'unreachable', since: aNow - 600_000 })
  const ranks = [{ heardAt: null }]
  const unasked = conclude(
    running(aJob(), ranks, { sites: { 'local/west': { ...away, askedAt: aNow - 540_001 } } }),
    aNow,
  )
  assert.deepEqual(short(unasked), ['reason'])
  assert.ok(unasked.some((change) => change.change === 'look-again' && change.at === aNow + 5_000))
  const inVain = conclude(
    running(aJob(), ranks, { sites: { 'local/west': { ...away, askedAt: aNow - 540_000 } } }),
    aNow,
  )
  assert.ok(short(inVain).includes('attempt lost'))
})

test('a held workload is queued again when it is released', () => {
  assert.deepEqual(short(conclude(someFacts({ ...aJob(), wants: 'hold' }), aNow)), ['workload held'])
  assert.deepEqual(short(conclude(someFacts({ ...aJob(), state: 'held' }), aNow)), ['workload queued'])
})

test('a job that is stopped at its maximum has ended, also for a control plane whose clock is behind', () => {
  const job = aJob({ duration: { maximum: '1h' } })
  const reason = 'ran longer than its maximum of 1h'
  const ranks = [aRank({ state: 'exited', exitCode: 143, endedAt: aNow })]
  const attempts = [anAttempt(job, { state: 'stopping', reason, ranks })]
  const facts = someFacts({ ...job, state: 'stopping', reason, startedAt: aNow }, { attempts })
  const changes = conclude(facts, aNow + 3_600_000 - 50)
  const ended = end(changes)
  assert.ok(ended?.change === 'workload' && ended.to === 'failed' && ended.exitCode === 124, short(changes).join())
  assert.ok(!short(changes).includes('workload queued'))
})

test('a job that runs longer than its maximum is stopped and fails with 124', () => {
  const job = aJob({ duration: { maximum: '1h' } })
  const late = aNow + 3_600_000
  const facts = running(job, [{ heardAt: late }])
  assert.equal(conclude(facts, late - 1).at(-1)?.change, 'look-again')
  assert.ok(short(conclude(facts, late)).includes('workload stopping'))
  const ranks = [aRank({ state: 'exited', exitCode: 143, endedAt: late })]
  const attempt = anAttempt(job, { state: 'stopping', ready: false, ranks })
  const ended = end(conclude(someFacts({ ...job, state: 'stopping' }, { attempts: [attempt] }), late + 5))
  assert.ok(ended?.change === 'workload' && ended.to === 'failed' && ended.exitCode === 124)
})

test('a job that waits is not looked at for its maximum; one that is about to run is', () => {
  const job = aJob({ duration: { maximum: '1m' } })
  const idle = { change: 'look-again', id: job.id, at: aNow + 540_000 }
  assert.deepEqual(looks(conclude(someFacts(job), aNow)), idle)
  const begins = anAttempt(job, { ranks: [aRank({ state: 'running', heardAt: aNow, startedAt: aNow })] })
  const began = conclude(someFacts(job, { attempts: [begins] }), aNow)
  assert.ok(short(began).includes('workload running'), short(began).join())
  assert.deepEqual(looks(began), { ...idle, at: aNow + 60_000 })
})

test('a limit that was passed while nobody listened is drawn once it could be told what became of the ranks', () => {
  const job = aJob({ duration: { maximum: '1h' } })
  const toldBy = aNow + 7_200_000
  const facts = running(job, [{ heardAt: toldBy - 5_000 }], { toldBy })
  const waits = conclude(facts, toldBy - 1)
  assert.deepEqual(short(waits), [])
  assert.ok(waits.some((change) => change.change === 'look-again' && change.at === toldBy))
  assert.ok(short(conclude(facts, toldBy)).includes('workload stopping'))
})

test('a limit that is passed while a site is out of reach waits for it to be back, and no longer than its patience', () => {
  const job = aJob({ duration: { maximum: '1h' } })
  const limit = aNow + 3_600_000
  const away = { reach: 'unreachable' as const, since: limit - 10_000 }
  const drawn = (site: Parameters<typeof aSite>[0], now: number, heardAt: number | null = null) =>
    short(
      conclude(running(job, [{ heardAt }], { sites: { 'local/west': aSite({ askedAt: now, ...site }) } }), now),
    ).includes('workload stopping')
  assert.ok(!drawn(away, limit))
  assert.ok(drawn(away, limit, limit - 1_000), 'its agent is heard')
  // Patience runs while it is asked in vain; whoever goes and comes has no more of it.
  assert.ok(!drawn({ ...away, askedAt: limit }, limit + 50_000))
  assert.ok(drawn({ ...away, askedAt: limit }, limit + 60_000))
  assert.ok(!drawn({ since: limit + 40_000 }, limit + 50_000))
  assert.ok(drawn({ since: limit + 40_000 }, limit + 60_000))
  assert.ok(drawn({ since: limit + 10_000 }, limit + 40_000), 'it was back for half a minute')
})

test('neither a budget nor a service waits for a site that is out of reach', () => {
  const sites = { 'local/west': aSite({ reach: 'unreachable', since: aNow - 10_000, askedAt: aNow }) }
  const spent = { spentMicros: 10_000_000n, sites }
  const dear = aJob({ budget: { limit: '$10', whenUsed: 'stop' } })
  assert.ok(short(conclude(running(dear, [{ heardAt: null }], spent), aNow)).includes('workload stopping'))
  const service = aService({ expiry: '1s' })
  assert.ok(
    short(conclude(running(service, [{ heardAt: null }], { sites }), aNow + 5_000)).includes('workload stopping'),
  )
})

test('what failed before its maximum failed by itself, however late that is heard', () => {
  const job = aJob({ duration: { maximum: '1h' } })
  const failed = (endedAt: number) => {
    const ended = end(conclude(running(job, [{ state: 'exited', exitCode: 3, endedAt }]), aNow + 7_200_000))
    return ended?.change === 'workload' && ended.exitCode
  }
  assert.equal(failed(aNow + 3_599_999), 3)
  assert.equal(failed(aNow + 3_600_001), 124)
})

test('a budget that is used up stops the run only if the spec says so', () => {
  const spent = { spentMicros: 10_000_000n }
  const stops = aJob({ budget: { limit: '$10', whenUsed: 'stop' } })
  assert.ok(short(conclude(running(stops, [{}], spent), aNow)).includes('workload stopping'))
  assert.deepEqual(short(conclude(running(aJob({ budget: { limit: '$10' } }), [{}], spent), aNow)), ['warn'])
})

/** How a job ends that was stopping for this reason, once nothing of it is left. */
const ends = (job: Workload, reason: string, facts: Partial<WorkloadFacts> = {}) => {
  const lease = aLease({ state: 'gone', startedAt: aNow - 60_000, endedAt: aNow })
  const ranks = [aRank({ state: 'exited', exitCode: 143, endedAt: aNow })]
  const attempt = anAttempt(job, { state: 'stopping', startedAt: aNow - 60_000, ready: false, lease, ranks })
  const ended = end(conclude(someFacts({ ...job, state: 'stopping', reason }, { attempts: [attempt], ...facts }), aNow))
  return ended?.change === 'workload' ? `${ended.to}: ${ended.reason}` : 'goes on'
}

test('what stops for a limit ends for it, though by the clock of who sees the end it is not reached yet', () => {
  const dear = aJob({ budget: { limit: '$10', whenUsed: 'stop' } })
  const used = 'its budget of $10.00 is used up'
  assert.equal(ends(dear, used, { spentMicros: 9_999_999n }), `stopped: ${used}`)
  const late = 'ran longer than its maximum of 1m1s'
  assert.equal(ends(aJob({ duration: { maximum: '61s' } }), late), `failed: ${late}`)
  assert.equal(ends(dear, 'held on request', { spentMicros: 9_999_999n }), 'goes on')
})

test('a budget is warned of once, and its end is foreseen to the millisecond from what is billed', () => {
  const job = aJob({ budget: { limit: '$10', warnAt: 0.5, whenUsed: 'stop' } })
  const lease = aLease({ priceMicros: 3_600_000 }) // a micro-dollar a millisecond
  const attempts = [anAttempt(job, { lease })]
  const at = (spentMicros: bigint, more: Partial<WorkloadFacts> = {}) =>
    conclude(running(job, [{}], { attempts, spentMicros, ...more }), aNow)
  assert.deepEqual(looks(at(4_999_000n)), { change: 'look-again', id: 'w-job', at: aNow + 1_000 })
  assert.deepEqual(short(at(4_999_999n)), [])
  assert.deepEqual(short(at(5_000_000n)), ['warn'])
  assert.deepEqual(short(at(5_000_000n, { warned: true })), [])
  assert.deepEqual(looks(at(9_999_500n, { warned: true })), { change: 'look-again', id: 'w-job', at: aNow + 500 })
  assert.ok(short(at(10_000_000n, { warned: true })).includes('workload stopping'))
})
