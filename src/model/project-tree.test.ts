import assert from 'node:assert/strict'
import { test } from 'node:test'

import * as fc from 'fast-check'

import { createQuotaTree } from '#engine/queue/quota.ts'

import { mostLevels, treeProblem } from './project-tree.ts'

test('parents that are there, and stand in no circle, are a tree', () => {
  assert.equal(treeProblem([]), null)
  assert.equal(
    treeProblem([
      { name: 'leaf', parent: 'branch' },
      { name: 'branch', parent: 'root' },
      { name: 'root', parent: null },
    ]),
    null,
  )
})

const chain = (levels: number) =>
  Array.from({ length: levels }, (_, i) => ({ name: `p${i}`, parent: i === 0 ? null : `p${i - 1}` }))

test('an unknown parent, a circle and too many levels are told with their names', () => {
  assert.deepEqual(treeProblem([{ name: 'a', parent: 'b' }]), { problem: 'no-parent', name: 'a', parent: 'b' })
  assert.deepEqual(treeProblem([{ name: 'a', parent: 'a' }]), { problem: 'circle', path: ['a', 'a'] })
  const circle = [
    { name: 'leaf', parent: 'x' },
    { name: 'x', parent: 'y' },
    { name: 'y', parent: 'x' },
  ]
  assert.deepEqual(treeProblem(circle), { problem: 'circle', path: ['x', 'y', 'x'] })
  assert.equal(treeProblem(chain(mostLevels)), null)
  assert.deepEqual(treeProblem(chain(mostLevels + 1)), { problem: 'too-deep', name: `p${mostLevels}` })
})

test('what is taken as a tree is one for the quotas of the engine, and what is refused is none', () => {
  const names = ['a', 'b', 'c', 'd', 'e']
  const parents = fc.array(fc.constantFrom(null, ...names, 'nobody'), { minLength: 1, maxLength: names.length })
  fc.assert(
    fc.property(parents, (chosen) => {
      const projects = chosen.map((parent, index) => ({ name: names[index] ?? '', parent }))
      const nodes = projects.map((project) => ({ ...project, nominal: {}, borrowing: {}, lending: {} }))
      if (treeProblem(projects)) assert.throws(() => createQuotaTree(nodes))
      else createQuotaTree(nodes)
    }),
  )
})
