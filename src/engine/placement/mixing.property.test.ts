import assert from 'node:assert/strict'
import { test } from 'node:test'

import * as fc from 'fast-check'

import { aJob, aLease, aNode, aNow, aSite, aSnapshot } from '#test/builders.ts'

import { comparePrices, nameOf, nextOf, wayTaken, waysOf, type Way } from './brute-force.ts'
import { check } from './check.ts'
import { place, type PlaceInput } from './place.ts'

// Gangs of several roles at sites of several shapes, so small that every way to place everybody can be tried.

const hour = 3_600_000
const oneOf = <T>(...values: [T, ...T[]]): fc.Arbitrary<T> =>
  fc.nat(values.length - 1).map((i) => values[i] ?? values[0])

/** Nodes with accelerators, with many CPUs, and with much memory. */
const shapes = {
  gpu: { gpus: 2, cpus: 24, memoryGB: 256 },
  cpu: { shape: 'cpu', cpus: 64, memoryGB: 512 },
  mem: { shape: 'mem', cpus: 16, memoryGB: 1024 },
}
const kinds = ['gpu', 'cpu', 'mem'] as const

const site = fc.record({
  nodes: fc.record({ gpu: oneOf(1, 2, 3), cpu: fc.nat(2), mem: fc.nat(2) }),
  prices: fc.tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 4 })),
  perDomain: oneOf(10, 2),
  mixes: oneOf(true, true, true, false),
  isSpot: oneOf(false, false, false, true),
})
const onGpus = { accelerators: 'H100:2' }
const role = (...resources: [Record<string, string>, ...Record<string, string>[]]) =>
  fc.record({ nodes: oneOf(1, 1, 1, 2), resources: oneOf(...resources) })
const roomy = role({ cpus: '32+' }, { memory: '300GB+' }, { memory: '800GB+' })
const any = role(onGpus, { accelerators: 'H100:1' }, { cpus: '32+' }, { memory: '300GB+' }, { cpus: '1+' })
const work = fc.record({
  roles: fc.oneof(
    fc.tuple(roomy, role(onGpus)),
    fc.tuple(role(onGpus), roomy),
    fc.tuple(roomy, any),
    fc.tuple(any, roomy, any),
  ),
  topology: oneOf<{ within: 'nvlink' } | undefined>(undefined, undefined, { within: 'nvlink' }),
  placement: oneOf({}, {}, { maxPrice: '$3/h' }),
})
const instance = fc.record({
  sites: fc.array(site, { minLength: 1, maxLength: 2 }),
  works: fc.array(work, { minLength: 1, maxLength: 2 }),
  leases: fc.array(fc.record({ site: fc.nat(1), node: fc.nat(6) }), { maxLength: 2 }),
})
type Instance = typeof instance extends fc.Arbitrary<infer T> ? T : never

function inputOf({ sites: drawn, works, leases }: Instance): PlaceInput {
  const sites = drawn.map(({ nodes, prices, perDomain, mixes, isSpot }, i) => {
    const all = kinds.flatMap((kind) => Array.from({ length: nodes[kind] }, () => kind))
    const found = aSite({
      name: `s${i}`,
      offers: kinds.map((kind, k) => ({
        ...shapes[kind],
        price: prices[k] ?? 1,
        divisible: false,
        ...(kind === 'mem' && isSpot && { tier: 'spot' as const }),
      })),
      // Nodes of all kinds stand in the same domains.
      nodes: all.map((kind, n) =>
        aNode({ ...shapes[kind], name: `${kind}-${n}`, path: [`d${(n * 7) % all.length < perDomain ? 0 : 1}`] }),
      ),
    })
    return { ...found, info: { ...found.info, ...(mixes && { mixesShapes: true as const }) } }
  })
  const waiting = works.map(({ roles, ...words }, i) =>
    aJob(
      { ...words, name: `w${i}`, roles: roles.map((one, r) => ({ ...one, name: `r${r}`, run: 'true' })) },
      { createdAt: aNow - hour + i },
    ),
  )
  const taken = new Set<string>()
  const held = leases.flatMap(({ site: number, node }, i) => {
    const at = sites[number]?.nodes?.[node]
    if (!at || taken.has(`${number} ${at.name}`)) return []
    taken.add(`${number} ${at.name}`)
    const { cpuMilli, memoryMiB, diskMiB, accelerators, name: shape } = at.shape
    const ranks = [{ rank: 0, node: at.name, cpuMilli, memoryMiB, diskMiB, accelerators }]
    return [aLease({ id: `l-${i}`, site: `s${number}`, shape, ranks })]
  })
  return { snapshot: aSnapshot({ waiting, sites, leases: held }), now: aNow }
}

test('of all ways to stand on one offer, or on several where none suits all roles, each gang in turn gets the cheapest', () => {
  const found = { mixed: 0, alone: 0, waits: 0 }
  fc.assert(
    fc.property(instance, (drawn) => {
      const input = inputOf(drawn)
      const decisions = place(input)
      assert.deepEqual(check(input, decisions), [])
      const decisionOf = new Map(decisions.map((each) => [`${each.workload} ${each.replica}`, each]))
      const placed: Way[] = []
      let left = input.snapshot.waiting
      for (let asked = nextOf(left, { input, placed }); asked; asked = nextOf(left, { input, placed })) {
        const state = { input, placed: [...placed] }
        const { placement, refusal } = decisionOf.get(nameOf(asked)) ?? assert.fail(`${nameOf(asked)} is not decided`)
        const [best] = waysOf(asked, state).sort(comparePrices)
        assert.equal(placement === null, best === undefined, `${nameOf(asked)}: ${refusal?.text ?? 'it cannot stand'}`)
        if (!placement || !best) {
          found.waits++
          // Who comes behind may have to leave it what it waits for.
          if (refusal?.impossible) left = left.filter((each) => each !== asked)
          else break
          continue
        }
        found[placement.ranks.some(({ shape }) => shape) ? 'mixed' : 'alone']++
        const taken = wayTaken(asked, placement, state)
        assert.equal(comparePrices(taken, best), 0, `${nameOf(asked)} pays ${taken.price} instead of ${best.price}`)
        placed.push(taken)
        left = left.filter((each) => each !== asked)
      }
    }),
    { numRuns: 150, seed: 7 },
  )
  assert.ok(found.mixed > 40 && found.alone > 3 && found.waits > 40, JSON.stringify(found))
})
