import assert from 'node:assert/strict'
import { test } from 'node:test'

import * as fc from 'fast-check'

import { type Decision, rules } from '#model/plan.ts'
import { aJob, aNow, anOffer, aSite, aSnapshot, someNodes } from '#test/builders.ts'
import { named, oneOf, sites, snapshot, spec, workload } from '#test/drawn-facts.ts'
import { touchedBy } from './check-touched.ts'
import { check } from './check.ts'
import type { Snapshot } from './facts.ts'
import { place } from './place.ts'
import { resourceNames, sliceOf, slicePrice } from './slice.ts'

test('any queue on any fleet is placed so that the checker accepts it', () => {
  fc.assert(
    fc.property(snapshot, (facts) => {
      const input = { snapshot: facts, now: aNow }
      const decisions = place(input)
      assert.deepEqual(check(input, decisions), [])
      assert.equal(decisions.length, facts.waiting.length)
    }),
    { numRuns: 400 },
  )
})

/** What an engine may do wrong, each to some of the decisions. */
const spoils: ((decision: Placed) => Partial<Placed>)[] = [
  () => ({}),
  ({ ranks }) => ({ ranks: ranks.slice(1) }),
  ({ ranks }) => ({ ranks: ranks.map((rank) => ({ ...rank, node: '0-n0' })) }),
  ({ ranks }) => ({ ranks: ranks.map((rank) => ({ ...rank, cpuMilli: 2 * rank.cpuMilli, accelerators: 4 })) }),
  () => ({ beside: { exclusive: 'block' } }),
  ({ ranks }) => ({ beside: { spares: ranks.flatMap(({ node }) => node ?? []) } }),
  () => ({ priceMicros: 1 }),
  () => ({ site: 'a' }),
]
type Placed = NonNullable<Decision['placement']>

test('the queues that are drawn meet each rule, and some of each kind that the rules speak of are placed', () => {
  const refused = new Set<string>()
  const placed = new Set<string>()
  for (const facts of fc.sample(snapshot, { numRuns: 400, seed: 1 })) {
    const offers = new Map(facts.sites.flatMap((each) => each.offers.map((one) => [nameOf(each.info, one), one])))
    for (const { workload: id, placement, rejections, refusal } of place({ snapshot: facts, now: aNow })) {
      for (const { rule } of rejections) refused.add(rule)
      if (refusal) refused.add(refusal.cause)
      const wish = facts.waiting.find(({ workload: one }) => one.id === id)?.workload.spec
      const offer = placement && offers.get(nameOf({ ...placement, name: placement.site }, placement))
      const has = {
        'a capacity block': offer?.until,
        'spot that is taken away': offer?.takenPpm,
        'a commitment': placement?.run?.usesCommitment,
        egress: placement?.run?.egressMicros,
        'a speed': wish && Object.keys(wish.throughput).length > 0,
        'a deadline': wish?.deadline,
        'a toleration': wish?.placement.tolerations,
        'a label': wish?.placement.nodeLabels,
        'a network': wish?.resources.network,
        'slices of 2': wish?.topology?.slices?.ranks === 2,
        finish: wish?.objective === 'finish',
        balance: wish?.objective === 'balance',
      }
      for (const [name, is] of Object.entries(has)) if (placement && is) placed.add(name)
      for (const name of Object.keys(has)) kinds.add(name)
    }
  }
  const drawn = new Set<string>([...rules, 'budget', 'deadline'])
  // No site told of them bounds an order, has a small disk, or has refused anything lately; nothing was seen of spot markets.
  for (const other of ['site-limit', 'disk', 'recently-refused', 'spot-plan']) drawn.delete(other)
  assert.deepEqual(
    [...drawn].filter((one) => !refused.has(one)),
    [],
  )
  assert.deepEqual(
    [...kinds].filter((one) => !placed.has(one)),
    [],
  )
})

const kinds = new Set<string>()
type Named = { provider: string; name: string }
const nameOf = ({ provider, name }: Named, { tier, shape }: { tier: string; shape: string | { name: string } }) =>
  `${provider}/${name} ${tier} ${typeof shape === 'string' ? shape : shape.name}`

const manyNodes = (by: number) => ({ accelerators: by * 8000, cpuMilli: by * 96_000, memoryMiB: by * 1_048_576 })

test('of projects that want the same, the one goes first that used less of late', () => {
  const names = ['red', 'blue', 'green']
  fc.assert(
    fc.property(fc.array(fc.nat(9), { minLength: 3, maxLength: 3 }), fc.integer({ min: 1, max: 4 }), (used, nodes) => {
      const waiting = names.map((project) =>
        aJob({ name: project, project, nodes, resources: { accelerators: 'H100:8' } }),
      )
      const usage = new Map(names.map((name, i) => [name, manyNodes(used[i] ?? 0)]))
      const input = {
        snapshot: aSnapshot({ waiting, sites: [aSite({ nodes: someNodes(5, { gpus: 8 }) })], usage }),
        now: aNow,
      }
      const decisions = place(input)
      assert.deepEqual(check(input, decisions), [])
      assert.ok(decisions.some(({ placement }) => placement))
    }),
  )
})

test('slices of several ranks stand each in a domain, whichever nodes are left', () => {
  const sizes = oneOf([2, 2], [4, 2], [6, 2], [3, 3], [6, 3])
  fc.assert(
    fc.property(
      sizes,
      oneOf('nvlink' as const, 'block' as const),
      fc.array(fc.boolean(), { minLength: 12 }),
      (size, within, usable) => {
        const [nodes = 1, ranks = 1] = size
        const inventory = someNodes(12, { gpus: 8 }, [3, 6]).map((node, i) => ({ ...node, usable: usable[i] ?? true }))
        const topology = { slices: { ranks, within } }
        const waiting = [aJob({ nodes, resources: { accelerators: 'H100:8' }, topology })]
        const input = { snapshot: aSnapshot({ waiting, sites: [aSite({ nodes: inventory })] }), now: aNow }
        assert.deepEqual(check(input, place(input)), [])
      },
    ),
  )
})

test('what is wrong with decisions is told of the part of the facts that they touch as it is of all', () => {
  let found = 0
  fc.assert(
    fc.property(snapshot, fc.array(fc.nat(spoils.length - 1), { minLength: 1 }), fc.nat(3), (drawn, ways, kind) => {
      // Where no quota counts leases, only those on the nodes that are given are looked at, and who is alone there.
      const projects = drawn.projects.map(({ quota, ...one }) => ({ ...one, quota: kind === 0 ? quota : {} }))
      const facts = { ...drawn, projects }
      const leases = facts.leases.map((one) => (kind > 1 ? { ...one, beside: { exclusive: 'block' as const } } : one))
      const input = { snapshot: { ...facts, leases }, now: aNow }
      const decisions = place({ ...input, snapshot: facts }).map((decision, i) => {
        const { placement } = decision
        const spoilt = placement && { ...placement, ...spoils[ways[i % ways.length] ?? 0]?.(placement) }
        return { ...decision, placement: spoilt }
      })
      const wrong = check(input, decisions)
      found += wrong.length
      assert.deepEqual(check(touchedBy(input, decisions), decisions), wrong)
    }),
    { numRuns: 200 },
  )
  assert.ok(found > 0)
})

test('the order of the arrays does not matter, nor does asking twice', () => {
  fc.assert(
    fc.property(snapshot, fc.nat(), (facts, seed) => {
      const mixed: Snapshot = {
        ...facts,
        waiting: shuffled(facts.waiting, seed),
        leases: shuffled(facts.leases, seed),
        projects: shuffled(facts.projects, seed),
        sites: shuffled(facts.sites, seed).map((each) => ({
          ...each,
          offers: shuffled(each.offers, seed),
          nodes: each.nodes && shuffled(each.nodes, seed),
        })),
      }
      const decisions = place({ snapshot: facts, now: aNow })
      assert.deepEqual(place({ snapshot: mixed, now: aNow }), decisions)
      assert.deepEqual(place({ snapshot: facts, now: aNow }), decisions)
    }),
    { numRuns: 200 },
  )
})

test('more capacity never makes a workload unplaceable that is alone in the queue', () => {
  fc.assert(
    fc.property(sites, sites, workload, (few, more, drawn) => {
      const waiting = [named(drawn, 'alone')]
      const all = [...few, ...more.filter((each) => few.every(({ site: key }) => key !== each.site))]
      const before = place({ snapshot: aSnapshot({ waiting, sites: few }), now: aNow })
      const after = place({ snapshot: aSnapshot({ waiting, sites: all }), now: aNow })
      before.forEach((decision, i) => assert.ok(!decision.placement || after[i]?.placement))
    }),
    { numRuns: 200 },
  )
})

test('of equal requests of one project and priority, the earlier are placed before the later', () => {
  fc.assert(
    fc.property(snapshot, spec, fc.integer({ min: 2, max: 6 }), (facts, words, count) => {
      const equals = Array.from({ length: count }, (_, i) =>
        aJob({ ...words, name: `equal${i}` }, { createdAt: aNow - 100 + i }),
      )
      const queue = [...facts.waiting, ...aSnapshot({ waiting: equals }).waiting]
      const decisions = place({ snapshot: { ...facts, waiting: queue }, now: aNow })
      const placed = equals.map(({ id }) => decisions.some((each) => each.workload === id && each.placement !== null))
      const share = facts.projects.some(({ policy }) => policy.maxProviderShare !== undefined)
      // Under a provider's share others may open a place between two equals.
      if (!share)
        assert.deepEqual(
          placed,
          placed.toSorted((a, b) => Number(b) - Number(a)),
        )
    }),
    { numRuns: 200 },
  )
})

test('a later job that wants the same accelerators never takes those that an earlier one waits for', () => {
  fc.assert(
    fc.property(
      fc.nat(8),
      fc.integer({ min: 1, max: 4 }),
      fc.array(fc.integer({ min: 1, max: 8 })),
      (free, big, small) => {
        const west = aSite({ nodes: someNodes(4, { gpus: 8 }) })
        const jobs = [
          aJob({ name: 'held', resources: { accelerators: `H100:${8 - free || 1}` } }, { createdAt: aNow - 100 }),
          aJob({ name: 'gang', nodes: big, resources: { accelerators: 'H100:8' } }, { createdAt: aNow - 99 }),
          ...small.map((gpus, i) =>
            aJob({ name: `s${i}`, resources: { accelerators: `H100:${gpus}` } }, { createdAt: aNow - 98 + i }),
          ),
        ]
        const [, gang, ...rest] = place({ snapshot: aSnapshot({ waiting: jobs, sites: [west] }), now: aNow })
        if (!gang?.placement) assert.ok(rest.every(({ placement }) => placement === null))
      },
    ),
  )
})

test('a slice never costs more than its node, and slices that fill a node pay for all of it', () => {
  const amounts = fc.record({ cpus: fc.integer({ min: 1, max: 64 }), memoryGB: fc.integer({ min: 1, max: 2000 }) })
  fc.assert(
    fc.property(amounts, fc.nat(10 ** 9), fc.integer({ min: 1, max: 64 }), (words, priceMicros, cpus) => {
      const node = { ...anOffer(words), priceMicros }
      const { resources } = aJob({ resources: { cpus: Math.min(cpus, words.cpus) } }).spec
      const slice = sliceOf(resources, node, undefined)
      const price = slicePrice(node, slice)
      assert.ok(price <= priceMicros)
      assert.ok(resourceNames.every((name) => slice[name] <= node.shape[name]))
      const times = node.shape.cpuMilli / slice.cpuMilli
      if (Number.isInteger(times)) assert.ok(price * times >= priceMicros)
    }),
  )
})

/** A permutation that depends on the seed alone. */
function shuffled<T>(items: readonly T[], seed: number): T[] {
  const left = [...items]
  const mixed: T[] = []
  for (let n = seed; left.length > 0; n = (n * 1_103_515_245 + 12_345) % 2_147_483_648)
    mixed.push(...left.splice(n % left.length, 1))
  return mixed
}
