import assert from 'node:assert/strict'
import { test } from 'node:test'

import type { House, Turn } from './reconciler.ts'
import { resting } from './resting.ts'
import { clockAt } from '#rigs/clock.ts'

test('a loop rests longer after a long turn, and not at all while there is more', async () => {
  let now = 1000
  const house = { clock: clockAt(() => now) } as unknown as House // all that it looks at
  const turns: (Turn & { took: number })[] = [
    { status: 'much', took: 100, more: true },
    { status: 'long', took: 100 },
    { status: 'short', took: 1 },
  ]
  const turn = resting({ leastMs: 50, times: 4 }, async () => {
    const found = turns.shift() ?? { status: 'none', took: 0 }
    now += found.took
    return found
  })
  const look = async () => (await turn(house, new AbortController().signal)).status
  assert.deepEqual([await look(), await look()], ['much', 'long'])
  assert.deepEqual(await turn(house, new AbortController().signal), { status: 'rested', at: 1200 + 400 })
  now = 1600
  assert.equal(await look(), 'short')
  now = 1649
  assert.equal(await look(), 'rested')
  now = 1650
  assert.equal(await look(), 'none')
})

test('a turn that was held up for hours is not rested for', async () => {
  let now = 0
  const house = { clock: clockAt(() => now) } as unknown as House // all that it looks at
  const turn = resting({ leastMs: 50, times: 4 }, async () => {
    now += 3_600_000
    return { status: 'held up' }
  })
  await turn(house, new AbortController().signal)
  assert.deepEqual(await turn(house, new AbortController().signal), { status: 'rested', at: 3_600_000 + 30_000 })
})
