import assert from 'node:assert/strict'
import { test } from 'node:test'

import type { CredentialedOrder } from '#model/order.ts'
import { type GangSite, graceSeconds, jobOf } from './gang.ts'

const site: GangSite = {
  house: 'h1',
  namespace: 'team',
  image: 'rig',
  checkpoints: undefined,
  serviceAccount: undefined,
  acceleratorResource: () => 'amd.com/gpu',
  taints: [],
}

const order = (nodes: (string | undefined)[], accelerators = 0): CredentialedOrder => ({
  token: 'l-1',
  workload: 'w-1',
  attempt: 3,
  site: 'east',
  tier: 'on-demand',
  ranks: nodes.map((node, rank) => ({
    rank,
    ...(node !== undefined && { node }),
    shape: { name: 's', accelerators, acceleratorMemoryMiB: 0, cpuMilli: 1500, memoryMiB: 256, diskMiB: 0 },
  })),
  graceMs: 1000,
  controlPlanes: ['http://127.0.0.1:1'],
  credential: 'c',
})

const specOf = (asked: CredentialedOrder, more: Partial<GangSite> = {}) =>
  jobOf({ ...site, ...more }, asked, 'rig').spec

test('a gang stands on the nodes that were chosen, one rank on each, and tolerates what keeps others off them', () => {
  const { spec } = specOf(order(['a', 'b']), { taints: ['gpu=yes:NoSchedule', 'drain:NoExecute'] }).template
  const names = spec.affinity?.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms
  assert.deepEqual(
    names?.map(({ matchFields }) => matchFields[0]?.values),
    [['a'], ['b']],
  )
  assert.ok(spec.affinity?.podAntiAffinity)
  assert.deepEqual(spec.tolerations, [
    { key: 'gpu', operator: 'Equal', value: 'yes', effect: 'NoSchedule' },
    { key: 'drain', operator: 'Equal', value: '', effect: 'NoExecute' },
  ])
})

test('ranks that share a node are not kept apart', () => {
  assert.equal(specOf(order(['a', 'a'])).template.spec.affinity?.podAntiAffinity, undefined)
})

test('what a rank asks for is what it may use, by the name that the accelerators have there', () => {
  const { resources } = specOf(order([undefined], 8)).template.spec.containers[0] ?? assert.fail()
  assert.deepEqual(resources.requests, { cpu: '1500m', memory: '256Mi', 'amd.com/gpu': '8' })
  assert.deepEqual(resources.limits, resources.requests)
})

test('no pod is made twice, and nothing starts before all is there', () => {
  const { backoffLimitPerIndex, suspend, completions, template } = specOf(order(['a', 'b', 'c']))
  assert.deepEqual([backoffLimitPerIndex, suspend, completions], [0, true, 3])
  assert.equal(template.spec.restartPolicy, 'Never')
})

test('grace is never nothing, which would be a kill that nobody confirms', () => {
  assert.deepEqual([0, 1, 1000, 1001].map(graceSeconds), [1, 1, 1, 2])
})
