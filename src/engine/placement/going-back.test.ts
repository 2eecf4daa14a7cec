import assert from 'node:assert/strict'
import { test } from 'node:test'

import { whyPlaced } from '#engine/explain/placed.ts'
import type { LiveLease } from '#model/live-lease.ts'
import type { Decision } from '#model/plan.ts'
import type { Preemption } from '#model/preemption.ts'
import { aJob, aLease, aNow, aProject, aReplica, aSite, aSnapshot } from '#test/builders.ts'

import { wayBackHolds } from './check-going-back.ts'
import { goBack } from './going-back.ts'
import { place, type PlaceInput } from './place.ts'

const hour = 3_600_000
type Job = Parameters<typeof aJob>[0]

/** Four hours of work that is saved every ten minutes, to be done in so many hours. */
const due = (hours: number, more: Job = {}) =>
  aJob({
    duration: { expected: '4h' },
    checkpoint: { every: '10m' },
    deadline: new Date(aNow + hours * hour).toISOString(),
    resources: { cpus: 16 },
    ...more,
  })

/** On-demand nodes for three dollars, and so many on spot for one. */
const west = (spot: number, more: { price?: number; lasting?: number } = {}) =>
  aSite({
    offers: [
      { tier: 'spot', available: spot, price: more.price ?? 1 },
      { tier: 'on-demand', price: 3, ...(more.lasting !== undefined && { available: more.lasting }) },
    ],
  })

type Given = {
  job?: ReturnType<typeof aJob>
  site?: ReturnType<typeof west>
  /** Beside it. */
  sites?: ReturnType<typeof west>[]
  lease?: Partial<LiveLease>
  waiting?: ReturnType<typeof aJob>[]
  others?: LiveLease[]
  preemptions?: Preemption[]
  perHour?: number
  movesPerHour?: number
  ranMs?: number
}

/** It has run for an hour on an on-demand node. */
function asked(given: Given = {}): { input: PlaceInput; decision: Decision | null } {
  const { job = due(12), site = west(4), movesPerHour = 4, ranMs = hour } = given
  const rank = { rank: 0, cpuMilli: 16_000, memoryMiB: 64 * 1024, diskMiB: 0, accelerators: 0 }
  const held = { id: 'l-job', workload: job.id, shape: '16cpu', ranks: [rank], priceMicros: 3_000_000, movable: true }
  const preemption = { within: 'never', reclaim: 'never', perHour: given.perHour ?? null } as const
  const snapshot = {
    ...aSnapshot({
      sites: [site, ...(given.sites ?? [])],
      waiting: given.waiting ?? [],
      projects: [aProject({ preemption })],
    }),
    leases: [aLease({ ...held, leaves: false, since: aNow - ranMs, ...given.lease }), ...(given.others ?? [])],
    running: [{ workload: job, replica: aReplica(job, { state: 'placed' }) }],
    spot: { runs: [], tries: [{ workload: job.id, ranMs, startMs: 60_000 }] },
    preemptions: given.preemptions ?? [],
  }
  const input = { snapshot, now: aNow, movesPerHour }
  const decision = goBack(input)
  if (decision) assert.deepEqual([...wayBackHolds(input, decision)], [])
  return { input, decision }
}
const goes = (given: Given = {}): boolean => asked(given).decision !== null

test('who runs on on-demand capacity with time to spare goes back to spot capacity, and is told what that saves', () => {
  const { decision } = asked()
  assert.deepEqual(decision?.preempts, [{ lease: 'l-job', workload: 'w-job', name: 'job' }])
  assert.equal(decision.moves, true)
  assert.match(
    decision.goesBack ?? '',
    /^goes back to spot capacity, which local\/west has: \$[\d.]+ are expected to be paid from now on, and \$9\.00 where it runs$/,
  )
})

test('it stays where there is no spot capacity, where it is hardly cheaper, and where little is left to do', () => {
  assert.equal(goes({ site: west(0) }), false)
  assert.equal(goes({ site: west(4, { price: 2.7 }) }), false)
  assert.equal(goes({ ranMs: 3.6 * hour }), false)
})

test('it stays where its deadline would be at risk: too little time, or no room that lasts for it when all who wait have theirs', () => {
  assert.equal(goes({ job: due(3.5) }), false)
  assert.equal(goes({ site: west(4, { lasting: 1 }) }), true)
  const waits = aJob({ name: 'other', resources: { cpus: 16 }, placement: { tiers: ['on-demand'] } })
  assert.equal(goes({ site: west(4, { lasting: 1 }), waiting: [waits] }), false, 'who waits takes what it leaves')
  assert.equal(goes({ job: due(12, { retry: { onLoss: 0 } }) }), false, 'it may not be lost once')
})

test('it stays where nobody hears that it has left, where its nodes go before its deadline, and where it wants no spot capacity', () => {
  const site = west(4)
  const both = [{ tier: 'spot' }, { tier: 'on-demand', price: 3 }] as const
  const sites = [aSite({ name: 'east', offers: [...both] })]
  assert.equal(goes({ site, sites }), true)
  assert.equal(goes({ site: { ...site, reach: 'denied' }, sites }), false)
  const ending = site.offers.map((offer) => ({ ...offer, until: aNow + 6 * hour }))
  assert.equal(goes({ site: { ...site, offers: ending }, sites }), false)
  assert.equal(goes({ job: due(12, { placement: { tiers: ['on-demand'] } }), sites }), false)
})

test('a block that ends too early does not hide capacity that lasts, and a part of a large node may be the cheaper', () => {
  const blocks = aSite({ name: 'east', offers: [{ tier: 'reserved', price: 2, until: aNow + 6 * hour }] })
  assert.equal(goes({ sites: [blocks] }), true)
  const large = aSite({ offers: [{ tier: 'spot', price: 8, cpus: 128, memoryGB: 512 }] })
  const site = west(0)
  assert.equal(goes({ site: { ...site, offers: [...site.offers, ...large.offers] } }), true)
})

test('another that waits for the spot capacity goes before it', () => {
  const waits = aJob({ name: 'other', resources: { cpus: 16 }, placement: { tiers: ['spot'] } })
  assert.equal(goes({ site: west(1) }), true)
  assert.equal(goes({ site: west(1), waiting: [waits] }), false)
})

const back = (victim: string, hoursAgo: number, by = victim): Preemption => ({
  by,
  victim,
  project: 'default',
  at: aNow - hoursAgo * hour,
  isMove: true,
})

test('only who may be moved goes back, as often as the house and its project move, and one at a time', () => {
  assert.equal(goes({ movesPerHour: 0 }), false)
  assert.equal(goes({ lease: { movable: false } }), false)
  assert.equal(goes({ perHour: 0 }), false)
  assert.equal(goes({ movesPerHour: 1, preemptions: [back('w-other', 0.5, 'w-gang')] }), false)
  assert.equal(goes({ movesPerHour: 2, preemptions: [back('w-other', 0.5, 'w-gang')] }), true)
  assert.equal(goes({ perHour: 1, preemptions: [back('w-other', 0.5, 'w-gang')] }), false)
  const leaving = aLease({ id: 'l-x', workload: 'w-x', leaves: true })
  assert.equal(goes({ others: [leaving], preemptions: [back('w-x', 0)] }), false)
  assert.equal(goes({ others: [leaving], preemptions: [back('w-x', 0, 'w-gang')] }), true)
})

test('who went back, or had to leave for others, stays for an hour', () => {
  for (const by of ['w-job', 'w-gang']) {
    assert.equal(goes({ preemptions: [back('w-job', 0.9, by)] }), false)
    assert.equal(goes({ preemptions: [back('w-job', 1.1, by)] }), true)
  }
})

test('the checker refuses what breaks a rule of going back', () => {
  const { input, decision } = asked()
  assert.ok(decision)
  const wrong = (snapshot: Partial<PlaceInput['snapshot']>, more: Partial<PlaceInput> = {}): string =>
    [...wayBackHolds({ ...input, ...more, snapshot: { ...input.snapshot, ...snapshot } }, decision)].join('; ')
  const [lease] = input.snapshot.leases
  assert.ok(lease)
  assert.match(wrong({ leases: [] }), /holds nothing/)
  assert.match(wrong({ running: [] }), /holds nothing/)
  assert.match(wrong({ leases: [{ ...lease, movable: false }] }), /may not be moved/)
  assert.match(wrong({ leases: [{ ...lease, tier: 'spot' }] }), /from what it may lose/)
  assert.match(wrong({ sites: [west(4, { price: 4 })] }), /nothing is cheaper/)
  assert.match(wrong({ sites: [{ ...west(4), reach: 'unreachable' }] }), /a site that does not answer/)
  assert.match(wrong({}, { movesPerHour: 0 }), /too many were moved/)
  assert.match(
    wrong({ projects: [aProject({ preemption: { within: 'never', reclaim: 'never', perHour: 0 } })] }),
    /stopped too often/,
  )
  assert.match(wrong({ preemptions: [back('w-job', 0.5)] }), /had to leave in this hour/)
  assert.match(wrong({}, { now: aNow + 8.6 * hour }), /could not be in time/)
})

test('where work is moved, a plan that chooses on-demand capacity with time to spare tells that it may go back', () => {
  const job = due(48.8, { duration: { expected: '48h' } })
  const snapshot = aSnapshot({ sites: [west(0)], waiting: [job], spot: { runs: [], tries: [] } })
  const [told = '', untold = ''] = [4, 0].map((movesPerHour) => {
    const [decision] = place({ snapshot, now: aNow, movesPerHour })
    assert.equal(decision?.placement?.tier, 'on-demand')
    return whyPlaced(decision)
  })
  assert.match(told, /of work that are left; it goes back to spot capacity when that pays\./)
  assert.doesNotMatch(untold, /goes back/)
})
