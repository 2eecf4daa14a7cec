import assert from 'node:assert/strict'
import { test } from 'node:test'

import type { Facts } from '#store/store.ts'
import { hearing } from './hearing.ts'
import type { House } from './reconciler.ts'

const minuteMs = 60_000

/** A house whose store says when an agent of the site was heard last, and a workload of which one was heard at 0 alone. */
function aHouse() {
  const state = { heardAt: 0, asked: 0 }
  const heardAt = (sites: string[]) => {
    state.asked++
    return Promise.resolve(new Map(sites.map((site) => [site, state.heardAt])))
  }
  const house = { store: { agents: { heardAt } } } as unknown as House // all that is asked
  const lease = { provider: 'local', site: 'west' }
  const mute = [{ attempts: [{ state: 'running', lease, ranks: [{ state: 'running', heardAt: 0 }] }] }]
  const at = async (now: number, due: unknown[] = mute) => (await hearing(house, due as Facts[], now)).get('local/west') // all that is looked at
  return { state, at }
}

test('agents of a site are heard as long as one of them is, at looks that are not far apart', async () => {
  const { state, at } = aHouse()
  for (const seconds of [70, 100, 130, 170]) {
    state.heardAt = seconds * 1000 - 2_000
    assert.equal(await at(seconds * 1000), 70_000)
  }
  state.heardAt = 10 * minuteMs
  assert.equal(await at(10 * minuteMs), 10 * minuteMs)
})

test('a break begins it anew', async () => {
  const { state, at } = aHouse()
  state.heardAt = 70_000
  assert.equal(await at(70_000), 70_000)
  assert.equal(await at(100_000), undefined)
  state.heardAt = 119_000
  assert.equal(await at(120_000), 120_000)
})

test('a site where all are heard is not asked about, and one that was is asked about now and then', async () => {
  const { state, at } = aHouse()
  await at(50_000)
  assert.equal(state.asked, 0)
  for (let now = 70_000; now < 100_000; now += 1_000) await at(now, [])
  assert.equal(state.asked, 0)
  await at(100_000)
  for (let now = 101_000; now < 400_000; now += 1_000) await at(now, [])
  assert.equal(state.asked, 13)
})
