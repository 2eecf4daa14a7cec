import assert from 'node:assert/strict'
import { test } from 'node:test'

import * as fc from 'fast-check'

import { askOf } from './ask.ts'
import { accepts, domain, levelOf, placements, plainOf, tightestLevel } from './brute-force.ts'
import { createCell } from './cell.ts'
import { catchUp, rebuild } from './form.ts'
import { fitting, largestFree, nodesOf } from './heads.ts'
import { setForeign, setUsable } from './nodes.ts'
import { replace } from './replace.ts'
import { adopt, refusals, release, take } from './take.ts'

import type { GangRequest } from './ask.ts'
import type { Plain } from './brute-force.ts'
import type { Cell, CellPlan, NodeClass } from './cell.ts'
import type { RankSize } from './sizes.ts'

const classes: NodeClass[] = [
  { shape: 'small', accelerators: 0, cpuMilli: 4, memoryMiB: 3, diskMiB: 9 },
  { shape: 'large', accelerators: 3, cpuMilli: 6, memoryMiB: 8, diskMiB: 9 },
  { shape: 'tray', accelerators: 2, cpuMilli: 2, memoryMiB: 9, diskMiB: 9 },
]

/** Nodes in racks (level 1) in blocks (level 2) in a site (level 3). */
const plans: fc.Arbitrary<CellPlan> = fc
  .array(fc.tuple(fc.nat(2), fc.nat(3), fc.nat(5)), { minLength: 1, maxLength: 7 })
  .map((nodes) => {
    let [rack, block] = [0, 0]
    const [racks, blocks]: number[][] = [[], []]
    for (const [, newRack, newBlock] of nodes) {
      if (newBlock === 0) block++
      if (newRack === 0 || newBlock === 0) rack++
      racks?.push(rack)
      blocks?.push(block)
    }
    return { classes, classOf: nodes.map(([c]) => c), domains: [racks ?? [], blocks ?? []] }
  })

const allows = [undefined, ({ shape }: NodeClass) => shape !== 'tray', (c: NodeClass) => c.accelerators > 0]
const sizes: fc.Arbitrary<RankSize> = fc.oneof(
  fc.record({ whole: fc.constant(true), allows: fc.constantFrom(...allows) }),
  fc.record({ accelerators: fc.integer({ min: 1, max: 2 }), cpuMilli: fc.nat(2), allows: fc.constantFrom(...allows) }),
  fc.record({ cpuMilli: fc.integer({ min: 1, max: 3 }), memoryMiB: fc.nat(4) }),
  fc.record({ memoryMiB: fc.integer({ min: 1, max: 3 }) }),
)
const levels = fc.nat(3)
const optional = <T>(of: fc.Arbitrary<T>) => fc.option(of, { nil: undefined, freq: 2 })
const within = optional(fc.record({ level: levels, preferred: fc.boolean() }))

const ruled: fc.Arbitrary<GangRequest> = fc
  .record({
    size: sizes,
    units: fc.integer({ min: 1, max: 5 }),
    within,
    slices: optional(fc.record({ level: levels, ranks: fc.integer({ min: 1, max: 3 }) })),
    spread: optional(fc.record({ level: levels, most: fc.integer({ min: 1, max: 3 }) })),
    exclusive: optional(levels),
    spares: optional(fc.record({ level: fc.integer({ min: 1, max: 3 }), count: fc.integer({ min: 1, max: 2 }) })),
  })
  .map(({ size, units, slices, ...rules }) => {
    const few = slices && { ...slices, ranks: Math.min(slices.ranks, 2) }
    return { ...rules, slices: few, roles: [{ size, ranks: few ? Math.ceil(units / 2) * few.ranks : units }] }
  })
const simple: fc.Arbitrary<GangRequest> = fc
  .record({ size: sizes, ranks: fc.integer({ min: 1, max: 6 }), within, balanced: optional(levels) })
  .map(({ size, ranks, ...rules }) => ({ ...rules, roles: [{ size, ranks }] }))
const together: fc.Arbitrary<GangRequest> = fc
  .record({
    sizes: fc.array(sizes, { minLength: 2, maxLength: 3 }),
    ranks: fc.integer({ min: 1, max: 2 }),
    within,
    alone: fc.boolean(),
  })
  .map(({ sizes: all, ranks, within: limit, alone }) => {
    const loosest = limit && !limit.preferred ? limit.level : 3
    const roles = all.map((size, i) => ({ size, ranks: i === 0 ? ranks : 1 }))
    return { roles, within: limit, exclusive: alone ? loosest : undefined }
  })
const requests = fc.oneof(
  { weight: 2, arbitrary: simple },
  { weight: 3, arbitrary: ruled },
  { weight: 1, arbitrary: together },
)

type Step =
  | { do: 'take'; request: GangRequest }
  | { do: 'release' | 'replace'; pick: number; rank: number }
  | { do: 'usable'; first: number; count: number; usable: boolean }
  | { do: 'foreign'; node: number; amount: number }

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: fc.record({ do: fc.constant('take' as const), request: requests }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('release' as const), pick: fc.nat(), rank: fc.nat() }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('replace' as const), pick: fc.nat(), rank: fc.nat() }) },
    {
      weight: 1,
      arbitrary: fc.record({
        do: fc.constant('usable' as const),
        first: fc.nat(6),
        count: fc.nat(3),
        usable: fc.boolean(),
      }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('foreign' as const), node: fc.nat(6), amount: fc.nat(2) }) },
  ),
  { maxLength: 12 },
)

const runs = { numRuns: 400 }
const pickOf = (plain: Plain, pick: number): number => [...plain.held.keys()][pick % plain.held.size] ?? -1

/** Makes one step in the cell and in the plain copy of it, and lets `look` judge before the copy follows. */
function makeStep(cell: Cell, plain: Plain, step: Step): number {
  const nodes = plain.nodes.length
  if (step.do === 'take') {
    const gang = take(cell, askOf(cell, step.request))
    if (gang >= 0) plain.held.set(gang, { request: step.request, ...nodesOf(cell, gang) })
    return gang
  }
  if (step.do === 'usable') {
    const end = Math.min(nodes, step.first + step.count)
    setUsable(cell, { first: step.first, end, usable: step.usable })
    for (let node = step.first; node < end; node++) {
      const at = plain.nodes[node]
      if (at) at.usable = step.usable
    }
    return 0
  }
  if (step.do === 'foreign') {
    const at = plain.nodes[step.node]
    if (!at) return 0
    setForeign(cell, step.node, { accelerators: 0, cpuMilli: step.amount, memoryMiB: 0, diskMiB: 0 })
    at.foreign = [0, step.amount, 0, 0]
    return 0
  }
  const gang = pickOf(plain, step.pick)
  const held = plain.held.get(gang)
  if (!held) return 0
  if (step.do === 'release') {
    release(cell, gang)
    plain.held.delete(gang)
    return 0
  }
  const to = replace(cell, gang, held.ranks[step.rank % held.ranks.length] ?? 0)
  plain.held.set(gang, { request: held.request, ...nodesOf(cell, gang) })
  return to
}

test('a gang is taken if and only if some way to place it exists, in the tightest domain, and keeps every rule', () => {
  fc.assert(
    fc.property(plans, steps, (plan, todo) => {
      const [cell, plain] = [createCell(plan), plainOf(plan)]
      for (const step of todo) {
        const tightest = step.do === 'take' ? tightestLevel(plain, step.request) : -1
        const before = { ...plain, held: new Map(plain.held) }
        const gang = makeStep(cell, plain, step)
        if (step.do !== 'take') continue
        assert.notEqual(gang, refusals.unproven)
        assert.equal(gang >= 0, tightest >= 0, `feasible: ${tightest}, taken: ${gang}`)
        if (gang < 0) continue
        const placed = nodesOf(cell, gang)
        assert.equal(
          placed.ranks.length,
          step.request.roles.reduce((sum, { ranks }) => sum + ranks, 0),
        )
        assert.ok(accepts(before, { request: step.request, ...placed, gang: -1 }), `${placed.ranks} ${placed.spares}`)
        if (isPlain(step.request)) assert.equal(levelOf(plain, placed.ranks), tightest)
      }
    }),
    runs,
  )
})

/** Under looser rules a domain of their level is chosen first, and only in it the tightest. */
const isPlain = ({ slices, spread, exclusive, spares, balanced }: GangRequest): boolean =>
  [slices, spread, exclusive, spares, balanced].every((rule) => rule === undefined)

test('a balanced gang uses the fewest domains that can hold it, as evenly as any way does', () => {
  const balanced = fc.record({
    level: fc.integer({ min: 0, max: 2 }),
    size: sizes,
    ranks: fc.integer({ min: 2, max: 6 }),
  })
  fc.assert(
    fc.property(plans, steps, balanced, (plan, todo, { level, size, ranks }) => {
      const [cell, plain] = [createCell(plan), plainOf(plan)]
      for (const step of todo) makeStep(cell, plain, step)
      const request = { roles: [{ size, ranks }], balanced: level }
      const sharesOf = (nodes: number[]) => {
        const names = nodes.map((node) => domain(plain, node, level))
        const shares = [...new Set(names)].map((name) => names.filter((other) => other === name).length)
        // Fewer domains are better, and then a larger smallest share: compared as text, shares being small.
        return `${9 - shares.length} ${shares.toSorted((a, b) => a - b).join(' ')}`
      }
      const before = { ...plain, held: new Map(plain.held) }
      const gang = take(cell, askOf(cell, request))
      if (gang < 0) return
      const { ranks: nodes } = nodesOf(cell, gang)
      const [inside, top] = [levelOf(plain, nodes), nodes[0] ?? 0]
      const own = domain(plain, top, inside)
      let best = ''
      for (const way of placements(before, request)) {
        if (way.ranks.some((node) => domain(plain, node, inside) !== own)) continue
        if (!accepts(before, { request, ...way, gang: -1 })) continue
        if (sharesOf(way.ranks) > best) best = sharesOf(way.ranks)
      }
      assert.equal(sharesOf(nodes), best)
    }),
    runs,
  )
})

test('a gang that is too large for the empty cell is told so, and no other', () => {
  fc.assert(
    fc.property(plans, steps, simple, (plan, todo, request) => {
      const [cell, plain] = [createCell(plan), plainOf(plan)]
      for (const step of todo) makeStep(cell, plain, step)
      const fitsEmpty = tightestLevel(plainOf(plan), request) >= 0
      const gang = take(cell, askOf(cell, request))
      if (gang < 0) assert.equal(gang, fitsEmpty ? refusals.full : refusals.tooLarge)
    }),
    runs,
  )
})

test('a node is replaced if and only if another one keeps every rule, and nothing else of the gang moves', () => {
  fc.assert(
    fc.property(plans, steps, (plan, todo) => {
      const [cell, plain] = [createCell(plan), plainOf(plan)]
      for (const step of todo) {
        const gang = step.do === 'replace' ? pickOf(plain, step.pick) : -1
        const held = plain.held.get(gang)
        const to = makeStep(cell, plain, step)
        if (!held || step.do !== 'replace') continue
        const node = held.ranks[step.rank % held.ranks.length] ?? 0
        const after = nodesOf(cell, gang)
        if (to >= 0) {
          assert.notEqual(to, node)
          assert.deepEqual(
            after.ranks,
            held.ranks.map((n) => (n === node ? to : n)),
          )
          const relaxed = ownRules(held.request)
          assert.ok(accepts(plain, { request: relaxed, ...after, gang, moved: [to] }))
          continue
        }
        assert.deepEqual(after, { ranks: held.ranks, spares: held.spares })
        for (let other = 0; other < plain.nodes.length; other++) {
          const ranks = held.ranks.map((n) => (n === node ? other : n))
          const relaxed = ownRules(held.request)
          const isClose = stays(plain, held.request, { node, other })
          const accepted =
            isClose && accepts(plain, { request: relaxed, ranks, spares: held.spares, gang, moved: [other] })
          assert.ok(other === node || !accepted, `${node} could be replaced by ${other}`)
        }
      }
    }),
    runs,
  )
})

/** What holds for a replacement beyond its staying where it is: spare ranks are used up, and others may have come. */
const ownRules = (request: GangRequest): GangRequest => ({
  ...request,
  spares: undefined,
  exclusive: request.exclusive === 0 ? 0 : undefined,
})

/** A replacement stays in the domain of each rule, also where the gang as a whole might move elsewhere. */
function stays(plain: Plain, request: GangRequest, { node, other }: { node: number; other: number }): boolean {
  const { slices, spread, exclusive, spares, within: limit } = request
  const loosest = limit && !limit.preferred ? limit.level : 0
  const isSpread = spread && (request.roles[0]?.ranks ?? 0) > spread.most
  const bounds = [loosest, slices?.level ?? 0, isSpread ? spread.level : 0, exclusive ?? 0, spares?.level ?? 0]
  return bounds.every((level) => level === 0 || domain(plain, node, level) === domain(plain, other, level))
}

test('no node is ever given beyond what it has, and a released cell is as it was', () => {
  fc.assert(
    fc.property(plans, steps, (plan, todo) => {
      const [cell, plain] = [createCell(plan), plainOf(plan)]
      for (const step of todo) {
        if (step.do === 'foreign') continue
        makeStep(cell, plain, step)
        assert.ok(cell.free.every((amount) => amount >= 0))
        assert.ok(cell.share.every((level) => level.every((ranks) => ranks === 0)))
      }
      for (const gang of plain.held.keys()) release(cell, gang)
      const fresh = createCell(plan)
      assert.deepEqual(cell.free, fresh.free)
      assert.deepEqual(cell.tenants, fresh.tenants)
      assert.deepEqual(cell.closedBy, fresh.closedBy)
    }),
    runs,
  )
})

test('what is kept up to date is what would be counted from scratch', () => {
  fc.assert(
    fc.property(plans, steps, fc.array(requests, { minLength: 1, maxLength: 4 }), (plan, todo, watched) => {
      const [cell, plain] = [createCell(plan), plainOf(plan)]
      const asks = watched.map((request) => askOf(cell, request))
      for (const step of todo) {
        for (const { form } of asks) catchUp(form, cell.tree.levels)
        makeStep(cell, plain, step)
      }
      for (const form of cell.forms.values()) {
        if (form.layers.length === 0) continue
        catchUp(form, form.layers.length)
        const kept = structuredClone(form.layers)
        rebuild(form, form.layers.length)
        assert.deepEqual(kept, form.layers)
      }
    }),
    runs,
  )
})

test('the same steps give the same nodes, whatever is asked in between', () => {
  fc.assert(
    fc.property(plans, steps, fc.array(simple, { minLength: 1, maxLength: 3 }), (plan, todo, asked) => {
      const [one, other] = [createCell(plan), createCell(plan)]
      const [plain, copy] = [plainOf(plan), plainOf(plan)]
      for (const step of todo) {
        for (const request of asked) largestFree(askOf(other, request), 2)
        assert.equal(makeStep(one, plain, step), makeStep(other, copy, step))
        assert.deepEqual(plain.held, copy.held)
      }
    }),
    runs,
  )
})

test('a cell that is filled with what another one holds decides what that one decides', () => {
  fc.assert(
    fc.property(plans, steps, fc.array(requests, { minLength: 1, maxLength: 5 }), (plan, todo, more) => {
      const [cell, fresh] = [createCell(plan), createCell(plan)]
      const plain = plainOf(plan)
      for (const step of todo) makeStep(cell, plain, step)
      for (const [node, { foreign, usable }] of plain.nodes.entries()) {
        if (!usable) setUsable(fresh, { first: node, end: node + 1, usable })
        setForeign(fresh, node, { accelerators: 0, cpuMilli: foreign[1] ?? 0, memoryMiB: 0, diskMiB: 0 })
      }
      const renamed = new Map<number, number>()
      for (const [gang, { request, ...nodes }] of plain.held)
        renamed.set(gang, adopt(fresh, askOf(fresh, request), nodes))
      assert.deepEqual(fresh.free, cell.free)
      for (const request of more) {
        const [gang, same] = [take(cell, askOf(cell, request)), take(fresh, askOf(fresh, request))]
        assert.equal(gang < 0 ? gang : 0, same < 0 ? same : 0)
        if (gang >= 0) assert.deepEqual(nodesOf(fresh, same), nodesOf(cell, gang))
      }
      for (const [gang, same] of renamed) {
        release(cell, gang)
        release(fresh, same)
      }
      assert.deepEqual(fresh.free, cell.free)
      assert.deepEqual(fresh.tenants, cell.tenants)
    }),
    runs,
  )
})

test('the heads of a level are what a look at every domain tells', () => {
  fc.assert(
    fc.property(plans, steps, fc.tuple(simple, levels), (plan, todo, [request, level]) => {
      const [cell, plain] = [createCell(plan), plainOf(plan)]
      for (const step of todo) makeStep(cell, plain, step)
      const ask = askOf(cell, request)
      const most = largestFree(ask, level)
      const size = request.roles[0]?.size ?? {}
      const holds = (ranks: number) => {
        const limited = { roles: [{ size, ranks }], within: { level } }
        return (
          ranks === 0 ||
          (!placements(plain, limited)[Symbol.iterator]().next().done && tightestLevel(plain, limited) >= 0)
        )
      }
      if (most > 8) return
      assert.ok(holds(most))
      assert.ok(!holds(most + 1))
      assert.equal(fitting(ask, level, most + 1), 0)
      assert.ok(most === 0 || fitting(ask, level, most) >= 1)
    }),
    runs,
  )
})
