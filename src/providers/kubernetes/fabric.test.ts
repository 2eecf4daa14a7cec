import assert from 'node:assert/strict'
import { test } from 'node:test'

import { leastFabric, networksOf, rdmaFor, rdmaOf } from './fabric.ts'

const allocatable = {
  cpu: '192',
  'nvidia.com/gpu': '8',
  'rdma/ib': '63',
  'vpc.amazonaws.com/efa': '32',
  'example.com/hca': '4',
  'nvidia.com/hostdev': '0',
}

test('resources that give RDMA are known, or named by the site; one of which there is none is none', () => {
  assert.deepEqual(rdmaOf(allocatable), { 'rdma/ib': 63, 'vpc.amazonaws.com/efa': 32 })
  assert.equal(rdmaOf(allocatable, ['example.com/hca'])['example.com/hca'], 4)
  assert.deepEqual(networksOf({ rdma: rdmaOf({ cpu: '4' }), imex: false }), [])
})

test('a pod asks for one of what all share, and for its part of cards that are given whole, one at least', () => {
  const fabric = { rdma: rdmaOf(allocatable), imex: false }
  assert.deepEqual(rdmaFor(fabric, 1), { 'rdma/ib': '1', 'vpc.amazonaws.com/efa': '32' })
  assert.deepEqual(rdmaFor(fabric, 3 / 8), { 'rdma/ib': '1', 'vpc.amazonaws.com/efa': '12' })
  assert.deepEqual(rdmaFor(fabric, 1 / 64), { 'rdma/ib': '1', 'vpc.amazonaws.com/efa': '1' })
})

test('some nodes together have what each of them has', () => {
  const one = { rdma: { 'rdma/ib': 63, 'rdma/roce': 8 }, imex: true }
  const other = { rdma: { 'rdma/ib': 8 }, imex: true }
  assert.deepEqual(leastFabric(one, other), { rdma: { 'rdma/ib': 8 }, imex: true })
  assert.deepEqual(networksOf(leastFabric(one, { ...other, imex: false })), ['rdma'])
})
