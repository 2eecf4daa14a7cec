import assert from 'node:assert/strict'
import { test } from 'node:test'

import * as fc from 'fast-check'

import type { Site } from '#model/site.ts'
import { aJob, aNow, anOffer } from '#test/builders.ts'

import { objectionToBlock } from './block.ts'
import { egressMicros, egressSteps } from './egress.ts'
import { priceRun, runOf, type RunCandidate } from './run-price.ts'
import { takenPpm, withSeenRates } from './taken.ts'

const hour = 3_600_000
const terabyteMiB = 1_000_000 // a little more than a decimal terabyte: 1.048576 of them
const site = (over: Partial<Site> = {}): Site => ({
  provider: 'simulated',
  name: 'west',
  jurisdictions: ['US'],
  patienceMs: 0,
  ...over,
})
const candidate = (offer: Parameters<typeof anOffer>[0] = {}, over: Partial<RunCandidate> = {}): RunCandidate => ({
  site: site(),
  offer: anOffer({ tier: 'committed', ...offer }),
  ranks: 2,
  priceMicros: 60_000_000,
  held: 0,
  ...over,
})
const facts = { now: aNow, sites: new Map<string, Site>() }
const job = aJob({ duration: { expected: '10h' } }).spec
const cost = (one: RunCandidate, spec = job): bigint => priceRun(spec, one, facts)?.costMicros ?? -1n

test('a commitment is used first, as far as others have left of it', () => {
  const commitment = { nodes: 4 }
  assert.equal(cost(candidate()), 600_000_000n)
  assert.equal(cost(candidate({ commitment })), 0n)
  assert.equal(cost(candidate({ commitment }, { held: 3 })), 300_000_000n)
  assert.equal(cost(candidate({ commitment }, { held: 9 })), 600_000_000n)
  assert.equal(cost(candidate({ commitment: { ...commitment, until: aNow + 5 * hour } })), 300_000_000n)
  assert.equal(cost(candidate({ commitment: { nodeMs: 5 * hour } })), 450_000_000n)
})

test('one hour stands for a run that does not say how long it is', () => {
  assert.equal(runOf(aJob().spec).workMs, hour)
  assert.equal(cost(candidate(), aJob().spec), 60_000_000n)
})

test('a shape that is twice as fast is paid half as long', () => {
  const fast = aJob({ duration: { expected: '10h' }, throughput: { H200: 2 } }).spec
  assert.equal(cost(candidate({ gpu: 'H200', gpus: 8 }), fast), 300_000_000n)
  assert.equal(cost(candidate({ gpu: 'H100', gpus: 8 }), fast), 600_000_000n)
})

test('checkpoints make spot cheaper: without them a loss costs half the run', () => {
  const often = aJob({ duration: { expected: '10h' }, checkpoint: { every: '10m' } }).spec
  const taken = candidate({ takenPpm: 10_000 })
  assert.ok(cost(taken, often) < cost(taken))
  assert.ok(cost(taken, often) > cost(candidate(), often))
})

const flat = (to: string, microsPerGB: number) => ({ to, steps: [{ microsPerGB }] })

test('data pays to leave its site by the tariff that names the other most closely, or by list prices', () => {
  const from = site({ name: 'home', egress: [flat('*', 90_000), flat('EU', 20_000), flat('simulated/west', 0)] })
  const data = [{ name: 'corpus', location: 's3://corpus', site: 'simulated/home', size: `${terabyteMiB}MB` }]
  const spec = aJob({ duration: { expected: '10h' }, data }).spec
  const run = (to: Site, home: Site) =>
    priceRun(spec, candidate({}, { site: to }), { now: aNow, sites: new Map([['simulated/home', home]]) })
  const egress = (to: Site, home = from) => run(to, home)?.parts.egress
  assert.equal(egress(from), 0n)
  assert.equal(egress(site()), 0n)
  assert.equal(egress(site({ name: 'north', jurisdictions: ['DE', 'EU'] })), 20_971_520n)
  assert.equal(egress(site({ name: 'south', jurisdictions: ['JP'] })), 94_371_840n)
  const aws = { ...site({ provider: 'aws' }) }
  assert.equal(egress(site(), aws), (1_048_576n - 100_000n) * 90n, 'the first 100 GB of a month are free')
  assert.equal(egress(site({ provider: 'aws', name: 'north' }), aws), 20_971_520n)
  const unknown = run(site({ provider: 'local' }), site({ provider: 'slurm' }))
  assert.deepEqual([unknown?.parts.egress, unknown?.unpriced], [0n, ['simulated/home']], 'not known')
  assert.equal(run(from, from)?.unpriced, undefined)
})

const at = (provider: Site['provider'], ...jurisdictions: string[]) => site({ provider, name: 'there', jurisdictions })
const steps = (from: Site, to: Site) => egressSteps(from, { ...to, name: 'other' })
const terabytes = (count: bigint) => 1_024_000_000_000n * count

test('list prices are those of where the sites are, and where no list tells one it is not known', () => {
  const first = (from: Site, to: Site) => steps(from, to)?.find(({ microsPerGB }) => microsPerGB > 0)?.microsPerGB
  assert.equal(first(at('aws', 'JP'), at('aws', 'US')), 90_000)
  assert.equal(first(at('aws', 'US'), at('aws', 'JP')), 20_000)
  assert.equal(first(at('azure', 'US'), at('azure', 'DE', 'EU')), 50_000)
  assert.equal(first(at('azure', 'US'), at('azure', 'CA')), 20_000)
  assert.equal(first(at('gcp', 'JP'), at('gcp', 'AU')), 150_000)
  assert.equal(first(at('gcp', 'JP'), at('gcp', 'KR')), 50_000)
  assert.equal(first(at('oci', 'DE', 'EU'), at('aws', 'US')), 8_500)
  assert.equal(first(at('oci', 'JP'), at('aws', 'US')), 25_000)
  assert.equal(first(at('oci', 'ZA'), at('aws', 'US')), 50_000)
  assert.equal(steps(at('oci', 'US'), at('oci', 'US')), undefined)
  assert.equal(steps(at('aws', 'CN'), at('oci', 'US')), undefined)
  assert.deepEqual(steps(at('coreweave', 'US'), at('aws', 'US')), [{ microsPerGB: 0 }])
  const oci = steps(at('oci', 'US'), at('aws', 'US')) ?? assert.fail()
  assert.equal(egressMicros(oci, 0n, terabytes(11n)), 1_024n * 8_500n, 'ten terabytes of a month are free')
  const azure = steps(at('azure', 'US'), at('aws', 'US')) ?? assert.fail()
  assert.equal(egressMicros(azure, terabytes(200n), terabytes(1n)), 1_024n * 50_000n)
  assert.equal(egressMicros(azure, terabytes(20n), terabytes(1n)), 1_024n * 83_000n)
})

test('a capacity block refuses what it cannot hold to its end, unless that writes checkpoints', () => {
  const block = anOffer({ from: aNow + hour, until: aNow + 9 * hour })
  const says = (spec: Parameters<typeof aJob>[0], now = aNow) => objectionToBlock(aJob(spec).spec, block, now)
  assert.match(says({})?.detail ?? '', /ends at .* says neither how long it runs/)
  assert.match(
    says({ duration: { expected: '8h30m' } })?.detail ?? '',
    /without checkpoints its run of 8h30m would be lost/,
  )
  assert.deepEqual(says({ duration: { expected: '8h' } }), {
    detail: 'its capacity block begins at 2026-01-01T01:00:00Z',
    passing: true,
  })
  assert.equal(says({ duration: { expected: '8h' } }, aNow + hour), null)
  assert.equal(says({ duration: { expected: '30h' }, checkpoint: { every: '1h' } }, aNow + hour), null)
  assert.match(says({ checkpoint: { every: '1h' } }, aNow + 9 * hour)?.detail ?? '', /has ended/)
})

test('what was seen of spot nodes outweighs what their provider says the longer it was seen', () => {
  assert.equal(takenPpm({ nodeHours: 0, taken: 0 }, 10_000), 10_000)
  assert.equal(takenPpm({ nodeHours: 0, taken: 0 }), 0)
  assert.equal(takenPpm({ nodeHours: 1800, taken: 100 }, 10_000), 51_000)
  assert.equal(takenPpm({ nodeHours: 100_000, taken: 0 }, 10_000), 20)
})

test('a cheaper, safer or longer committed candidate is never dearer', () => {
  const terms = fc.record({
    price: fc.integer({ min: 0, max: 100_000_000 }),
    takenPpm: fc.integer({ min: 0, max: 50_000 }),
    nodes: fc.integer({ min: 0, max: 4 }),
    hours: fc.integer({ min: 0, max: 20 }),
    ranks: fc.integer({ min: 1, max: 4 }),
  })
  const more = fc.record({
    price: fc.integer({ min: 0, max: 50_000_000 }),
    takenPpm: fc.integer({ min: 0, max: 50_000 }),
    nodes: fc.integer({ min: 0, max: 4 }),
    hours: fc.integer({ min: 0, max: 20 }),
  })
  fc.assert(
    fc.property(terms, more, ({ ranks, ...one }, other) => {
      const priced = ({ price, takenPpm: taken, nodes, hours }: typeof other) =>
        priceRun(
          job,
          candidate(
            { takenPpm: taken, commitment: { nodes, until: aNow + hours * hour } },
            { ranks, priceMicros: price * ranks },
          ),
          facts,
        )
      const dearer = priced({ ...one, price: one.price + other.price, takenPpm: one.takenPpm + other.takenPpm })
      const cheaper = priced({ ...one, nodes: one.nodes + other.nodes, hours: one.hours + other.hours })
      if (dearer) assert.ok((cheaper?.costMicros ?? -1n) >= 0n && (cheaper?.costMicros ?? 0n) <= dearer.costMicros)
    }),
  )
})

test('spot offers carry the rate that was seen, others what they came with', () => {
  const [spot, other] = withSeenRates(
    [anOffer({ tier: 'spot', takenPpm: 10_000 }), anOffer()],
    [{ shape: anOffer().shape.name, nodeHours: 1800, taken: 100 }],
  )
  assert.equal(spot?.takenPpm, 51_000)
  assert.deepEqual(other, anOffer())
  assert.deepEqual(withSeenRates([anOffer({ tier: 'spot' })], []), [anOffer({ tier: 'spot' })])
})
