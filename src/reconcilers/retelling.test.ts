import assert from 'node:assert/strict'
import { test } from 'node:test'

import type { Decision } from '#model/plan.ts'
import type { House } from './reconciler.ts'
import { noteTold, retelling } from './retelling.ts'

const aHouse = () => ({}) as House // only what it remembers of it is used
const start = { earliest: 1, at: 2, site: 'local/west', order: 1 }
const refused = (replica: number, refusal: Partial<Decision['refusal'] & object> = {}): Decision => ({
  workload: 'w',
  replica,
  placement: null,
  alternatives: [],
  rejections: [],
  refusal: { cause: 'capacity', text: 'no room', next: [], ...refusal },
})

function round(house: House, decisions: Decision[], now: number): number[] {
  const telling = retelling(house, decisions, now)
  noteTold(house, [...decisions.filter(({ placement }) => placement !== null), ...telling.news], now)
  return telling.news.map(({ replica }) => replica)
}

test('what one replica is told never hides the start that another of its workload is promised', () => {
  const house = aHouse()
  assert.deepEqual(round(house, [refused(0, { start })], 0), [0])
  assert.deepEqual(round(house, [refused(0, { start })], 1), [])
  assert.deepEqual(round(house, [refused(0, { start }), refused(1)], 2), [0, 1])
})

test('who still waits is told again when another replica was placed, for the refusal is gone then', () => {
  const house = aHouse()
  const placement = { provider: 'local', site: 'west', tier: 'on-demand', shape: '1cpu', ranks: [], priceMicros: 1 }
  round(house, [refused(0), refused(1)], 0)
  assert.deepEqual(round(house, [{ ...refused(0), placement, refusal: null }, refused(1)], 1), [1])
})

test('who still waits is told when it is refused next, where another replica was placed in a round that did not ask for it', () => {
  const house = aHouse()
  const placement = { provider: 'local', site: 'west', tier: 'on-demand', shape: '1cpu', ranks: [], priceMicros: 1 }
  round(house, [refused(0), refused(1)], 0)
  round(house, [{ ...refused(1), placement, refusal: null }], 1)
  assert.deepEqual(round(house, [refused(0)], 2), [0])
  assert.deepEqual(round(house, [refused(0)], 3), [])
})

test('a reason whose words change with every second is told again less and less often', () => {
  const house = aHouse()
  const told: number[] = []
  for (let second = 0; second < 1200; second++)
    if (round(house, [refused(0, { text: `$${second} are spent` })], second * 1_000).length > 0) told.push(second)
  assert.deepEqual(told, [0, 2, 4, 8, 16, 32, 64, 128, 256, 600, 900])
})

test('another cause is told at once, however often the words of the one before have changed', () => {
  const house = aHouse()
  for (let second = 0; second < 60; second++) round(house, [refused(0, { text: `${second}` })], second * 1_000)
  assert.deepEqual(round(house, [refused(0, { cause: 'quota' })], 60_000), [0])
  assert.deepEqual(round(house, [refused(0, { cause: 'quota', text: 'another' })], 62_000), [0])
})
