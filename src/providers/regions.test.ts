import assert from 'node:assert/strict'
import { test } from 'node:test'

import { jurisdictionsOf } from './regions.ts'

test('regions say their country and its groups, where all of them are in one that is known', () => {
  assert.deepEqual(jurisdictionsOf(['eu-central-1']), ['DE', 'EU'])
  assert.deepEqual(jurisdictionsOf(['europe-west3', 'germanywestcentral', 'EU-FRANKFURT-1']), ['DE', 'EU'])
  assert.deepEqual(jurisdictionsOf(['eu-west-2']), ['GB'])
  assert.deepEqual(jurisdictionsOf(['us-east-1', 'us-west-2']), ['US'])
  assert.equal(jurisdictionsOf([]), null)
  assert.equal(jurisdictionsOf(['eu-central-1', 'somewhere-1']), null, 'one is not known')
  assert.equal(jurisdictionsOf(['eu-central-1', 'eu-west-1']), null, 'two countries')
  assert.equal(jurisdictionsOf(['toString']), null)
})
