import assert from 'node:assert/strict'
import { test } from 'node:test'

import { whyPlaced } from '#engine/explain/placed.ts'
import type { Decision } from '#model/plan.ts'
import type { SpotFacts, SpotRun } from '#model/spot.ts'
import { aJob, aNow, aReplica, aSite, aSnapshot } from '#test/builders.ts'

import { check } from './check.ts'
import { place } from './place.ts'

const hour = 3_600_000
const minute = 60_000
type Job = Parameters<typeof aJob>[0]

/** Four hours of work that is saved every ten minutes, to be done in so many hours. */
const due = (hours: number, more: Job = {}) =>
  aJob({
    duration: { expected: '4h' },
    checkpoint: { every: '10m' },
    deadline: new Date(aNow + hours * hour).toISOString(),
    ...more,
  })

/** A site with on-demand nodes for three dollars, and so many on spot for one. */
const site = (name: string, spot: number, price = 1) =>
  aSite({
    name,
    offers: [
      { tier: 'spot', available: spot, price },
      { tier: 'on-demand', price: 3 },
    ],
  })

type Given = { sites?: ReturnType<typeof site>[]; spot?: Partial<SpotFacts>; losses?: number; now?: number }

function decide(workload: ReturnType<typeof due>, { sites, spot, losses = 0, now = aNow }: Given = {}): Decision {
  const waiting = [{ workload, replica: aReplica(workload, { losses }) }]
  const facts = { runs: [], tries: [], ...spot }
  const input = { snapshot: aSnapshot({ waiting, sites: sites ?? [site('west', 4)], spot: facts }), now }
  const decisions = place(input)
  assert.deepEqual(check(input, decisions), [])
  return decisions[0] ?? assert.fail()
}
const tierOf = (...given: Parameters<typeof decide>) => decide(...given).placement?.tier ?? 'none'

/** A node of a site that was taken away so long ago, after it was held for so long. */
const lost = (agoMs: number, heldMs = hour, name = 'west'): SpotRun => ({
  site: `local/${name}`,
  shape: '16cpu',
  from: aNow - agoMs - heldMs,
  until: aNow - agoMs,
  taken: true,
})
const ranAnHour = { workload: 'w-job', ranMs: hour, startMs: minute }

test('spot capacity is lost: with much time that is waited for again, near the deadline what lasts is taken', () => {
  const spot = { runs: [lost(1_000)], tries: [ranAnHour] }
  const after = (hours: number) => decide(due(hours), { sites: [site('west', 0)], spot, losses: 1 })
  assert.equal(after(12).deadline?.does, 'wait')
  assert.equal(after(12).placement, null)
  assert.equal(after(3.45).placement?.tier, 'on-demand')
  const there = decide(due(12), { sites: [site('west', 0), site('east', 4)], spot, losses: 1 })
  assert.deepEqual([there.placement?.site, there.placement?.tier], ['east', 'spot'])
})

test('a first start is on spot capacity while there is time to lose it', () => {
  assert.equal(tierOf(due(12)), 'spot')
  assert.equal(tierOf(due(4.3)), 'on-demand')
  assert.equal(tierOf(due(12), { losses: 20 }), 'on-demand', 'another loss would be the last')
})

test('of many that are alike each is told what one alone is, and who has less time what that is for it', () => {
  const workloads = [...Array.from({ length: 20 }, () => due(12)), due(4.3)].map((job, at) => ({
    ...job,
    id: `w-${at}`,
  }))
  const waiting = workloads.map((workload) => ({ workload, replica: aReplica(workload) }))
  const sites = [site('west', 0)]
  const decided = place({ snapshot: aSnapshot({ waiting, sites, spot: { runs: [], tries: [] } }), now: aNow })
  const [alone, late] = [decide(due(12), { sites }), decide(due(4.3), { sites })]
  for (const { workload, deadline } of decided)
    assert.deepEqual(deadline, workload === 'w-20' ? late.deadline : alone.deadline, workload)
  assert.notDeepEqual(alone.deadline, late.deadline)
})

test('of two zones the one that loses less is taken, though it costs a little more; one that costs much more is not', () => {
  const often = Array.from({ length: 12 }, (_, i) => lost((i + 1) * hour, 20 * minute))
  const quiet: SpotRun = { site: 'local/east', shape: '16cpu', from: aNow - 40 * hour, until: null, taken: false }
  const spot = { runs: [...often, quiet] }
  assert.equal(decide(due(12), { sites: [site('west', 4), site('east', 4, 1.1)], spot }).placement?.site, 'east')
  assert.equal(decide(due(12), { sites: [site('west', 4), site('east', 4, 2.5)], spot }).placement?.site, 'west')
})

test('what it has done and saved counts: it may go on where the whole run would be too late', () => {
  const tries = [{ ...ranAnHour, ranMs: 3 * hour }]
  assert.equal(decide(due(1.4), { spot: { tries }, losses: 1 }).placement?.tier, 'on-demand')
  assert.equal(decide(due(1.4)).refusal?.cause, 'deadline')
})

test('who wants to end early, saves nothing, or may have one kind of capacity only is placed as ever', () => {
  const others = [
    due(12, { objective: 'finish' }),
    due(12, { checkpoint: {} }),
    due(12, { duration: {} }),
    due(12, { placement: { tiers: ['spot'] } }),
    due(12, { deadline: undefined }),
  ]
  for (const job of others) assert.deepEqual([tierOf(job), decide(job).deadline], ['spot', undefined])
  assert.equal(tierOf(due(12, { placement: { tiers: ['on-demand'] } })), 'on-demand')
})

/** A site with a capacity block and on-demand nodes. */
const block = (until: number) =>
  aSite({
    offers: [
      { tier: 'reserved', price: 1, until },
      { tier: 'on-demand', price: 3 },
    ],
  })

test('a block that ends before the deadline may be lost as spot capacity is, and one that ends after it lasts', () => {
  assert.equal(tierOf(due(12), { sites: [block(aNow + 6 * hour)] }), 'reserved')
  assert.equal(tierOf(due(4.3), { sites: [block(aNow + 4 * hour)] }), 'on-demand')
  assert.equal(tierOf(due(4.3), { sites: [block(aNow + 5 * hour)] }), 'reserved')
})

test('it is told what was chosen and why: the chance, what it costs, and how long there is time', () => {
  assert.equal(
    whyPlaced(decide(due(12))).replace(/\$[\d.]+ are expected/, '$… are expected'),
    'local/west (spot, 16cpu) takes 1 node for $0.0625/h: by the plan for its deadline, for 25% of spot capacity is ' +
      'lost within an hour; $… are expected to be paid from now on, and $0.7875 on capacity that nobody takes away; it must ' +
      'start there by 2026-01-01T07:55:00Z for the 4h of work that are left. Ruled out: 1 by spot-plan.',
  )
  const waits = decide(due(12), { sites: [site('west', 0)] })
  assert.equal(waits.refusal?.cause, 'spot-plan')
  assert.match(
    waits.refusal.text,
    /^It has time\. It waits for spot capacity: no spot capacity is to be had; \$0\.\d+ are expected .* by 2026-01-01T07:55:00Z /,
  )
  assert.ok((waits.deadline?.again ?? 0) > aNow)
})

test('who waits is told when to look again, and takes what lasts no later than it must', () => {
  const job = due(5.5)
  let now = aNow
  for (let looks = 0; looks < 300; looks++) {
    const { placement, deadline } = decide(job, { sites: [site('west', 0)], now })
    if (placement) break
    now = Math.max(now + 1, deadline?.again ?? 0)
  }
  assert.equal(tierOf(job, { sites: [site('west', 0)], now }), 'on-demand')
  assert.ok(now + 4 * hour + 5 * minute <= aNow + 5.5 * hour)
  assert.ok(now > aNow + 45 * minute, 'it waited as long as that could still pay')
})

test('who waits by its plan keeps nothing from others', () => {
  const one = aSite({
    offers: [
      { tier: 'spot', available: 0, divisible: false },
      { tier: 'on-demand', available: 1, price: 3, divisible: false },
    ],
  })
  const waiting = [due(12), aJob({ name: 'other' }, { createdAt: aNow })]
  const input = { snapshot: aSnapshot({ sites: [one], waiting, spot: { runs: [], tries: [] } }), now: aNow }
  const decisions = place(input)
  assert.deepEqual(check(input, decisions), [])
  assert.deepEqual(
    decisions.map(({ placement, refusal }) => [placement?.tier, refusal?.cause]),
    [
      [undefined, 'spot-plan'],
      ['on-demand', undefined],
    ],
  )
})
