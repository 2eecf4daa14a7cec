import assert from 'node:assert/strict'
import { test } from 'node:test'

import * as fc from 'fast-check'

import { createRandom } from '#kit/random.ts'
import { askOf } from './ask.ts'
import { createAudit } from './audit.ts'
import { createCell } from './cell.ts'
import { nodesOf } from './heads.ts'
import { release, take } from './take.ts'

import type { GangRequest } from './ask.ts'
import type { CellPlan } from './cell.ts'

/** Twelve nodes of two accelerators, two in a rack, three racks in a block. */
const plan: CellPlan = {
  classes: [{ shape: 'n', accelerators: 2, cpuMilli: 8000, memoryMiB: 100, diskMiB: 0 }],
  classOf: new Uint16Array(12),
  domains: [Array.from({ length: 12 }, (_, i) => i >> 1), Array.from({ length: 12 }, (_, i) => (i < 6 ? 0 : 1))],
}
const whole = (ranks: number, rules: Partial<GangRequest> = {}): GangRequest => ({
  roles: [{ size: { whole: true }, ranks }],
  ...rules,
})
const half = (ranks: number): GangRequest => ({ roles: [{ size: { accelerators: 1 }, ranks }] })
const at = (...ranks: number[]) => ({ ranks, spares: [] })

const told = (request: GangRequest, ranks: number[], spares: number[] = []) =>
  createAudit(plan).taken(1, request, { ranks, spares })

test('what breaks a rule is told, each by its name', () => {
  assert.equal(told(whole(2), [0, 1]), null)
  assert.match(told(whole(2), [0]) ?? '', /not whole/)
  assert.match(told(whole(1), [12]) ?? '', /not of this cell/)
  assert.match(told(whole(2), [3, 3]) ?? '', /node 3 is used twice/)
  assert.match(told(half(3), [4, 4, 4]) ?? '', /node 4 is used twice/)
  assert.match(told(whole(2, { within: { level: 1 } }), [1, 2]) ?? '', /not within one domain/)
  assert.match(told(whole(4, { slices: { level: 1, ranks: 2 } }), [0, 2, 4, 6]) ?? '', /slice is cut/)
  assert.match(told(whole(2, { spread: { level: 1, most: 1 } }), [0, 1]) ?? '', /not spread/)
  assert.match(told(whole(1, { spares: { level: 1, count: 1 } }), [0], [2]) ?? '', /spare ranks are missing/)
  assert.equal(told(whole(1, { spares: { level: 1, count: 1 } }), [0], [1]), null)
  assert.match(told({ roles: [{ size: { whole: true, allows: () => false }, ranks: 1 }] }, [0]) ?? '', /kind/)
})

test('it remembers who is where until they leave', () => {
  const audit = createAudit(plan)
  assert.equal(audit.taken(1, whole(2), at(0, 1)), null)
  assert.match(audit.taken(2, half(1), at(1)) ?? '', /node 1 is used twice/)
  assert.match(audit.taken(2, half(1), at(2)) ?? '', /two gangs 2/)
  assert.match(audit.released(7) ?? '', /nobody holds/)
  const other = createAudit(plan)
  assert.equal(other.taken(1, whole(1, { exclusive: 1 }), at(0)), null)
  assert.match(other.taken(2, half(1), at(1)) ?? '', /somebody else has alone/)
  assert.equal(other.released(1), null)
  assert.equal(other.released(2), null)
  assert.equal(other.taken(3, half(1), at(1)), null)
  assert.match(other.taken(4, whole(1, { exclusive: 1 }), at(0)) ?? '', /others use/)
})

const rules = fc.constantFrom<Partial<GangRequest>>(
  {},
  { within: { level: 1 } },
  { within: { level: 2, preferred: true } },
  { slices: { level: 1, ranks: 2 } },
  { spread: { level: 1, most: 1 } },
  { exclusive: 1 },
  { spares: { level: 2, count: 1 } },
)

test('whatever a cell decides, its checker finds nothing wrong', () => {
  const requests = fc.record({ ranks: fc.constantFrom(1, 2, 4, 6), isWhole: fc.boolean(), more: rules })
  fc.assert(
    fc.property(fc.array(requests, { maxLength: 40 }), fc.string(), (asked, seed) => {
      const [cell, audit, random] = [createCell(plan), createAudit(plan), createRandom(seed)]
      const live: number[] = []
      for (const { ranks, isWhole, more } of asked) {
        const request = { ...(isWhole ? whole(ranks) : half(ranks)), ...(ranks > 1 && more) }
        const gang = take(cell, askOf(cell, request))
        if (gang >= 0) {
          assert.equal(audit.taken(gang, request, nodesOf(cell, gang)), null)
          live.push(gang)
        }
        if (live.length === 0 || random.below(2) === 0) continue
        const [gone = -1] = live.splice(random.below(live.length), 1)
        release(cell, gone)
        assert.equal(audit.released(gone), null)
      }
    }),
    { numRuns: 200, seed: 7 },
  )
})
