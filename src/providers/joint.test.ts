import assert from 'node:assert/strict'
import { test } from 'node:test'

import { createClock } from '#kit/clock.ts'
import { succeed } from '#model/fault.ts'
import { withNotice } from './decorate/notice.ts'
import { createJoint } from './joint.ts'
import { createNowhere } from './nowhere.ts'
import type { Provider } from './provider.ts'
import { createSimulated } from './simulated/simulated.ts'

const signal = new AbortController().signal
const shape = { name: 's', accelerators: 0, acceleratorMemoryMiB: 0, cpuMilli: 8000, memoryMiB: 16_384, diskMiB: 1024 }

const aCloud = (name: string, priceMicros: number) =>
  createSimulated({
    seed: 1,
    sites: [
      {
        name,
        jurisdictions: ['DE'],
        patienceMs: 1000,
        pools: [{ tier: 'on-demand', shape, priceMicros, nodes: 4 }],
      },
    ],
    faults: {},
    clock: createClock(),
  }).open()

const order = (site: string) => ({
  token: `l-${site}`,
  workload: 'w-1',
  attempt: 1,
  site,
  tier: 'on-demand' as const,
  ranks: [{ rank: 0, shape }],
  graceMs: 0,
  controlPlanes: [],
  credential: 'c',
})

test('each call goes to the adapter that has the site, and a site of none is told', async () => {
  const joint = createJoint(aCloud('east', 1), aCloud('west', 2))
  assert.deepEqual(
    joint.sites().map(({ name }) => name),
    ['east', 'west'],
  )
  for (const site of ['east', 'west']) assert.ok((await joint.launch(order(site), signal)).ok)
  for (const [site, price] of [
    ['east', 1],
    ['west', 2],
  ] as const) {
    const offers = await joint.offers(site, signal)
    assert.deepEqual(offers.ok && offers.value.map(({ priceMicros }) => priceMicros), [price])
    const listed = await joint.list(site, signal)
    assert.deepEqual(listed.ok && listed.value.map(({ token }) => token), [`l-${site}`])
  }
  const nowhere = await joint.list('north', signal)
  assert.deepEqual(!nowhere.ok && nowhere.fault.detail, 'no simulated site is named north')
})

const able = (name: string, cleared: string[]): Provider => ({
  ...aCloud(name, 1),
  abilities: {
    runsRanks: true,
    async clear(site) {
      cleared.push(site)
      return succeed(null)
    },
  },
})

test('an ability is asked of the adapter that has the site', async () => {
  const [east, west]: [string[], string[]] = [[], []]
  const { abilities } = createJoint(able('east', east), able('west', west))
  assert.equal(abilities.runsRanks, true)
  assert.deepEqual(await abilities.clear?.('west', signal), succeed(null))
  assert.deepEqual([east, west], [[], ['west']])
})

test('in place of a site that is gone nothing is, and those beside it are as before', async () => {
  const cleared: string[] = []
  const [site] = aCloud('east', 1).sites()
  assert.ok(site)
  const joint = createJoint(createNowhere(site), able('west', cleared))
  const answers = await Promise.all([
    joint.offers('east', signal),
    joint.list('east', signal),
    joint.get({ site: 'east', token: 'l-east' }, signal),
    joint.retire({ site: 'east', token: 'l-east' }, 0, signal),
    joint.abilities.remains?.('east', signal),
    joint.abilities.clear?.('east', signal),
  ])
  assert.deepEqual(
    answers.map((answer) => answer?.ok && answer.value),
    [[], [], null, 'gone', [], null],
  )
  assert.ok(!(await joint.launch(order('east'), signal)).ok)
  assert.deepEqual(await joint.abilities.clear?.('west', signal), succeed(null))
  const lacking = await joint.abilities.remains?.('west', signal)
  assert.deepEqual(lacking?.ok === false && lacking.fault.detail, 'the site west has no remains')
  assert.deepEqual([cleared, joint.abilities.runsRanks], [['west'], true])
})

test('from a time on all that runs is told to leave, and one that leaves sooner keeps its time', async () => {
  let at: number | null = null
  const noticed = withNotice(aCloud('east', 1), () => at)
  await noticed.launch(order('east'), signal)
  const leaves = async () => {
    const seen = await noticed.get({ site: 'east', token: 'l-east' }, signal)
    const listed = await noticed.list('east', signal)
    assert.ok(seen.ok && listed.ok)
    assert.deepEqual(listed.value[0]?.ranks, seen.value?.ranks)
    return seen.value?.ranks[0]?.leavesAt
  }
  assert.equal(await leaves(), undefined)
  at = 5000
  assert.equal(await leaves(), 5000)
})
