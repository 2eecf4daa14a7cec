import assert from 'node:assert/strict'
import { test } from 'node:test'

import type { Program } from '#model/agent-protocol.ts'
import type { CredentialedOrder } from '#model/order.ts'
import { type Answer, type Client, createClient } from './client.ts'
import { refusalOf } from './faults.ts'
import type { GangSite } from './gang.ts'
import { groupsOf, mostNodes } from './groups.ts'
import { holderOf, podsOf, sizesOf, wantsGroup, whyNoGroup } from './kueue-group.ts'
import { indexLabel, labels } from './names.ts'

const queue = { name: 'team', priority: 'high', topology: 'rack' }
const site: GangSite = {
  house: 'h1',
  namespace: 'team',
  image: 'rig',
  checkpoints: undefined,
  serviceAccount: undefined,
  queue,
  acceleratorResource: () => 'amd.com/gpu',
  taints: [],
}
const program: Program = {
  environment: {},
  setup: null,
  run: 'true',
  bundle: null,
  checkpointRoot: null,
  ports: [],
  readiness: null,
  slots: 0,
}

/** A gang of ranks with so many CPUs each, on nodes of their own. */
function aGang(cpus: number[]) {
  const order: CredentialedOrder = {
    token: 'l-1',
    workload: 'w-1',
    attempt: 1,
    site: 'east',
    tier: 'on-demand',
    ranks: cpus.map((count, rank) => ({
      rank,
      node: `n${rank}`,
      shape: {
        name: 's',
        accelerators: 0,
        acceleratorMemoryMiB: 0,
        cpuMilli: count * 1000,
        memoryMiB: 256,
        diskMiB: 0,
      },
    })),
    programs: cpus.map(() => program),
    graceMs: 1000,
    controlPlanes: ['http://127.0.0.1:1'],
    credential: 'c',
  }
  return { ...order, programs: cpus.map(() => program), groups: groupsOf(order, { isWhole: true }) }
}

const owner = { name: 'isobar-l-1', uid: 'u' }
const podsFor = (cpus: number[]) => podsOf(site, aGang(cpus), { queue, owner, image: 'rig' })

test('what one Job can be in a queue is one, and what has several sizes or many nodes is a group of pods', () => {
  assert.equal(wantsGroup(aGang([1, 1])), false)
  assert.equal(wantsGroup(aGang([1, 2])), true)
  const many = Array.from({ length: mostNodes + 1 }, () => 1)
  assert.equal(wantsGroup(aGang(many.slice(1))), false)
  assert.equal(wantsGroup(aGang(many)), true)
  assert.equal(sizesOf(aGang([1, 2, 1, 3, 1]).groups), 3)
})

test('each pod stands on the node of its rank, in a group of which Kueue knows how many it has and which are alike', () => {
  const pods = podsFor([1, 2, 2, 1])
  const shown = pods.map(({ metadata, spec }) => ({
    name: metadata.name,
    rank: Number(metadata.labels[labels.first]) + Number(metadata.labels[indexLabel]),
    size: metadata.annotations['kueue.x-k8s.io/role-hash'],
    cpu: spec.containers[0]?.resources.requests['cpu'],
    nodes: JSON.stringify(spec).match(/"n\d+"/g),
  }))
  assert.deepEqual(shown, [
    { name: 'isobar-l-1-0', rank: 0, size: 'size-0', cpu: '1000m', nodes: ['"n0"'] },
    { name: 'isobar-l-1-g1-0', rank: 1, size: 'size-1', cpu: '2000m', nodes: ['"n1"'] },
    { name: 'isobar-l-1-g1-1', rank: 2, size: 'size-1', cpu: '2000m', nodes: ['"n2"'] },
    { name: 'isobar-l-1-g2-0', rank: 3, size: 'size-0', cpu: '1000m', nodes: ['"n3"'] },
  ])
  for (const { metadata, spec } of pods) {
    assert.equal(metadata.annotations['kueue.x-k8s.io/pod-group-total-count'], '4')
    assert.equal(metadata.labels['kueue.x-k8s.io/pod-group-name'], 'isobar-l-1')
    assert.equal(metadata.labels['kueue.x-k8s.io/queue-name'], 'team')
    assert.ok(
      Object.entries(metadata.labels).some(([key, value]) => key.endsWith('priority-class') && value === 'high'),
    )
    assert.equal(spec.hostname, metadata.name, 'by which the others find it')
  }
})

test('a container of such a pod learns its rank as in a Job: from the first of its group, and its number there', () => {
  const ranks = podsFor([1, 2, 2, 1]).map(({ spec }) => {
    const env = Object.fromEntries(spec.containers[0]?.env.map(({ name, value }) => [name, Number(value)]) ?? [])
    return (env['ISOBAR_FIRST_RANK'] ?? NaN) + (env['JOB_COMPLETION_INDEX'] ?? NaN)
  })
  assert.deepEqual(ranks, [0, 1, 2, 3])
})

test('the Job that holds such a gang together counts its ranks and makes none of them', () => {
  const [job, ...others] = holderOf(site, aGang([1, 2, 2]), 'rig')
  assert.deepEqual(others, [])
  const { completions, parallelism, suspend } = job?.spec ?? {}
  assert.deepEqual([job?.metadata.name, completions, parallelism, suspend], ['isobar-l-1', 3, 0, true])
})

const managed = { metadata: { name: 'p', uid: 'u', labels: { 'kueue.x-k8s.io/managed': 'true' } } }
const refused = (status: number, message: string, reason = ''): Answer => {
  const refusal = refusalOf(status, JSON.stringify({ kind: 'Status', reason, message }))
  return { ok: false, fault: refusal.fault, refusal }
}

const tries: [what: string, made: Answer, taken: Answer, why: RegExp | null | undefined][] = [
  ['Kueue decides of pods and all rights are there', { ok: true, body: managed }, refused(404, 'none'), null],
  ['a pod was made before', refused(409, 'it is there', 'AlreadyExists'), refused(404, 'none'), null],
  ['Kueue leaves pods alone', { ok: true, body: { metadata: { name: 'p', uid: 'u' } } }, refused(404, ''), /add `pod`/],
  ['we may not make pods', refused(403, 'cannot create'), refused(404, 'none'), /cannot create; give our Role/],
  ['we may not take groups away', { ok: true, body: managed }, refused(403, 'cannot delete'), /delete; give our Role/],
  ['the server does not answer', refused(503, 'later'), refused(404, 'none'), undefined],
]
for (const [what, made, taken, why] of tries)
  test(`whether pods can be a group is tried first: ${what}`, async () => {
    const client: Client = {
      ...createClient(() => Promise.reject(new Error('nothing is dialled here'))),
      ask({ method, path }) {
        assert.match(path, /\?dryRun=All$/)
        return Promise.resolve(method === 'POST' ? made : taken)
      },
    }
    const asked = { client, namespace: 'team', token: 'l-1', pod: {} }
    const told = await whyNoGroup(asked, new AbortController().signal)
    if (why === undefined) assert.equal(told.ok, false)
    else if (why === null) assert.equal(told.ok && told.value, null)
    else assert.match((told.ok && told.value) || '', why)
  })
