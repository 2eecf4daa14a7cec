import assert from 'node:assert/strict'
import { test } from 'node:test'

import * as fc from 'fast-check'

import { createMaxTree } from './max-tree.ts'
import { createSeries } from './series.ts'

test('a tree of numbers finds the first that is large enough, as looking at each would', () => {
  const changes = fc.array(fc.record({ index: fc.nat(36), value: fc.nat(8) }), { maxLength: 60 })
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 37 }), changes, (count, some) => {
      const tree = createMaxTree(count, 8)
      const plain = Array.from({ length: count }, () => 8)
      for (const { index, value } of some) {
        tree.set(index % count, value)
        plain[index % count] = value
        for (const least of [1, 5, 8])
          for (let from = 0; from <= count; from++)
            assert.equal(
              tree.firstAtLeast(least, from),
              plain.findIndex((one, at) => at >= from && one >= least),
            )
      }
    }),
  )
})

test('a series keeps its integral however long it becomes, in a bounded number of parts', () => {
  const part = fc.record({ ms: fc.integer({ min: 1, max: 400_000 }), value: fc.nat(9) })
  fc.assert(
    fc.property(fc.array(part, { minLength: 1, maxLength: 30 }), (parts) => {
      const series = createSeries(1)
      let [at, integral] = [0, 0]
      for (const { ms, value } of parts) {
        series.add(at, at + ms, [value])
        at += ms
        integral += ms * value
      }
      const rows = series.rows()
      const widthOf = (bin: number) => Math.min(at, (bin + 1) * series.binMs) - bin * series.binMs
      const sum = rows.reduce((all, [value = 0], bin) => all + value * widthOf(bin), 0)
      assert.ok(Math.abs(sum - integral) < 1e-3)
      assert.ok(rows.length <= 400)
    }),
  )
})
