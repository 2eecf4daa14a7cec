import assert from 'node:assert/strict'
import { test } from 'node:test'

import { createFakeClock } from '#simulator/fake-clock.ts'
import { createExcuses } from './excuses.ts'
import { createLife, type Life } from './life.ts'
import { shape } from './shape.ts'
import type { Story } from './story.ts'

const aLife = (name: string): Life => createLife({ name, clock: createFakeClock(0), skewMs: 0, fallen: () => {} })

const aSite = (name: string) => ({
  name,
  jurisdictions: ['DE'],
  patienceMs: 1,
  pools: [{ tier: 'spot' as const, shape, priceMicros: 1, nodes: 1 }],
})

const aStory = (fields: Partial<Story>): Story => ({
  seed: 1,
  planes: [],
  cloud: { sites: [aSite('west'), aSite('east')] },
  troubles: [],
  agents: { sites: [], skewMs: 0 },
  projects: [],
  steps: [],
  calmAt: 600_000,
  ...fields,
})

/** At which of these times, looked at one after the other, it is able: nowhere, in the house, and at which sites. */
function ableAt(fields: Partial<Story>, times: number[], lives = new Map([['a', aLife('a/1')]])): string[] {
  const excuses = createExcuses(aStory(fields), { from: 1_000_000, lives, isDown: () => false })
  excuses.look(1_000_000)
  return times.map((at) => {
    excuses.look(1_000_000 + at)
    const sites = ['west', 'east'].filter((site) => excuses.able(`simulated/${site}`))
    return excuses.able() ? ['house', ...sites].join(' ') : ''
  })
}

test('a site that is cut off excuses what should happen there, from the look that may know of it on, and nothing else', () => {
  const cut = { at: 70_000, do: 'cut', site: 'west', how: 'lost', forMs: 5_000 } as const
  assert.deepEqual(ableAt({ steps: [cut] }, [60_000, 120_000, 180_000, 240_000]), [
    'house west east',
    'house east',
    'house east',
    'house west east',
  ])
})

test('a database that restarts excuses everything, and a few calls that fail excuse nothing', () => {
  const away = { at: 70_000, do: 'restart-database', forMs: 5_000 } as const
  assert.deepEqual(ableAt({ steps: [away] }, [60_000, 120_000, 180_000]), ['house west east', '', 'house west east'])
  const seldom = { trouble: 'throttled', share: 0.1, fromMs: 0, toMs: 300_000 } as const
  const often = { trouble: 'throttled', site: 'east', share: 0.3, fromMs: 0, toMs: 300_000 } as const
  assert.deepEqual(ableAt({ troubles: [seldom, often] }, [60_000, 400_000, 460_000]), [
    'house west',
    'house west',
    'house west east',
  ])
})

test('who died meanwhile was not there all the time, whoever came instead', () => {
  const lives = new Map([['a', aLife('a/1')]])
  const excuses = createExcuses(aStory({}), { from: 0, lives, isDown: () => false })
  excuses.look(0)
  excuses.look(60_000)
  assert.ok(excuses.able())
  lives.set('a', aLife('a/2'))
  excuses.look(120_000)
  assert.ok(!excuses.able())
  excuses.look(180_000)
  assert.ok(excuses.able())
  lives.get('a')?.die()
  excuses.look(240_000)
  assert.ok(!excuses.able())
})
