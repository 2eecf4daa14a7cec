import assert from 'node:assert/strict'
import { test } from 'node:test'

import type { NodePool } from '#model/node-pool.ts'
import type { PoolNeed } from './pools.ts'
import { keepMs, nextTarget } from './target.ts'

const racks: NodePool = { name: 'gb200', target: 36, current: 36, most: 80, step: 18, added: 0 }
const need = (pool: Partial<NodePool>, fields: Partial<PoolNeed> = {}): PoolNeed => {
  const isWanted = (fields.lacks ?? 0) > 0
  const at = { provider: 'coreweave', site: 'east', pool: { ...racks, ...pool } }
  return { ...at, waiting: isWanted ? ['gang'] : [], isWanted, lacks: 0, idle: 0, ...fields }
}

test('a pool grows by whole racks, by what is lacking and not on its way, and no further than it may', () => {
  assert.equal(nextTarget(need({}, { lacks: 1 }), 0), 54)
  assert.equal(nextTarget(need({}, { lacks: 19 }), 0), 72)
  assert.equal(nextTarget(need({}, { lacks: 100 }), 0), 72, 'four racks are the most of 80 nodes')
  assert.equal(nextTarget(need({ target: 54 }, { lacks: 18 }), 0), null, 'they are on their way')
  assert.equal(nextTarget(need({ target: 54 }, { lacks: 19 }), 0), 72)
  assert.equal(nextTarget(need({ target: 72, current: 72 }, { lacks: 5 }), 0), null)
  assert.equal(nextTarget(need({ step: 1, most: 40 }, { lacks: 3 }), 0), 39)
})

test('what we added is given back once nobody has wanted it for long, as far as it is idle or never came', () => {
  const grown = { target: 72, current: 72, added: 36 }
  assert.equal(nextTarget(need(grown, { idle: 72 }), keepMs), 36, 'no more than that')
  assert.equal(nextTarget(need(grown, { idle: 18 }), keepMs), 54)
  assert.equal(nextTarget(need(grown, { idle: 72 }), keepMs - 1), null)
  assert.equal(nextTarget(need(grown, { idle: 72, isWanted: true }), keepMs), null)
  assert.equal(nextTarget(need({}, { idle: 36 }), keepMs), null, 'what others asked for is theirs')
  assert.equal(nextTarget(need({ target: 54, added: 18 }), keepMs), 36, 'nobody waits for what never came')
  assert.equal(nextTarget(need(grown), keepMs), null, 'all of it is at work')
})
