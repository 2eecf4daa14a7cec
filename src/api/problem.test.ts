import assert from 'node:assert/strict'
import { test } from 'node:test'

import { StoreFull, StoreUnavailable } from '#store/store-unavailable.ts'
import { asProblem } from './problem.ts'

test('a full disk of the database is told from one that does not answer, and both may be tried again', () => {
  const [full, away] = [asProblem(new StoreFull('full')), asProblem(new StoreUnavailable('away'))]
  assert.deepEqual([full.code, away.code], ['unavailable', 'unavailable'])
  assert.match(full.message, /^The disk of the database is full/)
  assert.match(away.message, /^The database does not answer/)
})
