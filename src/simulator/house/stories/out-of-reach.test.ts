import assert from 'node:assert/strict'
import { test } from 'node:test'

import { aHouse, type HouseStory } from '#rigs/house-story.ts'
import { aSite } from '#rigs/watched-world.ts'

const [second, minute] = [1_000, 60_000]

/** What was out of reach while a limit was passed. */
const ways = {
  'its site did not answer': { agents: [], cut: (house) => house.cut('west') },
  'its site hung': { agents: [], cut: (house) => house.cut('west', 'hanging') },
  'its site was gone and its agents with it': {
    agents: ['west'],
    cut(house) {
      house.cut('west')
      house.network.cut('west', true)
    },
  },
} satisfies Record<string, { agents: string[]; cut(house: HouseStory): void }>

const restore = (house: HouseStory): void => {
  house.network.cut('west', false)
  house.restore('west')
}

const patient = (patienceMs: number) => [{ ...aSite('west', 8), patienceMs }]
const isRunning = (house: HouseStory, ids: string[]) => ids.every((id) => house.workload(id).state === 'running')
const ends = (house: HouseStory, ids: string[]) =>
  ids.map((id) => `${house.workload(id).state} ${house.workload(id).exitCode}`)

for (const [why, { agents, cut }] of Object.entries(ways))
  for (const planes of [['a'], ['a', 'b']])
    test(`what ended before its limit ended by itself, though ${why} until after it (${planes.length} control planes)`, async () => {
      await using house = await aHouse({ sites: patient(10 * minute), agents, planes })
      const deadline = new Date(house.clock.now() + 2 * minute).toISOString()
      const limits = [{ duration: { maximum: '2m' } }, { deadline }] as const
      const all: string[] = []
      for (const [i, limit] of limits.entries()) {
        all.push(await house.submit(`well-${i}`, { runMs: 40 * second, ...limit }))
        all.push(await house.submit(`badly-${i}`, { runMs: 40 * second, exitCode: 3, ...limit }))
        all.push(await house.submit(`long-${i}`, { runMs: 60 * minute, ...limit }))
      }
      await house.runUntil('all run', () => isRunning(house, all))
      cut(house)
      await house.runFor(3 * minute)
      assert.ok(isRunning(house, all), ends(house, all).join())
      restore(house)
      const backAt = house.clock.now()
      await house.runUntil('all end', () => all.every((id) => house.workload(id).endedAt !== null), 2 * minute)
      assert.deepEqual(ends(house, all), [...endings, ...endings])
      assert.ok(house.clock.now() - backAt < minute, `the limits were drawn ${house.clock.now() - backAt} ms late`)
      await house.toRest()
    })

const endings = ['succeeded 0', 'failed 3', 'failed 124']

test('what ended before its maximum ended by itself, though nobody was there until after it, and its site not for a while then', async () => {
  await using house = await aHouse({ sites: patient(5 * minute) })
  const all = [
    await house.submit('well', { runMs: 40 * second, duration: { maximum: '2m' } }),
    await house.submit('long', { runMs: 60 * minute, duration: { maximum: '2m' } }),
  ]
  await house.runUntil('both run', () => isRunning(house, all))
  house.cut('west')
  house.kill({ downMs: 10 * minute })
  await house.runFor(12 * minute)
  assert.ok(isRunning(house, all), ends(house, all).join())
  restore(house)
  await house.runUntil('both end', () => all.every((id) => house.workload(id).endedAt !== null), 2 * minute)
  assert.deepEqual(ends(house, all), ['succeeded 0', 'failed 124'])
  await house.toRest()
})

test('what fails before its deadline and may be tried again is not, once the deadline was passed out of reach', async () => {
  await using house = await aHouse({ sites: patient(10 * minute) })
  const deadline = new Date(house.clock.now() + 2 * minute).toISOString()
  const id = await house.submit('badly', {
    runMs: 40 * second,
    exitCode: 3,
    retry: { onExit: [3], times: 5 },
    deadline,
  })
  await house.runUntil('it runs', () => isRunning(house, [id]))
  house.cut('west')
  await house.runFor(3 * minute)
  restore(house)
  await house.runUntil('it ends', () => house.workload(id).endedAt !== null, minute)
  assert.deepEqual(ends(house, [id]), ['failed 124'])
  assert.deepEqual(
    house.attempts(id).map(({ state, exitCode }) => [state, exitCode]),
    [['failed', 3]],
  )
  await house.toRest()
})

test('an expiry that was passed while its site did not answer stops what still runs, and not what had ended', async () => {
  await using house = await aHouse({ sites: patient(10 * minute) })
  const all = [
    await house.submit('well', { runMs: 40 * second, expiry: '2m' }),
    await house.submit('badly', { runMs: 40 * second, exitCode: 3, expiry: '2m' }),
    await house.submit('long', { runMs: 60 * minute, expiry: '2m' }),
  ]
  await house.runUntil('all run', () => isRunning(house, all))
  house.cut('west')
  await house.runFor(3 * minute)
  restore(house)
  await house.runUntil('all end', () => all.every((id) => house.workload(id).endedAt !== null), 2 * minute)
  assert.deepEqual(ends(house, all), ['succeeded 0', 'failed 3', 'stopped null'])
  await house.toRest()
})

for (const agents of [[], ['west']])
  test(`a limit is drawn when the patience with its site is over${agents.length > 0 ? ', where agents are silent' : ''}: what is lost then is not begun anew`, async () => {
    await using house = await aHouse({ sites: patient(3 * minute), agents })
    const id = await house.submit('long', { runMs: 60 * minute, duration: { maximum: '1m' }, retry: { onLoss: 5 } })
    await house.runUntil('it runs', () => isRunning(house, [id]))
    house.cut('west')
    house.network.cut('west', true)
    const cutAt = house.clock.now()
    await house.runUntil('it ends', () => house.workload(id).endedAt !== null)
    assert.deepEqual(ends(house, [id]), ['failed 124'])
    assert.equal(house.attempts(id).length, 1)
    const waitedMs = house.clock.now() - cutAt
    assert.ok(waitedMs >= 3 * minute && waitedMs < 3.5 * minute, `it was waited for ${waitedMs} ms`)
    restore(house)
    await house.toRest()
  })

/** Of ranks whose limit is drawn when it is reached: something tells what they do, or would. */
const told = {
  'its site answers': { agents: [], cut: () => {} },
  'its agents are heard, though its site does not answer': { agents: ['west'], cut: (house) => house.cut('west') },
  'its site answers, though its agents are silent': {
    agents: ['west'],
    cut: (house) => house.network.cut('west', true),
  },
} satisfies Record<string, { agents: string[]; cut(house: HouseStory): void }>

for (const [why, { agents, cut }] of Object.entries(told))
  test(`a limit is drawn when it is reached where ${why}`, async () => {
    await using house = await aHouse({ sites: patient(10 * minute), agents })
    const id = await house.submit('long', { runMs: 60 * minute, duration: { maximum: '2m' } })
    await house.runUntil('it runs', () => isRunning(house, [id]))
    cut(house)
    const began = house.attempts(id)[0]?.startedAt ?? 0
    await house.runUntil('it is told to end', () => house.workload(id).state !== 'running', 3 * minute)
    const lateMs = house.clock.now() - began - 2 * minute
    assert.ok(lateMs < 5_000, `it was drawn ${lateMs} ms late`)
    restore(house)
    await house.toRest()
  })

test('who asks for a stop is heard at once while a limit waits for a site that does not answer', async () => {
  await using house = await aHouse({ sites: patient(10 * minute) })
  const id = await house.submit('long', { runMs: 60 * minute, duration: { maximum: '1m' } })
  await house.runUntil('it runs', () => isRunning(house, [id]))
  house.cut('west')
  await house.runFor(2 * minute)
  await house.asked('POST', `/v1/workloads/${id}/stop`)
  await house.runFor(2_000)
  assert.equal(house.workload(id).state, 'stopping')
  restore(house)
  await house.runUntil('it ends', () => house.workload(id).endedAt !== null)
  assert.equal(house.workload(id).state, 'stopped')
  await house.toRest()
})
