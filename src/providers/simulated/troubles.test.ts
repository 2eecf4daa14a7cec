import assert from 'node:assert/strict'
import { test } from 'node:test'

import { aCloud, anOrderOf, forever, statesOf } from '#rigs/simulated-cloud.ts'
import { callsOf, refusals } from './trouble.ts'

test('each refusal answers the calls that it may befall, leaves nothing, and is gone when it is lifted', async () => {
  for (const trouble of refusals) {
    if (trouble === 'hanging') continue // nobody answers: below
    const { cloud, launch, list, befell } = aCloud()
    cloud.befall('west', trouble)
    assert.equal(await launch('a'), trouble)
    assert.deepEqual(await list(), callsOf(trouble).includes('list') ? trouble : [])
    assert.deepEqual(cloud.gangs('west'), [])
    cloud.calm('west', trouble)
    assert.equal(await launch('a'), 'ok')
    assert.ok(befell().includes(`launch a ${trouble}`))
  }
})

test('a trouble befalls by rate, in a window, or as often as it is told, and only the calls that are named', async () => {
  const rated = aCloud({ rates: { throttled: { list: 1 } } })
  assert.deepEqual([await rated.launch('a'), await rated.list()], ['ok', 'throttled'])
  const windows = [{ from: 10, to: 20, trouble: 'denied' as const, calls: ['list' as const] }]
  const inWindow = aCloud({ windows })
  const answers = []
  for (let i = 0; i < 3; i++) {
    answers.push(await inWindow.list(), await inWindow.launch(`t-${i}`))
    await inWindow.clock.advance(10)
  }
  assert.deepEqual(answers, [[], 'ok', 'denied', 'ok', ['t-0', 't-1'], 'ok'])
  const told = aCloud()
  told.cloud.befall('west', 'throttled', { calls: ['launch'], times: 1, token: 'b' })
  assert.deepEqual([await told.launch('a'), await told.launch('b'), await told.launch('b')], ['ok', 'throttled', 'ok'])
  told.cloud.befall('west', 'throttled', { until: 5 })
  assert.equal(await told.list(), 'throttled')
  await told.clock.advance(5)
  assert.deepEqual(await told.list(), ['a', 'b'])
})

/** Which lists of a thousand are throttled at a rate of 30 %, with so many other calls between them. */
const befallen = async (extra: number) => {
  const { clock, cloud, list } = aCloud({ rates: { throttled: 0.3 } })
  for (let i = 0; i < 1_000; i++) {
    for (let more = 0; more < extra; more++) await cloud.open().offers('west', new AbortController().signal)
    await list()
    await clock.advance(1)
  }
  return cloud.befell().filter(({ call }) => call === 'list')
}

test('a rate is the share of calls that are befallen, and the draw of a call is its own', async () => {
  const alone = await befallen(0)
  assert.ok(Math.abs(alone.length - 300) < 50, `${alone.length} of about 300`)
  assert.deepEqual(await befallen(1), alone)
})

test('what hangs or times out ends with its caller: the one before its effect, the other after it', async () => {
  for (const [trouble, gangs] of [
    ['hanging', 0],
    ['timed-out', 1],
  ] as const) {
    const { cloud, provider } = aCloud()
    cloud.befall('west', trouble)
    const abort = new AbortController()
    const call = provider.launch(anOrderOf('a'), abort.signal)
    setImmediate(() => abort.abort())
    const answer = await call
    assert.equal(!answer.ok && answer.fault.kind, 'unreachable')
    assert.equal(cloud.gangs('west').length, gangs)
  }
})

test('a late launch takes effect after its caller has given up, even after a retirement that found nothing', async () => {
  const { clock, cloud, launch, retire } = aCloud({ lateMs: [5_000, 5_000] })
  cloud.befall('west', 'late', { calls: ['launch'] })
  assert.equal(await launch('a'), 'unreachable')
  assert.equal(await retire('a'), 'gone')
  assert.equal(cloud.gangs('west').length, 0)
  await clock.advance(5_000)
  assert.equal(cloud.gangs('west')[0]?.acceptedAt, 5_000)
})

test('a launch that is delivered twice makes one gang, unless the site has forgotten its token meanwhile', async () => {
  for (const remembers of [true, false]) {
    const forgets = remembers ? {} : { rememberedMs: 0 }
    const { clock, cloud, launch, retire } = aCloud({ lateMs: [5_000, 5_000], ...forgets })
    cloud.befall('west', 'duplicated', { times: 1 })
    assert.equal(await launch('a'), 'ok')
    assert.equal(await retire('a'), 'gone')
    await clock.advance(5_000)
    assert.equal(cloud.gangs('west').length, remembers ? 0 : 1)
    assert.deepEqual(
      cloud.meter().map(({ token, open }) => [token, open]),
      [['a', false], ...(remembers ? [] : [['a', true]])],
    )
  }
})

test('a slow call takes longer, and its effect comes halfway', async () => {
  const { clock, cloud, launch } = aCloud({ slowMs: [4_000, 4_000] })
  cloud.befall('west', 'slow')
  const call = launch('a')
  await clock.advance(1_999)
  assert.equal(cloud.gangs('west').length, 0)
  await clock.advance(1)
  assert.equal(cloud.gangs('west').length, 1)
  await clock.advance(2_000)
  assert.equal(await call, 'ok')
})

test('an old view shows what was so before: not yet what is new, and still what is gone', async () => {
  const { clock, cloud, launch, list, retire, get } = aCloud({ lagMs: [3_000, 3_000] })
  await clock.advance(10_000)
  await launch('a')
  await clock.advance(1_000)
  cloud.befall('west', 'old-view', { times: 2 })
  assert.deepEqual([await list(), await get('a')], [[], null])
  assert.deepEqual(await list(), ['a'])
  await retire('a')
  cloud.befall('west', 'old-view')
  await clock.advance(2_999)
  assert.deepEqual([await list(), statesOf(await get('a'))], [['a'], ['0 running']])
  await clock.advance(1)
  assert.deepEqual([await list(), await get('a')], [[], null])
})

test('a lost page leaves one gang out of a list, and get still knows it', async () => {
  const { cloud, launch, list, get } = aCloud()
  for (const token of ['a', 'b', 'c']) await launch(token)
  cloud.befall('west', 'page-lost', { times: 1 })
  const short = await list()
  assert.equal(short.length, 2)
  assert.deepEqual(await list(), ['a', 'b', 'c'])
  for (const token of ['a', 'b', 'c']) assert.equal((await get(token))?.token, token)
})

test('a wrong status is one of another state, or a missing code, and the next look is right again', async () => {
  const shown = new Set<string>()
  const { clock, cloud, launch, get } = aCloud()
  cloud.script('w-a', [forever])
  cloud.script('w-b', [{ ...forever, runMs: 0, exitCode: 7 }])
  await launch('a', { nodes: 3 })
  await launch('b')
  for (let i = 0; i < 100; i++) {
    await clock.advance(10)
    cloud.befall('west', 'wrong-status', { times: 2 })
    for (const token of ['a', 'b'])
      for (const { state, exitCode } of (await get(token))?.ranks ?? []) shown.add(`${state} ${exitCode}`)
    assert.deepEqual(statesOf(await get('a')), ['0 running', '1 running', '2 running'])
    assert.equal((await get('b'))?.ranks[0]?.exitCode, 7)
  }
  assert.deepEqual(
    [...shown].sort(),
    ['expected null', 'exited 0', 'exited 1', 'exited 137', 'exited null', 'lost null', 'running null'].sort(),
  )
})

test('a clock that is wrong shifts all times of a site by as much, and nothing else', async () => {
  const { clock, cloud, launch, get } = aCloud({ skewMs: [-90_000, -90_000], rates: { skewed: 1 } })
  await clock.advance(100_000)
  await launch('a')
  await clock.advance(61_000)
  const [rank] = (await get('a'))?.ranks ?? []
  assert.deepEqual([rank?.state, rank?.startedAt, rank?.endedAt], ['exited', 10_000, 70_000])
  assert.deepEqual([cloud.meter()[0]?.from, cloud.meter()[0]?.to], [100_000, 160_000])
})

test('a site takes so many calls of a kind in a time, and throttles those beyond', async () => {
  const { clock, launch, list } = aCloud({ limits: { launch: { perSecond: 1, burst: 2 } } })
  const answers = [await launch('a'), await launch('b'), await launch('c')]
  assert.deepEqual(
    [answers, await list()],
    [
      ['ok', 'ok', 'throttled'],
      ['a', 'b'],
    ],
  )
  await clock.advance(1_000)
  assert.deepEqual([await launch('c'), await launch('d')], ['ok', 'throttled'])
})
