import assert from 'node:assert/strict'
import { test } from 'node:test'

import * as fc from 'fast-check'

import { createShares, type ShareNode } from './share.ts'

const hour = 3_600_000
const aNode = (name: string, more: Partial<ShareNode> = {}): ShareNode => ({ name, parent: null, weight: 1, ...more })
const shares = (nodes: ShareNode[], halfLifeMs = 0) =>
  createShares({ nodes, capacity: { gpu: 100, cpu: 1000 }, halfLifeMs })

test('the resource of which a project holds the largest part decides', () => {
  const fair = shares([aNode('a'), aNode('b')])
  fair.change('a', { gpu: 10, cpu: 10 }, 0)
  fair.change('b', { gpu: 5, cpu: 200 }, 0)
  assert.equal(fair.share('a', 0), 0.1)
  assert.equal(fair.share('b', 0), 0.2)
  assert.ok(fair.compare('a', 'b', 0) < 0)
})

test('twice the weight is entitled to twice as much', () => {
  const fair = shares([aNode('a', { weight: 2 }), aNode('b')])
  fair.change('a', { gpu: 20 }, 0)
  fair.change('b', { gpu: 10 }, 0)
  assert.equal(fair.share('a', 0), fair.share('b', 0))
})

test('projects are compared where their paths part, so that many small projects do not outweigh one', () => {
  const group = (name: string) => aNode(name, { parent: 'many' })
  const fair = shares([aNode('many'), aNode('one'), group('x'), group('y')])
  fair.change('x', { gpu: 30 }, 0)
  fair.change('one', { gpu: 20 }, 0)
  assert.ok(fair.compare('one', 'y', 0) < 0, 'y holds nothing, but its group holds more than one')
  assert.ok(fair.compare('y', 'x', 0) < 0)
})

test('use is forgotten by half in each half-life', () => {
  const fair = shares([aNode('a')], hour)
  fair.change('a', { gpu: 100 }, 0)
  assert.equal(fair.share('a', hour), 0.5)
  fair.change('a', { gpu: -100 }, hour)
  assert.equal(fair.share('a', 2 * hour), 0.25)
})

test('the order of projects is a strict order, whatever they held and whenever', () => {
  const tree = [
    aNode('a'),
    aNode('b'),
    aNode('c', { parent: 'a' }),
    aNode('d', { parent: 'a' }),
    aNode('e', { parent: 'b' }),
  ]
  const names = fc.constantFrom(...tree.map(({ name }) => name))
  const changes = fc.array(fc.tuple(names, fc.integer({ min: 0, max: 9 }), fc.integer({ min: 0, max: hour })))
  fc.assert(
    fc.property(
      changes,
      fc.shuffledSubarray(
        tree.map(({ name }) => name),
        { minLength: 5 },
      ),
      (held, order) => {
        const fair = shares(tree, hour)
        let now = 0
        for (const [name, gpu, later] of held) fair.change(name, { gpu }, (now += later))
        const sorted = order.toSorted((a, b) => fair.compare(a, b, now))
        sorted.forEach((a, i) => sorted.slice(i + 1).forEach((b) => assert.ok(fair.compare(a, b, now) < 0)))
      },
    ),
    { seed: 2 },
  )
})

test('what nobody has is no part of it', () => {
  const { part } = createShares({ nodes: [], capacity: { cpu: 4, gpu: 0 }, halfLifeMs: 0 })
  assert.equal(part({ cpu: 1, gpu: 0, other: 3 }), 0.25)
  assert.equal(part({ gpu: 2 }), 0)
})
