import assert from 'node:assert/strict'
import { test } from 'node:test'

import type { RankSighting, Sighting } from '#providers/provider.ts'
import { createNotices, type Notices } from './notices.ts'
import { KubernetesNode } from './wire.ts'

const node = (name: string, ...taints: object[]) =>
  KubernetesNode.parse({ metadata: { name, uid: name }, spec: { taints }, status: {} })
const spot = { key: 'cloud.google.com/impending-node-termination', effect: 'NoSchedule' }
const rank = (fields: Partial<RankSighting> = {}): RankSighting => ({
  rank: 0,
  state: 'running',
  exitCode: null,
  startedAt: 1,
  endedAt: null,
  node: 'n1',
  ...fields,
})
const gang = (...ranks: RankSighting[]): Sighting[] => [{ token: 'l-1', workload: 'w', attempt: 1, ranks }]
const tell = (notices: Notices, one: RankSighting = rank()) => notices.tell(gang(one))[0]?.ranks[0]

for (const [key, kind] of [
  ['cloud.google.com/impending-node-termination', 'preempted'],
  ['aws-node-termination-handler/spot-itn', 'preempted'],
  ['aws-node-termination-handler/scheduled-maintenance', 'maintenance'],
  ['aws-node-termination-handler/asg-lifecycle-termination', 'maintenance'],
  ['remediator.kubernetes.azure.com/unschedulable', 'maintenance'],
  ['karpenter.sh/disrupted', 'maintenance'],
  ['ToBeDeletedByClusterAutoscaler', 'maintenance'],
  ['example.com/draining', 'maintenance'],
  ['DeletionCandidateOfClusterAutoscaler', undefined],
  ['aws-node-termination-handler/rebalance-recommendation', undefined],
  ['constructor', undefined],
])
  test(`a node with the taint ${key} gives ${kind === undefined ? 'no notice' : `notice: ${kind}`}`, () => {
    const notices = createNotices(['example.com/draining'], () => 7_000)
    assert.equal(notices.take([node('n0'), node('n1', { key, effect: 'NoSchedule' })]), kind !== undefined)
    const { leavesAt, cause } = tell(notices) ?? {}
    assert.deepEqual([leavesAt, cause?.kind], kind === undefined ? [undefined, undefined] : [7_000, kind])
    if (kind !== undefined) assert.deepEqual([cause?.detail, cause?.fix], [`taint ${key}`, 'kubectl describe node n1'])
  })

test('notice is from when the taint says, or was seen first, and does not move', () => {
  let now = 7_000
  const notices = createNotices([], () => now++)
  const nodes = [node('n1', spot), node('n2', { ...spot, timeAdded: '2026-11-22T01:00:00Z' })]
  assert.equal(notices.take(nodes), true)
  assert.equal(notices.take(nodes), false, 'it is no news any more')
  const times = ['n1', 'n2'].map((name) => tell(notices, rank({ node: name }))?.leavesAt)
  assert.deepEqual(times, [7_000, Date.parse('2026-11-22T01:00:00Z')])
})

test('a node that is to stay after all, and one that is gone, give no notice', () => {
  const notices = createNotices()
  notices.take([node('n1', spot), node('n2', spot)])
  assert.equal(notices.take([node('n1')]), true)
  assert.deepEqual([tell(notices), tell(notices, rank({ node: 'n2' }))], [rank(), rank({ node: 'n2' })])
})

test('a rank that has ended, stands on another node, or has notice of its own is left as it is', () => {
  const notices = createNotices()
  notices.take([node('n1', spot)])
  const { node: _, ...nowhere } = rank()
  for (const one of [rank({ state: 'exited', exitCode: 0 }), rank({ node: 'n2' }), rank({ leavesAt: 5 }), nowhere])
    assert.deepEqual(tell(notices, one), one)
})
