import assert from 'node:assert/strict'
import { test } from 'node:test'

import * as fc from 'fast-check'

import { fail, failFor, longestRetryAfterMs, type Outcome, succeed } from '#model/fault.ts'
import type { Provider } from '#providers/provider.ts'
import { createFakeClock } from '#simulator/fake-clock.ts'
import { admit, closedBreaker, heard, type Patience, withCircuitBreaker } from './circuit-breaker.ts'
import { decorate } from './decorate.ts'
import { withHoldBack } from './hold-back.ts'
import type { CallRecord } from './metrics.ts'
import { take, withRateLimit } from './rate-limit.ts'
import { withTimeout } from './timeout.ts'

const signal = new AbortController().signal
const down = fail('unreachable', 'later', 'no route')
const no = () => Promise.resolve(down)

/** A provider whose calls to a site all do the same, counted. */
function aProvider(answer: (site: string, signal: AbortSignal) => Promise<Outcome<never[]>>) {
  const made: string[] = []
  const ask = (site: string, given: AbortSignal) => {
    made.push(site)
    return answer(site, given)
  }
  const provider: Provider = {
    name: 'simulated',
    sites: () => [],
    offers: ask,
    list: ask,
    launch: no,
    get: no,
    retire: no,
    logs: no,
    abilities: { inventory: ask },
  }
  return { provider, made }
}

const never = () => new Promise<never>(() => {})
const kindOf = (outcome: Outcome<unknown>) => (outcome.ok ? 'ok' : outcome.fault.kind)

test('a call that does not end is unreachable after its time, even where the adapter does not heed the abort', async () => {
  const clock = createFakeClock(0)
  let aborted = false
  const { provider } = aProvider((_, given) => {
    given.addEventListener('abort', () => (aborted = true))
    return never()
  })
  const call = withTimeout(provider, clock).list('west', signal)
  await clock.advance(9_999)
  assert.equal(aborted, false)
  await clock.advance(1)
  assert.equal(kindOf(await call), 'unreachable')
  assert.equal(aborted, true)
})

test('a call ends with its caller, and one that is answered leaves no timer behind and is not called off', async () => {
  const clock = createFakeClock(0)
  const abort = new AbortController()
  const hanging = withTimeout(aProvider(never).provider, clock).list('west', abort.signal)
  abort.abort()
  assert.equal(kindOf(await hanging), 'unreachable')
  let given = signal
  const { provider } = aProvider((_, its) => ((given = its), Promise.resolve(succeed([]))))
  assert.deepEqual(await withTimeout(provider, clock).abilities.inventory?.('west', signal), succeed([]))
  assert.equal(await clock.runUntil(() => false, 100_000), false)
  assert.equal(given.aborted, false, 'what was answered is not called off')
  assert.equal(clock.now(), 0)
})

test('a call waits its turn in its order, a site does not wait for another, and who gives up is throttled', async () => {
  const clock = createFakeClock(0)
  const { provider, made } = aProvider(() => Promise.resolve(succeed([])))
  const limited = withRateLimit(provider, { rate: { perSecond: 1, burst: 2 }, clock })
  const abort = new AbortController()
  const calls = [signal, signal, abort.signal, signal].map((one) => limited.list('west', one))
  void limited.list('east', signal)
  await clock.advance(0)
  assert.deepEqual(made, ['west', 'west', 'east'])
  abort.abort()
  assert.equal(kindOf((await calls[2]) ?? down), 'throttled')
  await clock.advance(2_000)
  assert.equal(made.filter((site) => site === 'west').length, 3)
})

test('in any span of time no more calls pass than the burst and what the rate brings', () => {
  const arrivals = fc.array(fc.nat({ max: 2_000 }), { minLength: 1, maxLength: 60, size: 'max' })
  const rate = fc.record({ perSecond: fc.integer({ min: 1, max: 20 }), burst: fc.integer({ min: 1, max: 10 }) })
  const property = fc.property(arrivals, rate, (gaps, given) => {
    const bucket = { fullAt: 0 }
    let now = 0
    const starts = gaps.map((gap) => {
      now += gap
      return now + take(bucket, given, now)
    })
    assert.deepEqual(
      starts,
      starts.toSorted((a, b) => a - b),
    )
    for (let i = 0; i < starts.length; i++)
      for (let j = i; j < starts.length; j++) {
        const seconds = ((starts[j] ?? 0) - (starts[i] ?? 0)) / 1_000
        // One call more: a span closed at both ends, and waits are whole milliseconds.
        assert.ok(j - i + 1 <= given.burst + (seconds + 0.001) * given.perSecond + 1e-6)
      }
  })
  fc.assert(property)
})

const patience: Patience = { failures: 3, firstMs: 1_000, mostMs: 8_000 }

test('a breaker lets all through while a site answers, at most one at a time once it does not, and closes on an answer', () => {
  const step = fc.record({
    do: fc.constantFrom('ask' as const, 'answer' as const, 'silence' as const),
    ms: fc.nat({ max: 5_000 }),
  })
  const property = fc.property(fc.array(step, { maxLength: 80, size: 'max' }), (steps) => {
    const breaker = closedBreaker()
    let now = 0
    let silent = 0
    let heardAt = 0
    const open: ('call' | 'probe')[] = []
    for (const one of steps) {
      now += one.ms
      if (one.do === 'ask') {
        const admitted = admit(breaker, patience, now)
        if (silent < 3) assert.equal(admitted, 'call')
        if (admitted === 'no') {
          // It is spared only while it is open, or while another one finds out; never for good.
          assert.ok(open.includes('probe') || now < heardAt + patience.mostMs)
          continue
        }
        if (admitted === 'probe') assert.ok(!open.includes('probe') && now >= heardAt + patience.firstMs / 2)
        open.push(admitted)
      } else {
        const call = open.shift()
        if (!call) continue
        const answered = one.do === 'answer'
        heard(breaker, patience, { answered, now, spread: 0.5 })
        if (call === 'probe') breaker.probing = false
        silent = answered ? 0 : silent + 1
        heardAt = now
      }
    }
  })
  fc.assert(property)
})

test('a site that does not answer is left alone, probed by one call, and used again when it answers', async () => {
  const clock = createFakeClock(0)
  let up = false
  const { provider, made } = aProvider((site) => Promise.resolve(up || site === 'east' ? succeed([]) : down))
  const guarded = withCircuitBreaker(provider, { patience, clock, random: () => 0 })
  for (let i = 0; i < 10; i++) assert.equal(kindOf(await guarded.list('west', signal)), 'unreachable')
  assert.equal(made.length, 3)
  assert.equal(kindOf(await guarded.list('east', signal)), 'ok')
  await clock.advance(1_000)
  for (let i = 0; i < 10; i++) await guarded.list('west', signal)
  assert.equal(made.filter((site) => site === 'west').length, 4)
  up = true
  await clock.advance(1_999)
  assert.equal(kindOf(await guarded.list('west', signal)), 'unreachable')
  await clock.advance(1)
  for (let i = 0; i < 10; i++) assert.equal(kindOf(await guarded.list('west', signal)), 'ok')
})

test('many calls that fail at once are one silence: the site is left alone no longer for that', async () => {
  const clock = createFakeClock(0)
  const { provider, made } = aProvider(async () => {
    await clock.sleep(100)
    return down
  })
  const guarded = withCircuitBreaker(provider, { patience, clock, random: () => 0 })
  const burst = Array.from({ length: 64 }, () => guarded.list('west', signal))
  await clock.advance(100)
  await Promise.all(burst)
  await clock.advance(patience.firstMs)
  const probe = guarded.list('west', signal)
  await clock.advance(100)
  await probe
  assert.equal(made.length, 65)
})

test('a caller whose time ran out counts against the site, and one that is told to stop does not', async () => {
  const clock = createFakeClock(0)
  const { provider, made } = aProvider(() => Promise.resolve(down))
  const guarded = withCircuitBreaker(provider, { patience, clock, random: () => 0 })
  for (let i = 0; i < 5; i++) await guarded.list('west', AbortSignal.abort())
  assert.equal(made.length, 5)
  const ranOut = AbortSignal.abort(new DOMException('too late', 'TimeoutError'))
  for (let i = 0; i < 5; i++) await guarded.list('west', ranOut)
  assert.equal(made.length, 8)
})

test('every call is counted by its end, those that were spared too, and a bug stays a bug', async () => {
  const clock = createFakeClock(0)
  const records: CallRecord[] = []
  const bug = new Error('a bug')
  const { provider } = aProvider(async (site) => {
    if (site === 'buggy') throw bug
    await clock.sleep(250)
    return site === 'up' ? succeed([]) : down
  })
  const decorated = decorate(provider, {
    clock,
    random: () => 0,
    record: (call) => void records.push(call),
    rate: { perSecond: 10, burst: 10 },
  })
  const stop = clock.flow()
  await decorated.list('up', signal)
  for (let i = 0; i < 4; i++) await decorated.offers('down', signal)
  await assert.rejects(decorated.list('buggy', signal), bug)
  stop()
  assert.deepEqual(
    records.map(({ name, outcome, milliseconds }) => [name, outcome, milliseconds]),
    [['list', 'ok', 250], ...[250, 250, 250, 0].map((ms) => ['offers', 'unreachable', ms]), ['list', 'threw', 0]],
  )
})

test('a site that asks to be left alone is not called for that before its time, is for all else, and is asked again then', async () => {
  const clock = createFakeClock(0)
  const busy = failFor('throttled', 2_000, 'later')
  const { provider, made } = aProvider(async () => busy)
  const held = withHoldBack({ ...provider, offers: () => Promise.resolve(succeed([])) }, clock)
  assert.deepEqual(await held.list('west', signal), busy)
  await clock.advance(1_500)
  assert.deepEqual(await held.list('west', signal), { ok: false, fault: { ...busy.fault, retryAfterMs: 500 } })
  assert.deepEqual([kindOf(await held.offers('west', signal)), made], ['ok', ['west']])
  await held.list('east', signal)
  await clock.advance(500)
  await held.list('west', signal)
  assert.deepEqual(made, ['west', 'east', 'west'])
})

test('nobody is left alone for longer than five minutes, whatever he asks for', async () => {
  const clock = createFakeClock(0)
  const { provider, made } = aProvider(async () => failFor('unreachable', 86_400_000, 'back tomorrow'))
  const held = withHoldBack(provider, clock)
  await held.list('west', signal)
  await clock.advance(longestRetryAfterMs)
  await held.list('west', signal)
  assert.deepEqual(made, ['west', 'west'])
})
