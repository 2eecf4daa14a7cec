import assert from 'node:assert/strict'
import { test } from 'node:test'

import * as fc from 'fast-check'

import type { Decision } from '#model/plan.ts'
import { aJob, aLease, aNow, aProject, aSite, aSnapshot, someNodes } from '#test/builders.ts'

import {
  comparePrices,
  earliestStart,
  levelOf,
  nameOf,
  nextOf,
  wayTaken,
  waysOf,
  type State,
  type Way,
} from './brute-force.ts'
import type { Asked, Snapshot } from './facts.ts'
import { place, type PlaceInput } from './place.ts'

// Instances so small that every way to place everybody can be tried.

const hour = 3_600_000

/** One of these; without the literal types of `constantFrom`, which no spec takes. */
const oneOf = <T>(...values: [T, ...T[]]): fc.Arbitrary<T> =>
  fc.nat(values.length - 1).map((i) => values[i] ?? values[0])

const site = fc.record({
  gpu: oneOf('H100', 'H100', 'H200'),
  nodes: fc.option(fc.integer({ min: 1, max: 3 }), { freq: 3 }),
  perDomain: oneOf<number[]>([], [2], [1, 2]),
  divisible: fc.boolean(),
  price: fc.integer({ min: 1, max: 3 }),
  paid: fc.option(fc.integer({ min: 1, max: 2 })),
  available: fc.nat(2),
  jurisdictions: oneOf(['US'], ['DE', 'EU']),
})

const work = fc.record({
  project: oneOf('red', 'red', 'blue'),
  priority: oneOf(0, 0, 1),
  nodes: oneOf(1, 1, 2, 3),
  accelerators: oneOf<string | string[] | { any: string[] }>(
    'H100:1',
    'H100:2',
    'H100:0.5',
    { any: ['H100:1', 'H200:2'] },
    ['H200:1', 'H100:1'],
    ['H100:2', 'H200:0.5'],
  ),
  topology: oneOf<{ within: 'nvlink' | 'block'; required?: boolean } | undefined>(
    undefined,
    undefined,
    { within: 'nvlink' },
    { within: 'block' },
    { within: 'nvlink', required: false },
  ),
  placement: oneOf({}, {}, { jurisdictions: ['EU'] }, { maxPrice: '$2/h' }),
  hours: oneOf(0, 0, 1, 2),
})

const running = fc.record({ site: fc.nat(2), node: fc.nat(2), gpus: fc.integer({ min: 1, max: 2 }), hours: fc.nat(3) })

const instance = fc.record({
  sites: fc.array(site, { minLength: 1, maxLength: 3 }),
  works: fc.array(work, { minLength: 1, maxLength: 4 }),
  leases: fc.array(running, { maxLength: 3 }),
  quota: fc.option(fc.integer({ min: 1, max: 6 }), { nil: undefined }),
  /** In a tree both projects may borrow what the other does not use, so much of it at the most. */
  tree: fc.option(
    fc.record({ blue: fc.nat(4), borrowing: fc.nat(3), lending: fc.option(fc.nat(3), { nil: undefined }) }),
  ),
})

type Instance = typeof instance extends fc.Arbitrary<infer T> ? T : never

function inputOf({ sites: drawn, works, leases, quota, tree }: Instance): PlaceInput {
  const sites = drawn.map(({ gpu, nodes, perDomain, divisible, price, paid, available, jurisdictions }, i) => {
    const offer = { gpus: 2, gpu, divisible, price, available }
    const committed = { ...offer, tier: 'committed' as const, price: price * 2, commitment: { nodes: paid ?? 0 } }
    return aSite({
      name: `s${i}`,
      jurisdictions,
      offers: paid === null ? [offer] : [offer, committed],
      nodes: nodes === null ? null : someNodes(nodes, { gpus: 2, gpu }, perDomain),
    })
  })
  const waiting = works.map(({ accelerators, hours, ...words }, i) =>
    aJob(
      {
        ...words,
        name: `w${i}`,
        resources: { accelerators },
        ...(hours > 0 && { duration: { maximum: `${hours}h` } }),
      },
      { createdAt: aNow - hour + i },
    ),
  )
  const own = quota === undefined ? {} : { accelerators: quota }
  const flat = [aProject({ name: 'red', quota: own }), aProject({ name: 'blue' })]
  const projects = tree ? treeOf(own, tree) : flat
  const plain = aSnapshot({ waiting, sites, projects: [...projects, aProject()] })
  return { snapshot: { ...plain, leases: leasesOf(leases, plain) }, now: aNow }
}

const treeOf = (quota: { accelerators?: number }, { blue, borrowing, lending }: NonNullable<Instance['tree']>) => [
  aProject({ name: 'lab' }),
  aProject({ name: 'red', parent: 'lab', quota, borrowing: { accelerators: borrowing } }),
  aProject({
    name: 'blue',
    parent: 'lab',
    quota: { accelerators: blue },
    ...(lending !== undefined && { lending: { accelerators: lending } }),
  }),
]

/** What runs: as far as it has room. */
function leasesOf(leases: Instance['leases'], { sites }: Snapshot): Snapshot['leases'] {
  const taken = new Set<string>()
  return leases.flatMap(({ site: number, node, gpus, hours }, i) => {
    const at = sites[number]
    const [offer] = at?.offers ?? []
    const name = at?.nodes?.[node]?.name
    if (!at || !offer || name === undefined || taken.has(`${at.site} ${name}`)) return []
    taken.add(`${at.site} ${name}`)
    const { cpuMilli, memoryMiB, diskMiB } = offer.shape
    const all = { cpuMilli, memoryMiB, diskMiB, accelerators: 2 }
    const half = { cpuMilli: cpuMilli / 2, memoryMiB: memoryMiB / 2, diskMiB: 0, accelerators: 1 }
    const ranks = [{ rank: 0, node: name, ...(offer.divisible && gpus === 1 ? half : all) }]
    const endsAt = hours > 0 ? aNow + hours * hour : null
    const { tier, shape } = offer
    return [aLease({ id: `l-${i}`, project: 'blue', site: at.info.name, tier, shape: shape.name, ranks, endsAt })]
  })
}

type Step = { asked: Asked; decision: Decision; state: State; before: Asked[] }

/** Those who are asked in turn, as it is documented, with all that was decided before. */
function* inTurn(input: PlaceInput): Iterable<Step> {
  const decisions = new Map(place(input).map((each) => [`${each.workload} ${each.replica}`, each]))
  const placed: Way[] = []
  const before: Asked[] = []
  let left = input.snapshot.waiting
  for (let asked = nextOf(left, { input, placed }); asked; asked = nextOf(left, { input, placed })) {
    const state = { input, placed: [...placed] }
    const decision = decisions.get(nameOf(asked))
    assert.ok(decision, `${nameOf(asked)} is not decided`)
    yield { asked, decision, state, before: [...before] }
    if (decision.placement) placed.push(wayTaken(asked, decision.placement, state))
    else before.push(asked)
    left = left.filter((each) => each !== asked)
  }
}

const best = (ways: readonly Way[]): Way | undefined => ways.toSorted(comparePrices)[0]
const empty = (input: PlaceInput): State => ({
  input: { ...input, snapshot: { ...input.snapshot, leases: [] } },
  placed: [],
})

/** Whether nobody who came before and waits could ever stand there, nor waits for the same quota. */
const isFree = (way: Way, { before, state: { input } }: Step): boolean =>
  before.every((first) => {
    const hopes = waysOf(first, empty(input))
    const { projects } = input.snapshot
    const inTree = (name: string) => projects.find((one) => one.name === name)?.parent ?? name
    const [one, other] = [first.workload.project, way.asked.workload.project].map(inTree)
    const hasQuota = projects.some(({ name, quota }) => inTree(name) === one && quota.accelerators !== undefined)
    const isSameQuota = hasQuota && one === other
    return hopes.length === 0 || (!isSameQuota && hopes.every(({ placement }) => placement.site !== way.placement.site))
  })

test('each in turn gets the best way that is left by those before, and waits only if there is none or somebody waits for it', () => {
  fc.assert(
    fc.property(instance, (drawn) => {
      const input = inputOf(drawn)
      for (const step of inTurn(input)) {
        const { asked, decision, state } = step
        const ways = waysOf(asked, state)
        const free = best(ways.filter((way) => isFree(way, step)))
        if (!decision.placement) assert.equal(free, undefined, `${nameOf(asked)} waits: ${decision.refusal?.text}`)
        else {
          const taken = wayTaken(asked, decision.placement, state)
          const first = best(ways)
          assert.ok(first && comparePrices(first, taken) <= 0, `${nameOf(asked)} has what nobody can have`)
          if (free)
            assert.ok(comparePrices(taken, free) <= 0, `${nameOf(asked)}: ${taken.price} instead of ${free.price}`)
        }
      }
    }),
    { numRuns: 250 },
  )
})

const never = aNow + 1000 * hour

test('the first who waits is told the earliest start that there is, and nobody behind it delays that', () => {
  fc.assert(
    fc.property(instance, (drawn) => {
      const input = inputOf(drawn)
      const steps = [...inTurn(input)]
      const first = steps.find(({ decision }) => decision.refusal)
      if (!first) return
      const { asked, decision, state } = first
      const at = earliestStart(asked, state, never)
      assert.equal(decision.refusal?.start?.at, at < never ? at : undefined)
      const placed = steps.flatMap((step) =>
        step.decision.placement ? wayTaken(step.asked, step.decision.placement, step.state) : [],
      )
      // Who lacks nothing but quota, and for nobody knows how long, keeps no nodes from others.
      if (decision.refusal?.cause !== 'quota') assert.ok(earliestStart(asked, { input, placed }, never) <= at)
    }),
    { numRuns: 250 },
  )
})

test('a gang of whole accelerators stands in the tightest domain that holds it, where nobody before it waits', () => {
  fc.assert(
    fc.property(instance, (drawn) => {
      const input = inputOf(drawn)
      const { sites } = input.snapshot
      for (const { asked, decision, state, before } of inTurn(input)) {
        const { placement } = decision
        // Ranks that share go one after another where each costs the least.
        if (!placement || before.length > 0 || placement.ranks.some(({ part }) => part)) continue
        const same = waysOf(asked, state).filter((way) => way.placement.site === placement.site)
        const tightest = Math.min(...same.map((way) => levelOf(way, sites)))
        assert.equal(levelOf(wayTaken(asked, placement, state), sites), tightest)
      }
    }),
    { numRuns: 250 },
  )
})

/** What somebody holds, whoever it is: who comes later finds the same. */
const holdings = (placed: readonly Way[]): string =>
  placed
    .flatMap(({ asked, placement }) =>
      placement.ranks.map((rank) =>
        JSON.stringify([asked.workload.project, placement.site, placement.tier, { ...rank, rank: 0 }]),
      ),
    )
    .sort()
    .join()

/** Of all ways to place all of them those that are the best for the first, of these those that are for the second, and so on. */
function bestTogether(input: PlaceInput, order: readonly Asked[]): Way[] | null {
  let found: Way[][] = [[]]
  for (const asked of order) {
    const next = found.flatMap((placed) => waysOf(asked, { input, placed }).map((way) => [...placed, way]))
    const least = best(next.flatMap((placed) => placed.at(-1) ?? []))
    if (!least) return null
    const equals = next.filter((placed) => comparePrices(placed.at(-1) ?? least, least) === 0)
    found = [...new Map(equals.map((placed) => [holdings(placed), placed])).values()]
  }
  return found[0] ?? null
}

/** How those were placed who came before the first that waits; whether that one could have been placed with other choices. */
function compareWithBest(input: PlaceInput): 'best' | 'dearer' | 'waits in vain' {
  const placed: Way[] = []
  const order: Asked[] = []
  for (const { asked, decision, state } of inTurn(input)) {
    order.push(asked)
    if (!decision.placement) {
      const isHopeless = waysOf(asked, empty(input)).length === 0
      if (bestTogether(input, order)) return 'waits in vain'
      if (!isHopeless) break
      order.pop()
    } else placed.push(wayTaken(asked, decision.placement, state))
  }
  const others = bestTogether(input, order.slice(0, placed.length)) ?? []
  return placed.every((way, i) => comparePrices(way, others[i] ?? way) === 0) ? 'best' : 'dearer'
}

/** Nodes are had whole, and no two sites cost the same. */
const wholes = instance.map((drawn) => ({
  ...drawn,
  sites: drawn.sites.map((each, i) => ({ ...each, divisible: false, price: each.price + i * 0.3 })),
  works: drawn.works.map((each) => ({ ...each, topology: undefined })),
}))

test('where nodes are had whole and prices differ, no other choice for those before would have served anybody better', () => {
  fc.assert(
    fc.property(wholes, (drawn) => assert.equal(compareWithBest(inputOf(drawn)), 'best')),
    { numRuns: 200 },
  )
})

test('of places that are as good for one, it chooses without a look at those behind: that seldom costs them', () => {
  const found = fc.sample(instance, { seed: 1, numRuns: 400 }).map((drawn) => compareWithBest(inputOf(drawn)))
  const count = found.filter((each) => each === 'best').length
  assert.ok(count >= 396, `${count} of 400`)
})
