import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'

import { changed, passedOn, planted } from './planted.ts'
import { rounds } from './rounds.ts'

test('each fault that the torture plants changes the source as it is now, and names a round', () => {
  for (const [fault, { round, edits }] of Object.entries(planted)) {
    assert.ok(round in rounds, fault)
    assert.ok(edits.length > 0, fault)
    for (const edit of [...edits, passedOn]) {
      const source = readFileSync(new URL(`../../${edit.file}`, import.meta.url), 'utf8')
      assert.notEqual(changed(edit, source), source)
    }
  }
  const [one] = planted['keys of requests are forgotten']?.edits ?? []
  assert.throws(() => one && changed(one, 'something else'), /no fault can be planted: .*idempotency\.ts has 0 times/)
})
