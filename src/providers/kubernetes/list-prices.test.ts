import assert from 'node:assert/strict'
import { test } from 'node:test'

import { listMicrosOf } from './list-prices.ts'

const aNode = (type: string, region = 'us-east-1', more: Record<string, string> = {}) => ({
  labels: { 'node.kubernetes.io/instance-type': type, 'topology.kubernetes.io/region': region, ...more },
})

test('a list price is that of a type in its region, and of no other', () => {
  assert.equal(listMicrosOf([aNode('p5.48xlarge'), aNode('p5.48xlarge')]), 55_040_000)
  assert.equal(listMicrosOf([aNode('p5.48xlarge', 'eu-central-1')]), undefined)
  assert.equal(listMicrosOf([aNode('p5.48xlarge'), aNode('p5.48xlarge', 'eu-central-1')]), undefined)
  assert.equal(listMicrosOf([aNode('constructor')]), undefined)
  assert.equal(listMicrosOf([{}]), undefined)
  assert.equal(listMicrosOf([]), undefined)
})

test('what was bought otherwise than on demand has no list price', () => {
  for (const [label, said, price] of [
    ['eks.amazonaws.com/capacityType', 'ON_DEMAND', 55_040_000],
    ['eks.amazonaws.com/capacityType', 'SPOT', undefined],
    ['karpenter.sh/capacity-type', 'on-demand', 55_040_000],
    ['karpenter.sh/capacity-type', 'reserved', undefined],
  ] as const)
    assert.equal(listMicrosOf([aNode('p5.48xlarge', 'us-east-1', { [label]: said })]), price, `${label}=${said}`)
})
