import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'

import { missed } from '#rigs/planted.ts'
import { createInvariants } from './all.ts'
import { allPlanted } from './planted.ts'

test('each invariant has a fault that breaks it', () => {
  const broken = new Set(allPlanted.map(({ breaks }) => breaks))
  const names = createInvariants().map(({ name }) => name)
  assert.deepEqual(
    names.filter((name) => !broken.has(name)),
    [],
  )
})

test('each invariant is named where people read what is looked at', () => {
  const page = readFileSync('docs/explanation/house-under-faults.md', 'utf8')
  const names = createInvariants().map(({ name }) => name)
  assert.deepEqual(
    names.filter((name) => !page.includes(name)),
    [],
  )
})

/** A few of them; all are planted by `npm run fuzz:planted`. */
const few = [
  'a launch is asked for a second time, with another token',
  'what carries our tag and no row is never looked for',
  'the meter is off by one micro-dollar',
  'a retirement is written down, and nobody asks for it',
  'an attempt is given up, and what it holds is not retired',
  'a reader of events is not given one of them',
  'quotas are not looked at',
]

for (const fault of few)
  test(`it is seen when ${fault}`, async () => {
    const planted = allPlanted.find((one) => one.fault === fault)
    assert.ok(planted)
    assert.equal(await missed(planted), null)
  })
