import assert from 'node:assert/strict'
import { test } from 'node:test'

import * as fc from 'fast-check'

import { createHeap } from './heap.ts'

test('a heap gives what it took, in order, however pushes and pops are mixed', () => {
  fc.assert(
    fc.property(fc.array(fc.option(fc.integer(), { nil: undefined })), (steps) => {
      const heap = createHeap<number>((a, b) => a < b)
      let model: number[] = []
      for (const step of steps) {
        if (step === undefined) {
          assert.equal(heap.peek(), model[0])
          assert.equal(heap.pop(), model.shift())
        } else {
          heap.push(step)
          model = [...model, step].sort((a, b) => a - b)
        }
        assert.equal(heap.size, model.length)
      }
    }),
  )
})
