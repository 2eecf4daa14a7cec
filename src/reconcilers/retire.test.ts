import assert from 'node:assert/strict'
import { test } from 'node:test'

import { fail, succeed } from '#model/fault.ts'
import { createFakeClock } from '#simulator/fake-clock.ts'
import { createMemoryStore } from '#simulator/house/memory/store.ts'
import { shape } from '#simulator/house/shape.ts'
import { createWorld } from '#simulator/world.ts'
import { aJob } from '#test/builders.ts'
import { submitted } from '#test/rigs/story.ts'
import { admit } from './admit.ts'
import { follow } from './follow.ts'
import { launch } from './launch.ts'
import { observe } from './observe.ts'
import { retire } from './retire.ts'

const { signal } = new AbortController()
const hold = (by: string) => ({ what: `secret s waits for ${by}`, fix: 'kubectl get secret s' })

/** A house whose only job was told to stop, and all that its site is asked to retire it, each time from the first. */
async function aStopped({ questions, eachMs }: { questions: number; eachMs: number }) {
  const clock = createFakeClock()
  const store = createMemoryStore({ clock })
  const pools = [{ tier: 'on-demand' as const, shape, priceMicros: 1, nodes: 4 }]
  const west = { name: 'west', jurisdictions: ['DE'], patienceMs: 600_000, pools }
  const reconcilers = [observe, admit, launch, follow]
  const world = createWorld({ store, clock, reconcilers, seed: 1, sites: [west], faults: { callMs: [0, 0] } })
  const [id = ''] = await submitted(store, [aJob()], clock.now())
  world.cloud.script(id, [{ prints: '', runMs: Infinity, exitCode: 0, stubborn: false }])
  const isIn = async (state: string) => (await store.workloads.get(id))?.state === state
  assert.ok(await world.runUntil(() => isIn('running'), 60_000))
  const provider = world.house.providers.get('simulated') ?? assert.fail()
  const tries: { tookMs: number; answered: number }[] = []
  let underWay = 0
  let mostUnderWay = 0
  world.house.providers.set('simulated', {
    ...provider,
    async retire(handle, graceMs, call) {
      const began = clock.now()
      const one = { tookMs: 0, answered: 0 }
      tries.push(one)
      mostUnderWay = Math.max(mostUnderWay, ++underWay)
      try {
        while (one.answered < questions) {
          await clock.sleep(eachMs, call)
          one.tookMs = clock.now() - began
          if (call.aborted) return fail('unreachable', 'later', 'the call was given up')
          one.answered++
        }
        return await provider.retire(handle, graceMs, call)
      } finally {
        underWay--
      }
    },
  })
  await store.workloads.want(id, 'stop', { who: 'me', now: clock.now() })
  const isGone = async () => (await store.workloads.attempts(id))[0]?.lease?.state === 'gone'
  /** Whether it is gone within so long; turns go on beside calls that take long. */
  const gone = async (mostMs: number): Promise<boolean> => {
    for (const until = clock.now() + mostMs; clock.now() < until; await clock.advance(500)) {
      if (await isGone()) return true
      await follow.turn(world.house, signal)
      void retire.turn(world.house, signal)
    }
    return isGone()
  }
  const reason = async () => (await store.workloads.get(id))?.reason ?? ''
  return { gone, tries, mostUnderWay: () => mostUnderWay, store, house: world.house, reason }
}

test('a retirement whose site is too slow for its time has more with each try, is never in two hands, and comes to its end', async () => {
  const { gone, tries, mostUnderWay } = await aStopped({ questions: 6, eachMs: 4_000 })
  assert.ok(await gone(120_000), `in vain: ${JSON.stringify(tries)}`)
  assert.ok((tries[0]?.answered ?? 6) < 6, 'the first try is given up')
  assert.ok(tries.length <= 5, `${tries.length} tries`)
  assert.equal(mostUnderWay(), 1)
})

test('what others hold up the end of is told once for each of them, and the lease is not gone before they let go', async () => {
  const { gone, store, house, reason } = await aStopped({ questions: 0, eachMs: 0 })
  const provider = house.providers.get('simulated') ?? assert.fail()
  const held: string[] = ['a', 'a', 'b', 'b']
  let asked = 0
  house.providers.set('simulated', {
    ...provider,
    async retire(handle, graceMs, call) {
      const by = held[asked++]
      return by === undefined ? provider.retire(handle, graceMs, call) : succeed({ held: [hold(by)] })
    },
  })
  assert.equal(await gone(3_000), false)
  assert.match(
    await reason(),
    /^others hold up the end of what is left: secret s waits for [ab]; next: kubectl get secret s$/,
  )
  assert.ok(await gone(60_000))
  const told = (await store.events.latest({ most: 100 })).filter(({ type }) => type === 'lease.stuck')
  assert.deepEqual(
    told.map(({ message }) => /waits for (.)/.exec(message)?.[1]),
    ['a', 'b'],
  )
})

test('no try of a retirement has longer than half a minute', async () => {
  const { gone, tries } = await aStopped({ questions: 1, eachMs: 3_600_000 })
  assert.equal(await gone(180_000), false)
  assert.deepEqual([...new Set(tries.slice(0, -1).map(({ tookMs }) => tookMs))], [6_000, 18_000, 30_000])
})
