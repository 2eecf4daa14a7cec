import assert from 'node:assert/strict'
import { test } from 'node:test'

import * as fc from 'fast-check'

import { createQuotaTree, type Amounts, type QuotaNode } from './quota.ts'

const aNode = (node: Partial<QuotaNode> & { name: string }): QuotaNode => ({
  parent: null,
  nominal: {},
  borrowing: {},
  lending: {},
  ...node,
})

/** Two projects of 20 GPUs each that share what they leave. */
const sharing = (more: Partial<Record<'a' | 'b', Partial<QuotaNode>>> = {}) =>
  createQuotaTree([
    aNode({ name: 'lab' }),
    aNode({ name: 'a', parent: 'lab', nominal: { gpu: 20 }, ...more.a }),
    aNode({ name: 'b', parent: 'lab', nominal: { gpu: 20 }, ...more.b }),
  ])

test('a project may use its quota, and what others of its tree leave unused', () => {
  const tree = sharing()
  tree.add('b', { gpu: 5 })
  assert.equal(tree.available('a', 'gpu'), 35)
  tree.add('a', { gpu: 30 })
  assert.equal(tree.borrowed('a', 'gpu'), 10)
  assert.equal(tree.available('b', 'gpu'), 5)
})

test('it borrows no more than its borrowing limit', () => {
  const tree = sharing({ a: { borrowing: { gpu: 4 } } })
  assert.deepEqual(tree.shortage('a', { gpu: 25 }), { resource: 'gpu', at: 'a', limit: 'borrowing', free: 24 })
  assert.equal(tree.shortage('a', { gpu: 24 }), null)
})

test('what it does not lend is there for it whatever the others use', () => {
  const tree = sharing({ b: { lending: { gpu: 5 } } })
  assert.deepEqual(tree.shortage('a', { gpu: 26 }), { resource: 'gpu', at: 'lab', limit: 'quota', free: 25 })
  tree.add('a', { gpu: 25 })
  assert.equal(tree.available('b', 'gpu'), 15)
})

test('a resource that nobody in the tree has a quota for is not limited', () => {
  assert.equal(sharing().available('a', 'cpu'), Infinity)
  assert.equal(sharing().shortage('a', { cpu: 1e9 }), null)
})

test('a project without a quota of its own lives on what its tree lends', () => {
  const tree = createQuotaTree([aNode({ name: 'lab', nominal: { gpu: 8 } }), aNode({ name: 'guest', parent: 'lab' })])
  assert.equal(tree.available('guest', 'gpu'), 8)
})

test('a ring of parents and an unknown parent are refused', () => {
  assert.throws(
    () => createQuotaTree([aNode({ name: 'a', parent: 'b' }), aNode({ name: 'b', parent: 'a' })]),
    /ancestor/,
  )
  assert.throws(() => createQuotaTree([aNode({ name: 'a', parent: 'x' })]), /does not exist/)
})

const limit = fc.option(fc.integer({ min: 0, max: 12 }), { nil: undefined })
const amountsOf = (gpu: number | undefined): Amounts => (gpu === undefined ? {} : { gpu })

/** A random tree of up to seven nodes; a parent always comes before its children. */
const trees = fc
  .array(fc.record({ parent: fc.nat(), nominal: fc.integer({ min: 0, max: 12 }), borrowing: limit, lending: limit }), {
    minLength: 1,
    maxLength: 7,
  })
  .map((rows) =>
    rows.map(({ parent, nominal, borrowing, lending }, index) =>
      aNode({
        name: `p${index}`,
        parent: index === 0 ? null : `p${parent % index}`,
        nominal: amountsOf(nominal),
        borrowing: amountsOf(borrowing),
        lending: amountsOf(lending),
      }),
    ),
  )
const moves = fc.array(fc.record({ at: fc.nat(), amount: fc.integer({ min: 1, max: 9 }), back: fc.boolean() }), {
  maxLength: 30,
})

type Held = { name: string; amount: number }

/** The same rules by definition: what each node passes up is summed from what is held, each time anew. */
function passedUp(nodes: QuotaNode[], held: Held[], name: string): { used: number; up: number; kept: number } {
  const children = nodes.filter(({ parent }) => parent === name).map((child) => passedUp(nodes, held, child.name))
  const own = held.filter((each) => each.name === name).reduce((sum, { amount }) => sum + amount, 0)
  const used = own + children.reduce((sum, { up }) => sum + up, 0)
  const node = nodes.find((each) => each.name === name)
  const kept = node?.parent === null ? 0 : Math.max(0, subtreeOf(nodes, name) - (node?.lending['gpu'] ?? Infinity))
  return { used, up: Math.max(0, used - kept), kept }
}

function subtreeOf(nodes: QuotaNode[], name: string): number {
  const node = nodes.find((each) => each.name === name)
  const lent = nodes
    .filter(({ parent }) => parent === name)
    .map((child) => Math.min(subtreeOf(nodes, child.name), child.lending['gpu'] ?? Infinity))
  return (node?.nominal['gpu'] ?? 0) + lent.reduce((sum, amount) => sum + amount, 0)
}

test('taking only what is available keeps every limit of the tree, in any order of takes and returns', () => {
  fc.assert(
    fc.property(trees, moves, (nodes, steps) => {
      const tree = createQuotaTree(nodes)
      const held: Held[] = []
      for (const { at, amount, back } of steps) {
        const name = `p${at % nodes.length}`
        if (back) {
          const [returned] = held.splice(at % Math.max(1, held.length), 1)
          if (returned) tree.remove(returned.name, { gpu: returned.amount })
        } else {
          const fits = tree.shortage(name, { gpu: amount }) === null
          assert.equal(fits, tree.available(name, 'gpu') >= amount)
          if (!fits) continue
          tree.add(name, { gpu: amount })
          held.push({ name, amount })
        }
        for (const node of nodes) {
          const { used, kept } = passedUp(nodes, held, node.name)
          assert.equal(tree.used(node.name, 'gpu'), used)
          const [quota, borrowing] = [subtreeOf(nodes, node.name), node.borrowing['gpu'] ?? Infinity]
          assert.ok(used <= (node.parent === null ? quota : Math.max(kept, quota + borrowing)), 'a limit is broken')
        }
      }
    }),
    { seed: 4, numRuns: 500 },
  )
})

test('what it says is too much is too much: one more than available breaks a limit', () => {
  fc.assert(
    fc.property(trees, moves, (nodes, steps) => {
      const tree = createQuotaTree(nodes)
      const held: Held[] = []
      for (const { at, amount } of steps) {
        const name = `p${at % nodes.length}`
        if (tree.shortage(name, { gpu: amount }) !== null) continue
        tree.add(name, { gpu: amount })
        held.push({ name, amount })
      }
      for (const { name } of nodes) {
        const more = [...held, { name, amount: Math.max(0, tree.available(name, 'gpu')) + 1 }]
        const broken = nodes.some((node) => {
          const { used } = passedUp(nodes, more, node.name)
          return used > subtreeOf(nodes, node.name) + (node.parent === null ? 0 : (node.borrowing['gpu'] ?? Infinity))
        })
        assert.ok(broken)
      }
    }),
    { seed: 5, numRuns: 300 },
  )
})
