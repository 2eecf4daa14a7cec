import assert from 'node:assert/strict'
import { test } from 'node:test'

import { aNode } from '#test/builders.ts'
import { extensionsOf, kindsOf, levelsOf, regionsOf, unknownLabels } from './found.ts'

const at = (name: string, labels: Record<string, string>) => ({ ...aNode({ name }), labels })

test('levels are told with their labels, however many makers they come from', () => {
  const nodes = [
    at('a', { 'nvidia.com/gpu.clique': '1', 'cloud.google.com/gce-topology-block': 'b1' }),
    at('b', { 'nvidia.com/gpu.clique': '1', 'cloud.google.com/gce-topology-block': 'b1' }),
    at('c', { 'ds.coreweave.com/nvlink.domain': '2' }),
    at('d', {}),
  ]
  assert.deepEqual(levelsOf(nodes), [
    { level: 0, labels: ['ds.coreweave.com/nvlink.domain', 'nvidia.com/gpu.clique'], domains: 2, nodes: 3 },
    { level: 2, labels: ['cloud.google.com/gce-topology-block'], domains: 1, nodes: 2 },
  ])
  assert.deepEqual(levelsOf(nodes, ['rack']), [])
  const [wrong] = unknownLabels(nodes, ['nvidia.com/gpu.cliqe'])
  assert.match(wrong?.what ?? '', /no node has the label nvidia\.com\/gpu\.cliqe/)
  assert.equal(wrong?.fix, '--topology nvidia.com/gpu.clique')
  assert.deepEqual(unknownLabels(nodes, ['nvidia.com/gpu.clique']), [])
  const [named, ...more] = unknownLabels(nodes, { nvlink: ['nvidia.com/gpu.clique', 'nvidia.com/gpu.cliqe'] })
  assert.deepEqual([named?.fix, more], ['--topology nvlink=nvidia.com/gpu.clique', []])
})

test('nodes are told by kind, and a kind that nobody priced as such', () => {
  const [kind, ...others] = kindsOf([aNode({ name: 'a' }), { ...aNode({ name: 'b' }), usable: false }], () => null)
  assert.deepEqual([kind?.nodes, kind?.usable, kind?.priceMicros, others], [2, 1, null, []])
})

test('a region that several nodes name is told once', () => {
  const region = { 'topology.kubernetes.io/region': 'eu-west-3' }
  assert.deepEqual(regionsOf([at('a', region), at('b', region), at('c', {})]), ['eu-west-3'])
})

test('what is installed is told with its versions; classes of priority are no pod groups', () => {
  const body = { groups: [group('kueue.x-k8s.io', 'v1beta2', 'v1beta1'), group('scheduling.k8s.io', 'v1')] }
  const found = new Map(extensionsOf(body).map(({ name, versions }) => [name, versions]))
  assert.deepEqual(found.get('Kueue'), ['v1beta2', 'v1beta1'])
  assert.deepEqual(found.get('PodGroups'), [])
  assert.deepEqual(found.get('DRA'), [])
})

const group = (name: string, ...versions: string[]) => ({ name, versions: versions.map((version) => ({ version })) })
