import { test } from 'node:test'

import * as fc from 'fast-check'

import { aSetClock, createGround } from '#test/equal/pair.ts'
import { takeSteps } from '#test/equal/steps.ts'
import { aWorldClock, liveThrough } from '#test/equal/whole.ts'

test('whatever it is asked, the store in memory answers, nudges and writes as PostgreSQL does', async () => {
  await using ground = await createGround()
  const stories = fc.asyncProperty(fc.array(fc.nat(2 ** 31 - 1), { minLength: 20, maxLength: 30 }), async (numbers) =>
    takeSteps(await ground.pair(1, aSetClock()), numbers),
  )
  await fc.assert(stories, { numRuns: 4, seed: 20 })
  const pair = await ground.pair(1, aWorldClock())
  await liveThrough(pair, 4, 5)
})
