import assert from 'node:assert/strict'
import { test } from 'node:test'

import { aCloud, anOrderOf, aPlace } from '#rigs/simulated-cloud.ts'
import { withTimeout } from '#providers/decorate/timeout.ts'
import { faultsOf, SimulatedSite } from './options.ts'
import { ProfileName, profiles } from './profiles.ts'

const site = (changes: object) => SimulatedSite.parse({ ...aPlace('west', 8), ...changes })

test('every profile is well formed, and its parts may be others', () => {
  for (const profile of ProfileName.options) {
    const faults = faultsOf(site({ profile }), {})
    assert.deepEqual(faults.rates, profiles[profile].rates)
    const changed = faultsOf(site({ profile, faults: { rates: { denied: 0.5 } }, pace: { runMs: [1, 2] } }), {
      runMs: [5, 5],
      windows: [{ from: 0, to: 1, trouble: 'denied' }],
    })
    assert.deepEqual([changed.rates.denied, changed.runMs, changed.windows.length], [0.5, [1, 2], 1])
    assert.deepEqual({ ...changed.rates, denied: undefined }, { ...faults.rates, denied: undefined })
  }
})

/** How long nodes of a site may take to come up. */
const upWithin = (changes: object) =>
  aCloud({}, { sites: [{ ...aPlace('west', 8), ...changes }] }).provider.sites()[0]?.upWithinMs

test('where nodes take long to come up they are given twice as long, unless its site says otherwise', () => {
  assert.deepEqual([upWithin({}), upWithin({ profile: 'local' })], [undefined, undefined])
  assert.equal(upWithin({ profile: 'azure' }), 480_000)
  assert.equal(upWithin({ profile: 'azure', upWithinMs: 1_000 }), 1_000)
})

test('what is no fault is not taken', () => {
  assert.throws(() => aCloud({ rates: { denied: 2 } }))
  assert.throws(() => aCloud({ bootMs: [2, 1] }))
  assert.throws(() => site({ profile: 'nowhere' }))
})

test('with any profile a gang that is retired again and again goes, but for what the network brings late', async () => {
  for (const profile of ProfileName.options) {
    const { clock, cloud, signal } = aCloud({}, { sites: [{ ...aPlace('west', 40, 'spot'), profile }] })
    const provider = withTimeout(cloud.open(), clock)
    const stop = clock.flow()
    const tokens = Array.from({ length: 20 }, (_, i) => `t-${i}`)
    for (const token of tokens) await provider.launch(anOrderOf(token, { tier: 'spot', nodes: 2 }), signal)
    for (const token of tokens) {
      const gone = async () => {
        const answer = await provider.retire({ site: 'west', token }, 0, signal)
        return answer.ok && answer.value === 'gone'
      }
      while (!(await gone())) await clock.sleep(60_000)
    }
    await clock.sleep(3_600_000)
    stop()
    const repeated = new Set(cloud.befell().flatMap(({ fault, token }) => (fault === 'duplicated' ? [token] : [])))
    const left = cloud.gangs('west').filter(({ token }) => !repeated.has(token))
    assert.deepEqual([profile, left], [profile, []])
    assert.deepEqual([profile, cloud.used('west')], [profile, [0]])
  }
})
