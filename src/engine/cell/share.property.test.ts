import assert from 'node:assert/strict'
import { test } from 'node:test'

import * as fc from 'fast-check'

import { closed } from '#engine/sharing/devices.ts'
import { forget } from '#engine/sharing/sharing.ts'
import { askOf } from './ask.ts'
import { createCell } from './cell.ts'
import { nodesOf } from './heads.ts'
import { costOn, isSharing } from './judged.ts'
import { replace } from './replace.ts'
import { domainOf, freeOn, guide, hasWay, standsOf, wrongOn } from './share-books.ts'
import { adopt, refusals, release, take } from './take.ts'

import type { GangRequest } from './ask.ts'
import type { Cell, CellPlan, NodeClass } from './cell.ts'
import type { Books } from './share-books.ts'
import type { RankSize } from './sizes.ts'

const h100 = { accelerator: 'H100', acceleratorMemoryMiB: 81_559, diskMiB: 0 }
const classes: NodeClass[] = [
  { shape: 'one', ...h100, accelerators: 1, cpuMilli: 4, memoryMiB: 9 },
  { shape: 'two', ...h100, accelerators: 2, cpuMilli: 6, memoryMiB: 9 },
  {
    shape: 'old',
    accelerator: 'T4',
    acceleratorMemoryMiB: 15_360,
    accelerators: 2,
    cpuMilli: 9,
    memoryMiB: 9,
    diskMiB: 0,
  },
  { shape: 'plain', accelerators: 0, cpuMilli: 5, memoryMiB: 9, diskMiB: 0 },
]

/** Nodes in racks (level 1) in a site (level 2). */
const plans: fc.Arbitrary<CellPlan> = fc
  .array(fc.tuple(fc.nat(3), fc.boolean()), { minLength: 1, maxLength: 4 })
  .map((nodes) => {
    let rack = 0
    return { classes, classOf: nodes.map(([c]) => c), domains: [nodes.map(([, isNew]) => (isNew ? ++rack : rack))] }
  })

const cpus = { cpuMilli: fc.nat(2), memoryMiB: fc.nat(1) }
const isH100 = ({ accelerator }: NodeClass): boolean => accelerator === 'H100'
const shares: fc.Arbitrary<RankSize> = fc.oneof(
  fc.record({
    share: fc.constantFrom(200, 300, 499, 500, 501, 999),
    ...cpus,
    allows: fc.constantFrom(undefined, undefined, isH100),
  }),
  fc.record({ profile: fc.constantFrom(...Object.keys(guide)), ...cpus }),
)
const others: fc.Arbitrary<RankSize> = fc.oneof(
  fc.record({ accelerators: fc.integer({ min: 1, max: 2 }), ...cpus }),
  fc.record({ cpuMilli: fc.integer({ min: 1, max: 3 }) }),
)
const within = fc.option(fc.record({ level: fc.nat(2), preferred: fc.boolean() }), { nil: undefined, freq: 2 })
const alike: fc.Arbitrary<GangRequest> = fc
  .record({ size: shares, ranks: fc.constantFrom(1, 1, 2, 3), within })
  .map(({ size, ranks, ...rules }) => ({ ...rules, roles: [{ size, ranks }] }))
const unlike: fc.Arbitrary<GangRequest> = fc
  .record({ sizes: fc.tuple(fc.oneof(others, shares), shares), within })
  .map(({ sizes, ...rules }) => ({ ...rules, roles: sizes.map((size) => ({ size, ranks: 1 })) }))
const plain: fc.Arbitrary<GangRequest> = fc
  .oneof({ weight: 2, arbitrary: others }, { weight: 1, arbitrary: fc.constant({ whole: true }) })
  .map((size) => ({ roles: [{ size, ranks: 1 }] }))
const requests = fc.oneof(
  { weight: 5, arbitrary: alike },
  { weight: 1, arbitrary: unlike },
  { weight: 3, arbitrary: plain },
)

type Step = GangRequest | { release: number } | { replace: number }
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    { weight: 5, arbitrary: requests },
    { weight: 1, arbitrary: fc.record({ release: fc.nat() }) },
    { weight: 1, arbitrary: fc.record({ replace: fc.nat() }) },
  ),
  { maxLength: 16 },
)

type Made = { cell: Cell; books: Books; gang: number }

/** Makes steps in a cell and keeps books; `look` sees each request before and after it was asked for. */
function run(
  plan: CellPlan,
  all: readonly Step[],
  look: (step: Step, made: Made, before: Books['held']) => void = () => {},
): Made {
  const made: Made = { cell: createCell(plan), books: { plan, held: new Map() }, gang: -1 }
  const { cell, books } = made
  for (const step of all) {
    const before = new Map(books.held)
    if ('roles' in step) {
      made.gang = take(cell, askOf(cell, step))
      if (made.gang >= 0) books.held.set(made.gang, { request: step, ...nodesOf(cell, made.gang) })
    } else {
      const pick = 'release' in step ? step.release : step.replace
      made.gang = [...books.held.keys()][pick % books.held.size] ?? -1
      const held = books.held.get(made.gang)
      if (!held) continue
      if ('release' in step) {
        release(cell, made.gang)
        books.held.delete(made.gang)
      } else if (replace(cell, made.gang, held.ranks[0] ?? 0) >= 0)
        books.held.set(made.gang, { request: held.request, ...nodesOf(cell, made.gang) })
    }
    look(step, made, before)
  }
  return made
}

const runs = { numRuns: 300 }

test('no accelerator is given beyond all of it, instances stand as NVIDIA allows, and none is shared and whole', () => {
  fc.assert(
    fc.property(plans, steps, (plan, all) => {
      run(plan, all, (_step, { cell, books }) => {
        for (let node = 0; node < plan.classOf.length; node++) {
          assert.deepEqual(wrongOn(books, node), [])
          assert.deepEqual([...cell.free.subarray(4 * node, 4 * node + 3)], freeOn(books, node))
        }
      })
    }),
    runs,
  )
})

test('a gang of shares is refused only where no way to place it is left, as trying all ways shows', () => {
  fc.assert(
    fc.property(plans, steps, (plan, all) => {
      run(plan, all, (step, { books, gang }, held) => {
        if (!('roles' in step) || gang >= 0) return
        const isSimple = step.roles.length === 1
        if (gang === refusals.unproven) assert.ok(!isSimple)
        else assert.ok(!hasWay({ ...books, held }, step), 'there is a way')
      })
    }),
    runs,
  )
})

test('a gang of shares that must stand in one domain does, and no nodes are told but those of its ranks', () => {
  fc.assert(
    fc.property(plans, steps, (plan, all) => {
      run(plan, all, (step, { books, gang }) => {
        const held = books.held.get(gang)
        if (!('roles' in step) || !held || !step.within || step.within.preferred) return
        const { level } = step.within
        assert.equal(new Set(held.ranks.map((node) => domainOf(books, node, level))).size, 1)
      })
    }),
    runs,
  )
})

test('all is given back: the cell is as it was, and no accelerator is shared any more', () => {
  fc.assert(
    fc.property(plans, steps, (plan, all) => {
      const { cell, books } = run(plan, all)
      for (const gang of books.held.keys()) release(cell, gang)
      assert.deepEqual(cell.free, createCell(plan).free)
      assert.ok(cell.tenants.every((tenants) => tenants === 0))
      if (!isSharing(cell)) return
      assert.ok(cell.sharing.devices.use.every((use) => use === closed))
      assert.ok(cell.sharing.devices.tenants.every((tenants) => tenants === 0))
    }),
    runs,
  )
})

test('the same steps lead to the same places', () => {
  fc.assert(
    fc.property(plans, steps, (plan, all) => {
      assert.deepEqual(run(plan, all).books.held, run(plan, all).books.held)
    }),
    { numRuns: 100 },
  )
})

test('what is remembered of nodes is what judging them anew gives, after any steps', () => {
  fc.assert(
    fc.property(plans, steps, (plan, all) => {
      run(plan, all, (_step, { cell }) => {
        if (!isSharing(cell)) return
        const sizes = [...cell.sizes.byKey.values()].filter((size) => cell.sizes.whole[size] === 0)
        const costs = () => sizes.map((size) => Array.from(plan.classOf, (_, node) => costOn(cell, size, node)))
        const remembered = costs()
        forget(cell.sharing)
        assert.deepEqual(costs(), remembered)
      })
    }),
    { numRuns: 100 },
  )
})

test('a cell that is told who runs already is equal to the one on which they were placed', () => {
  fc.assert(
    fc.property(plans, steps, (plan, all) => {
      const { cell, books } = run(plan, all)
      const told = createCell(plan)
      const gangs = [...books.held.values()].map(({ request, ranks, devices }) =>
        adopt(told, askOf(told, request), { ranks, spares: [], devices }),
      )
      assert.deepEqual(told.free, cell.free)
      if (isSharing(cell) && isSharing(told)) assert.deepEqual(told.sharing.devices, cell.sharing.devices)
      for (const gang of gangs) release(told, gang)
      assert.deepEqual(told.free, createCell(plan).free)
    }),
    { numRuns: 100 },
  )
})

test('one rank with a share leaves a bad node whenever another one has room', () => {
  fc.assert(
    fc.property(plans, steps, (plan, all) => {
      run(plan, all, (step, { books, gang }, held) => {
        const was = held.get(gang)
        if (!('replace' in step) || !was || was.ranks.length > 1 || !was.devices?.[0]) return
        if (books.held.get(gang)?.ranks[0] !== was.ranks[0]) return
        const without = { ...books, held: new Map([...held].filter(([each]) => each !== gang)) }
        const [stand] = standsOf(was)
        const elsewhere = plan.classOf.length === 0 || !stand ? [] : otherNodes(plan, stand.node)
        const level = was.request.within && !was.request.within.preferred ? was.request.within.level : 2
        for (const node of elsewhere.filter(
          (n) => domainOf(books, n, level) === domainOf(books, stand?.node ?? 0, level),
        ))
          assert.ok(!hasWay(onlyOn(without, node), was.request), `node ${node} has room`)
      })
    }),
    runs,
  )
})

const otherNodes = (plan: CellPlan, but: number): number[] =>
  Array.from(plan.classOf, (_, node) => node).filter((node) => node !== but)

/** Books in which all other nodes are of a class that has nothing. */
function onlyOn(books: Books, node: number): Books {
  const nothing = { shape: 'nothing', accelerators: 0, cpuMilli: 0, memoryMiB: 0, diskMiB: 0 }
  const held = new Map([...books.held].filter(([, { ranks }]) => ranks.includes(node)))
  const plan = {
    ...books.plan,
    classes: [...books.plan.classes, nothing],
    classOf: Array.from(books.plan.classOf, (c, n) => (n === node ? c : books.plan.classes.length)),
  }
  return { plan, held }
}
