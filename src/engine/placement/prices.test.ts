import assert from 'node:assert/strict'
import { test } from 'node:test'

import * as fc from 'fast-check'

import { whyPlaced } from '#engine/explain/placed.ts'
import { planPatienceMs, type SteeringPlan } from '#engine/market/steer.ts'
import { aJob, aLease, aNow, aProject, anOffer, aSite, aSnapshot } from '#test/builders.ts'

import { check } from './check.ts'
import { place, type PlaceInput } from './place.ts'
import { keysOf } from './rows.ts'

type SiteWords = Parameters<typeof aSite>[0]
type OfferWords = Parameters<typeof anOffer>[0]

/** A site of its own name with whole nodes of eight accelerators. */
const site = (name: string, price: number, { offer, ...more }: SiteWords & { offer?: OfferWords } = {}) =>
  aSite({ name, offers: [{ gpu: 'H100', gpus: 8, divisible: false, available: 8, price, ...offer }], ...more })

const gpus = { resources: { accelerators: { any: ['H100:8', 'A100:8'] } } }
const job = (name: string, spec: Parameters<typeof aJob>[0] = {}) => aJob({ name, ...gpus, ...spec })

function decide(snapshot: Parameters<typeof aSnapshot>[0], more: Partial<PlaceInput> = {}) {
  const input = { snapshot: aSnapshot(snapshot), now: aNow, ...more }
  const decisions = place(input)
  assert.deepEqual(check(input, decisions), [])
  return decisions
}
/** Where each workload went, by its name. */
const sitesOf = (...given: Parameters<typeof decide>) =>
  Object.fromEntries(decide(...given).map(({ workload, placement }) => [workload.slice(2), placement?.site]))

test('what is paid for anyway is used first, as long as it lasts, though its price is higher', () => {
  const sites = [site('cheap', 10), site('paid', 30, { offer: { tier: 'committed', commitment: { nodes: 2 } } })]
  const waiting = ['a', 'b', 'c'].map((name) => job(name))
  assert.deepEqual(sitesOf({ sites, waiting }), { a: 'paid', b: 'paid', c: 'cheap' })
  const lease = aLease({ site: 'paid', tier: 'committed', shape: sites[1]?.offers[0]?.shape.name ?? '' })
  assert.deepEqual(sitesOf({ sites, waiting, leases: [lease] }), { a: 'paid', b: 'cheap', c: 'cheap' })
})

test('the run decides, not its hour: a faster shape that costs more an hour, and spot that is taken away too often', () => {
  const fast = { duration: { expected: '10h' }, throughput: { H100: 1, A100: 0.4 } }
  const shapes = [site('slow', 15, { offer: { gpu: 'A100' } }), site('fast', 30)]
  assert.deepEqual(sitesOf({ sites: shapes, waiting: [job('told', fast), job('untold')] }), {
    told: 'fast',
    untold: 'slow',
  })
  const tiers = [site('spot', 20, { offer: { tier: 'spot', takenPpm: 200_000 } }), site('kept', 30)]
  const long = { duration: { expected: '10h' } }
  const often = { ...long, checkpoint: { every: '10m' } }
  assert.deepEqual(sitesOf({ sites: tiers, waiting: [job('long', long), job('often', often)] }), {
    long: 'kept',
    often: 'spot',
  })
})

test('the objective decides between cheap and soon', () => {
  const sites = [site('slow', 5, { offer: { gpu: 'A100' } }), site('fast', 30)]
  const waiting = (['cost', 'finish', 'balance'] as const).map((objective) =>
    job(objective, { objective, duration: { expected: '10h' }, throughput: { A100: 0.4 } }),
  )
  assert.deepEqual(sitesOf({ sites, waiting }), { cost: 'slow', finish: 'fast', balance: 'fast' })
})

const reads = (size: string) => ({
  duration: { expected: '10h' },
  data: [{ name: 'corpus', location: 's3://corpus', site: 'local/home', size }],
})

test('who reads much data stays where it is, until the nodes elsewhere are cheaper than its way', () => {
  const egress = [{ to: '*', steps: [{ microsPerGB: 50_000 }] }]
  const sites = [site('home', 30, { egress }), site('away', 10)]
  assert.deepEqual(sitesOf({ sites, waiting: [job('much', reads('10TB')), job('little', reads('1TB'))] }), {
    much: 'home',
    little: 'away',
  })
})

test('what leaves a site that tells no price costs nobody knows how much: it is told, and wins no tie', () => {
  const sites = [site('away', 30), site('home', 30)]
  const waiting = [job('reads', reads('10TB'))]
  assert.deepEqual(sitesOf({ sites, waiting }), { reads: 'home' }, 'where nothing is unknown')
  const cheap = [site('away', 20), site('home', 30)]
  const [decision] = decide({ sites: cheap, waiting })
  assert.deepEqual(decision?.placement?.run?.unpriced, ['local/home'])
  assert.match(
    decision ? whyPlaced(decision) : '',
    /What data costs that leaves local\/home is not known, and not counted/,
  )
  const told = [site('away', 20), site('home', 30, { egress: [{ to: '*', steps: [{ microsPerGB: 0 }] }] })]
  assert.equal(decide({ sites: told, waiting })[0]?.placement?.run?.unpriced, undefined)
})

test('what has left a site in the month counts: the next data pays the step after it', () => {
  const egress = [{ to: '*', steps: [{ untilGB: 2_000, microsPerGB: 0 }, { microsPerGB: 90_000 }] }]
  const sites = [site('home', 30, { egress }), site('away', 25)]
  const waiting = [job('reads', reads('1TB'))]
  assert.deepEqual(sitesOf({ sites, waiting }), { reads: 'away' })
  assert.deepEqual(sitesOf({ sites, waiting, sent: new Map([['local/home', 2_000_000_000_000n]]) }), { reads: 'home' })
})

test('it says what the run costs, and what each rule that alone stood in the way costs', () => {
  const sites = [
    site('here', 30, { jurisdictions: ['DE', 'EU'] }),
    site('there', 20, { jurisdictions: ['US'] }),
    site('spot', 10, { offer: { tier: 'spot' }, jurisdictions: ['US'] }),
    site('dear', 90, { offer: { tier: 'spot' }, jurisdictions: ['DE', 'EU'] }),
  ]
  const placement = { jurisdictions: ['EU'], tiers: ['on-demand' as const] }
  const waiting = [job('bound', { duration: { expected: '10h' }, placement })]
  const [decision] = decide({ sites, waiting })
  assert.deepEqual(decision?.ruleCosts, [
    {
      rule: 'jurisdiction',
      detail: 'it is US; the spec allows only EU',
      site: 'local/there',
      tier: 'on-demand',
      shape: sites[1]?.offers[0]?.shape.name,
      savedMicros: 100_000_000,
    },
  ])
  const text = decision ? whyPlaced(decision) : ''
  assert.match(text, /The whole run of 10h is expected to cost \$300\.00\./)
  assert.match(text, /The rule jurisdiction costs \$100\.00: local\/there .* so much less \(it is US/)
})

test('what costs less than a dollar is told exactly', () => {
  const [decision] = decide({ sites: [site('one', 10)], waiting: [job('small', { duration: { expected: '1s' } })] })
  const run = decision?.placement?.run
  assert.ok(decision && run && run.costMicros > 0 && run.costMicros < 10_000)
  assert.ok(
    whyPlaced(decision).includes(`is expected to cost $${(run.costMicros / 1e6).toFixed(6)}`.replace(/0{1,4}$/, '')),
  )
})

test('a share of providers costs what the cheaper provider would save', () => {
  const sites = [site('full', 10), site('other', 30, { provider: 'simulated' })]
  const projects = [aProject({ policy: { maxProviderShare: 0.5 } })]
  const leases = [aLease({ site: 'full' })]
  const [decision] = decide({ sites, projects, leases, waiting: [job('one'), job('two')] })
  assert.equal(decision?.placement?.provider, 'simulated')
  assert.deepEqual(
    decision?.ruleCosts?.map(({ rule, savedMicros }) => [rule, savedMicros]),
    [['provider-share', 20_000_000]],
  )
})

const shape = site('any', 1).offers[0]?.shape.name ?? ''
const keyOf = (name: string) => `local/${name} on-demand ${shape}`

test('a plan leaves what is scarce to those who have no other place, and says what it is worth to them', () => {
  const sites = [site('cheap', 10, { offer: { available: 1 } }), site('dear', 12)]
  const waiting = [job('any'), job('bound', { placement: { sites: ['local/cheap'] } })]
  assert.deepEqual(sitesOf({ sites, waiting }), { any: 'cheap', bound: undefined })
  const nodeMicros = new Map([[keyOf('cheap'), 40_000_000]])
  const plan: SteeringPlan = { asOf: aNow, gangs: new Map(), paidMicros: new Map(), nodeMicros }
  assert.deepEqual(sitesOf({ sites, waiting }, { plan }), { any: 'dear', bound: 'cheap' })
  const [first] = decide({ sites, waiting }, { plan })
  assert.match(
    first ? whyPlaced(first) : '',
    /local\/cheap .* is cheaper, and left to others .* worth \$40\.00\/h more/,
  )
  const late = { plan, now: aNow + planPatienceMs + 1 }
  assert.deepEqual(sitesOf({ sites, waiting }, late), { any: 'cheap', bound: undefined }, 'too old')
})

test('of places that cost the same all in all, the plan says how many go where', () => {
  const sites = [site('one', 10), site('two', 10)]
  const snapshot = aSnapshot({ sites, waiting: ['a', 'b', 'c'].map((name) => job(name)) })
  const [first] = snapshot.waiting
  const planned = new Map([
    [keyOf('one'), 1],
    [keyOf('two'), 2],
  ])
  const gangs = new Map(first ? [[keysOf(first, aNow).key, planned]] : [])
  const plan: SteeringPlan = { asOf: aNow, gangs, paidMicros: new Map(), nodeMicros: new Map() }
  assert.deepEqual(sitesOf(snapshot), { a: 'one', b: 'one', c: 'one' })
  assert.deepEqual(Object.values(sitesOf(snapshot, { plan })).sort(), ['one', 'two', 'two'])
})

const someOffer = fc.record({
  price: fc.integer({ min: 1, max: 50 }),
  tier: fc.constantFrom('committed' as const, 'spot' as const, 'on-demand' as const),
  takenPpm: fc.constantFrom(0, 5_000, 90_000),
  gpu: fc.constantFrom('H100', 'A100'),
  paid: fc.constantFrom(0, 0, 1, 3),
  hours: fc.constantFrom(2, 8, 1000),
  egress: fc.constantFrom(0, 20_000, 90_000),
})

test('who waits alone goes where its run costs least, whatever the terms; and a cheaper offer never makes it dearer', () => {
  const offers = fc.array(someOffer, { minLength: 1, maxLength: 5 })
  fc.assert(
    fc.property(offers, fc.nat(), fc.constantFrom('1h', '6h'), (all, cheaper, expected) => {
      const run = (given: typeof all) => {
        const sites = given.map(({ paid, hours, egress, price, ...offer }, at) =>
          site(`s${at}`, price, {
            egress: [{ to: '*', steps: [{ untilGB: 100, microsPerGB: egress }, { microsPerGB: egress / 2 }] }],
            offer: { ...offer, until: aNow + hours * 3_600_000, ...(paid > 0 && { commitment: { nodes: paid } }) },
          }),
        )
        const data = [{ name: 'corpus', location: 's3://c', site: 'local/s0', size: '300GB' }]
        const spec = { nodes: 2, duration: { expected }, throughput: { A100: 0.5 }, data }
        const [decision] = decide({ sites, waiting: [job('one', spec)] })
        const others = decision?.alternatives.flatMap(({ run: other }) => (other ? [other.costMicros] : [])) ?? []
        const cost = decision?.placement?.run?.costMicros ?? Infinity
        assert.ok(others.every((other) => other >= cost))
        return cost
      }
      const less = all.map((one, at) =>
        at === cheaper % all.length ? { ...one, price: Math.ceil(one.price / 2) } : one,
      )
      assert.ok(run(less) <= run(all))
    }),
  )
})
