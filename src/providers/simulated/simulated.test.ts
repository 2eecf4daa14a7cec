import assert from 'node:assert/strict'
import { constants } from 'node:os'
import { test } from 'node:test'

import * as fc from 'fast-check'

import { costMicros } from '#kit/money.ts'
import { describeProvider, type Program, type Rig } from '#providers/conformance.ts'
import { anOrderOf, shape } from '#rigs/simulated-cloud.ts'
import { createFakeClock } from '#simulator/fake-clock.ts'
import type { Part } from './gang.ts'
import type { SimulatedOptions } from './options.ts'
import { createSimulated } from './simulated.ts'

const aSite = (name: string, nodes: number, tier: 'spot' | 'on-demand' = 'on-demand') => ({
  name,
  jurisdictions: ['DE', 'EU'],
  patienceMs: 60_000,
  pools: [{ tier, shape, priceMicros: 3_999_999, nodes }],
})

const aTelling = (name: string) => ({ ...aSite(name, 4), tells: true as const })

const forever: Part = { prints: '', runMs: Infinity, exitCode: 0, stubborn: false }
const signals: Record<string, number | undefined> = constants.signals
const partOf = ({ prints = [], until }: Program): Part => ({
  prints: prints.map((line) => `${line}\n`).join(''),
  runMs: until === 'told' || until === 'killed' ? Infinity : 100,
  exitCode: typeof until === 'number' ? until : 128 + (signals[until] ?? 0),
  stubborn: until === 'killed',
})

const faults: SimulatedOptions['faults'] = {
  noticeMs: [60_000, 60_000],
  retryAfterMs: [1_000, 1_000],
  callMs: [1, 50],
  bootMs: [10, 500],
  stopMs: [1, 20],
  teardownMs: [5, 50],
}

async function openRig(): Promise<Rig> {
  const clock = createFakeClock()
  const stop = clock.flow()
  const cloud = createSimulated({ seed: 1, clock, sites: [aTelling('west'), aTelling('east')], faults })
  let orders = 0
  const next: Rig['order'] = ({ ranks, ...changes } = {}) =>
    anOrderOf(`t-${orders++}`, { ...changes, ...(ranks === undefined ? {} : { nodes: ranks }) })
  return {
    provider: cloud.open(),
    site: 'west',
    order: next,
    reopen: () => cloud.open(),
    script: (one, programs) => cloud.script(one.token, programs.map(partOf)),
    close: () => Promise.resolve(stop()),
    cut: () => cloud.cut('west'),
    restore: () => cloud.restore('west'),
    tooMuch: () => next({ ranks: 5 }),
    notice: ({ token }) => cloud.befall('west', 'preempted', { token }),
    busy: () => cloud.befall('west', 'throttled', { times: 1 }),
    hindered() {
      cloud.befall('west', 'unbooted', { times: 1 })
      return { order: next(), kind: 'image' }
    },
  }
}

describeProvider('simulated', openRig)

const signal = new AbortController().signal

test('capacity is held from the order to the end of the last rank, and paid for exactly so long', async () => {
  const clock = createFakeClock(0)
  const cloud = createSimulated({ seed: 1, clock, sites: [aSite('west', 2)], faults: { runMs: [5_000, 5_000] } })
  const provider = cloud.open()
  await provider.launch(anOrderOf('a', { nodes: 2 }), signal)
  assert.deepEqual(cloud.used('west'), [2])
  await clock.advance(4_999)
  assert.equal((await provider.launch(anOrderOf('b'), signal)).ok, false)
  await clock.advance(1)
  assert.equal((await provider.launch(anOrderOf('b'), signal)).ok, true)
  await clock.advance(1_000)
  assert.deepEqual(
    cloud.meter().map(({ token, from, to, open, micros }) => ({ token, from, to, open, micros })),
    [
      { token: 'a', from: 0, to: 5_000, open: false, micros: costMicros(7_999_998n, 5_000) },
      { token: 'b', from: 5_000, to: 6_000, open: true, micros: costMicros(3_999_999n, 1_000) },
    ],
  )
})

test('a lost reply leaves the gang behind, and the repeated order finds it', async () => {
  const clock = createFakeClock(0)
  const window = { site: 'west', from: 0, to: 10, trouble: 'lost-reply' as const }
  const cloud = createSimulated({ seed: 1, clock, sites: [aSite('west', 2)], faults: { windows: [window] } })
  const provider = cloud.open()
  const lost = await provider.launch(anOrderOf('a'), signal)
  assert.equal(!lost.ok && lost.fault.kind, 'unreachable')
  assert.equal(cloud.gangs('west').length, 1)
  await clock.advance(10)
  assert.equal((await provider.launch(anOrderOf('a'), signal)).ok, true)
  assert.equal(cloud.gangs('west').length, 1)
})

test('a hanging site answers nobody until he gives up, and another site does not mind', async () => {
  const clock = createFakeClock(0)
  const cloud = createSimulated({ seed: 1, clock, sites: [aSite('west', 2), aSite('east', 2)] })
  cloud.cut('west', 'hanging')
  const abort = new AbortController()
  const hanging = cloud.open().list('west', abort.signal)
  assert.equal((await cloud.open().list('east', signal)).ok, true)
  abort.abort()
  const outcome = await hanging
  assert.equal(!outcome.ok && outcome.fault.kind, 'unreachable')
})

test('listings lag as long as they are told to: behind a new gang, and behind a gone one', async () => {
  const clock = createFakeClock(0)
  const lag = { hiddenMs: [1_000, 1_000], ghostMs: [2_000, 2_000] } satisfies SimulatedOptions['faults']
  const cloud = createSimulated({ seed: 1, clock, sites: [aSite('west', 2)], faults: lag })
  const provider = cloud.open()
  const shown = async () => {
    const listed = await provider.list('west', signal)
    const got = await provider.get({ site: 'west', token: 'a' }, signal)
    return [listed.ok && listed.value.length, got.ok && got.value !== null]
  }
  await provider.launch(anOrderOf('a'), signal)
  assert.deepEqual(await shown(), [0, false])
  await clock.advance(1_000)
  assert.deepEqual(await shown(), [1, true])
  const retired = await provider.retire({ site: 'west', token: 'a' }, 0, signal)
  assert.equal(retired.ok && retired.value, 'gone')
  assert.deepEqual(await shown(), [1, true])
  await clock.advance(2_000)
  assert.deepEqual(await shown(), [0, false])
})

test('spot gangs are preempted at their rate, some in the open and some without a word; others are left alone', async () => {
  const clock = createFakeClock(0)
  const sites = [aSite('west', 2_000, 'spot'), aSite('east', 100)]
  const cloud = createSimulated({ seed: 1, clock, sites, faults: { preemptionsPerHour: 0.5, told: 0.25 } })
  cloud.script('w', [forever])
  const provider = cloud.open()
  for (let i = 0; i < 2_000; i++) await provider.launch(anOrderOf(`s-${i}`, { workload: 'w', tier: 'spot' }), signal)
  for (let i = 0; i < 100; i++) await provider.launch(anOrderOf(`d-${i}`, { workload: 'w', site: 'east' }), signal)
  await clock.advance(3_600_000)
  const listed = await provider.list('west', signal)
  const seen = listed.ok ? listed.value : []
  const running = seen.filter((one) => one.ranks[0]?.state === 'running').length
  const told = seen.filter((one) => one.ranks[0]?.state === 'lost').length
  const expected = 2_000 * Math.exp(-0.5)
  assert.ok(Math.abs(running - expected) < 100, `${running} of about ${expected} still run`)
  assert.ok(Math.abs(told / (2_000 - running) - 0.25) < 0.05, `${told} of ${2_000 - running} were told`)
  assert.deepEqual([cloud.used('west'), cloud.used('east')], [[running], [100]])
})

test('a lost site has nothing when it is back, and billed nothing after its end', async () => {
  const clock = createFakeClock(0)
  const cloud = createSimulated({ seed: 1, clock, sites: [aSite('west', 2)] })
  cloud.script('w-a', [forever])
  const provider = cloud.open()
  await provider.launch(anOrderOf('a'), signal)
  await clock.advance(1_000)
  cloud.lose('west')
  assert.equal((await provider.list('west', signal)).ok, false)
  await clock.advance(1_000)
  cloud.restore('west')
  assert.deepEqual(await provider.list('west', signal), { ok: true, value: [] })
  assert.deepEqual(
    cloud.meter().map((line) => [line.token, line.to, line.open]),
    [['a', 1_000, false]],
  )
})

type Step = {
  do: 'launch' | 'retire' | 'get' | 'list' | 'wait' | 'cut' | 'restore' | 'lose'
  token: number
  ms: number
}
const step: fc.Arbitrary<Step> = fc.record({
  do: fc.constantFrom('launch', 'launch', 'retire', 'get', 'list', 'wait', 'wait', 'cut', 'restore', 'lose'),
  token: fc.nat({ max: 5 }),
  ms: fc.nat({ max: 3_000 }),
})
const rough: SimulatedOptions['faults'] = {
  callMs: [0, 300],
  bootMs: [0, 1_000],
  runMs: [100, 5_000],
  stopMs: [0, 400],
  teardownMs: [0, 500],
  hiddenMs: [0, 500],
  ghostMs: [0, 500],
  preemptionsPerHour: 1_000,
  told: 0.5,
  rates: { throttled: 0.1, unreachable: 0.1, 'lost-reply': 0.1, 'no-capacity': 0.1 },
}

const handle = (token: number) => ({ site: 'west', token: `t-${token}` })
const order = (token: number) => anOrderOf(`t-${token}`, { nodes: 1 + (token % 3), tier: 'spot' })

/** Runs steps that overlap as their delays have it, and returns all that was answered and billed. */
async function history(seed: number, steps: Step[]): Promise<string> {
  const clock = createFakeClock(0)
  const cloud = createSimulated({ seed, clock, sites: [aSite('west', 4, 'spot')], faults: rough })
  const provider = cloud.open()
  const answers: unknown[] = []
  const calls: Promise<unknown>[] = []
  const act = async (one: Step): Promise<unknown> => {
    if (one.do === 'launch') return provider.launch(order(one.token), signal)
    if (one.do === 'retire') return provider.retire(handle(one.token), 100, signal)
    return one.do === 'get' ? provider.get(handle(one.token), signal) : provider.list('west', signal)
  }
  for (const one of steps) {
    if (one.do === 'wait') await clock.advance(one.ms)
    else if (one.do === 'cut' || one.do === 'restore' || one.do === 'lose') cloud[one.do]('west')
    else calls.push(act(one).then((answer) => answers.push([one.do, one.token, clock.now(), answer])))
    const used = cloud.used('west')[0] ?? 0
    const bill = cloud.meter()
    assert.ok(used >= 0 && used <= 4, `capacity exceeded or lost: ${used} of 4`)
    assert.equal(new Set(bill.map((line) => line.token)).size, bill.length, 'a token has two gangs')
    assert.equal(
      bill.filter((line) => line.open).reduce((sum, line) => sum + line.nodes, 0),
      used,
      'what is paid is what is used',
    )
    for (const line of bill) assert.equal(line.micros, costMicros(BigInt(3_999_999 * line.nodes), line.to - line.from))
  }
  await clock.advance(60_000)
  await Promise.all(calls)
  assert.deepEqual(cloud.used('west'), [0])
  return JSON.stringify([answers, cloud.meter()], (_, value) => (typeof value === 'bigint' ? `${value}` : value))
}

test('whatever is called in whatever order: one gang a token, no node twice, an exact bill, and the same again', async () => {
  const property = fc.asyncProperty(fc.nat(), fc.array(step, { maxLength: 60, size: 'max' }), async (seed, steps) => {
    assert.equal(await history(seed, steps), await history(seed, steps))
  })
  await fc.assert(property, { numRuns: 60 })
})
