import assert from 'node:assert/strict'
import { test } from 'node:test'

import { sayCause } from '#model/cause.ts'
import { indexLabel, labels, ranksAnnotation, wholeAnnotation } from './names.ts'
import { numbersOf, sightingsOf } from './sight.ts'
import { Job, Pod } from './wire.ts'

const marks = { [labels.token]: 'l-1', [labels.workload]: 'w-1', [labels.attempt]: '2' }
const job = (status: object = {}, completions = 1) =>
  Job.parse({ metadata: { name: 'j', uid: 'u', labels: marks }, spec: { completions }, status })
const pod = (status: object, rank = 0, metadata: object = {}) =>
  Pod.parse({
    metadata: { name: `p${rank}`, uid: `p${rank}`, labels: { ...marks, [indexLabel]: String(rank) }, ...metadata },
    spec: {},
    status,
  })
const container = (state: object) => ({
  containerStatuses: [
    { name: 'sidecar', state: {} },
    { name: 'rank', state },
  ],
})
const startedAt = '2026-11-22T01:00:00Z'
const finishedAt = '2026-11-22T01:00:05Z'
const ended = (exitCode: number, reason = 'Error') =>
  container({ terminated: { exitCode, reason, startedAt, finishedAt } })
const disrupted = (reason: string) => ({ conditions: [{ type: 'DisruptionTarget', status: 'True', reason }] })

const seen = (status: object) => {
  const [rank] = sightingsOf([job()], [pod(status)])[0]?.ranks ?? []
  return [rank?.state, rank?.exitCode]
}

test('a gang is known by its Job, with the ranks whose pods are not made yet', () => {
  const [gang] = sightingsOf([job({}, 2)], [pod({ phase: 'Running', ...container({ running: { startedAt } }) }, 1)])
  assert.deepEqual(gang, {
    token: 'l-1',
    workload: 'w-1',
    attempt: 2,
    ranks: [
      { rank: 0, state: 'expected', exitCode: null, startedAt: null, endedAt: null },
      { rank: 1, state: 'running', exitCode: null, startedAt: Date.parse(startedAt), endedAt: null },
    ],
  })
})

test('each rank is shown on the node that the scheduler chose for it', () => {
  const running = pod({ phase: 'Running', ...container({ running: { startedAt } }) })
  const [gang] = sightingsOf([job()], [{ ...running, spec: { ...running.spec, nodeName: 'n7' } }])
  assert.equal(gang?.ranks[0]?.node, 'n7')
  assert.ok(!('node' in (sightingsOf([job()], [pod({ phase: 'Pending' })])[0]?.ranks[0] ?? {})))
})

test('what is left of a gang without its Job is still shown', () => {
  assert.equal(sightingsOf([], [pod({ phase: 'Running' }, 1)])[0]?.ranks.length, 2)
})

test('the exit of a program is its own code', () => {
  assert.deepEqual(seen({ phase: 'Failed', ...ended(255) }), ['exited', 255])
  assert.deepEqual(seen({ phase: 'Failed', ...ended(137, 'OOMKilled') }), ['exited', 137])
  assert.deepEqual(seen({ phase: 'Succeeded', ...ended(0, 'Completed') }), ['exited', 0])
})

test('an exit that the cluster brought about is a loss, but for a program that had ended well', () => {
  assert.deepEqual(seen({ phase: 'Failed', ...ended(143), ...disrupted('PreemptionByScheduler') }), ['lost', null])
  assert.deepEqual(seen({ phase: 'Failed', reason: 'Evicted' }), ['lost', null])
  assert.deepEqual(seen({ phase: 'Failed', reason: 'Evicted', ...ended(143) }), ['lost', null])
  assert.deepEqual(seen({ phase: 'Succeeded', ...ended(0), ...disrupted('EvictionByEvictionAPI') }), ['exited', 0])
})

test('a pod that was deleted without its Job was deleted by somebody else: a loss, but for one that had ended well', () => {
  const one = (status: object, owner: Job) => {
    const [rank] =
      sightingsOf([owner], [pod({ phase: 'Failed', ...status }, 0, { deletionTimestamp: finishedAt })])[0]?.ranks ?? []
    return [rank?.state, rank?.exitCode, rank?.cause?.kind]
  }
  assert.deepEqual(one(ended(143), job()), ['lost', null, 'evicted'])
  assert.deepEqual(one(ended(0), job())[0], 'exited')
  const retired = { ...job(), metadata: { ...job().metadata, deletionTimestamp: finishedAt } }
  assert.deepEqual(one(ended(143), retired), ['exited', 143, undefined])
})

test('who is told to leave still runs; who is given up with his node does not', () => {
  const running = { phase: 'Running', ...container({ running: { startedAt } }) }
  assert.deepEqual(seen({ ...running, ...disrupted('PreemptionByScheduler') }), ['running', null])
  assert.deepEqual(seen({ ...running, ...disrupted('DeletionByTaintManager') }), ['lost', null])
})

test('notice is given when it was given, and does not move', () => {
  const conditions = [
    { type: 'DisruptionTarget', status: 'True', reason: 'EvictionByEvictionAPI', lastTransitionTime: finishedAt },
  ]
  const [rank] =
    sightingsOf([job()], [pod({ phase: 'Running', conditions, ...container({ running: { startedAt } }) })])[0]?.ranks ??
    []
  assert.deepEqual([rank?.state, rank?.leavesAt, rank?.cause?.kind], ['running', Date.parse(finishedAt), 'maintenance'])
})

const unscheduled = {
  type: 'PodScheduled',
  status: 'False',
  reason: 'Unschedulable',
  message: '0/4 nodes are available',
}
const causes: [string, object, string | undefined][] = [
  ['out of memory', { phase: 'Failed', ...ended(137, 'OOMKilled') }, 'out-of-memory'],
  ['an image that is absent', { ...container({ waiting: { reason: 'ImagePullBackOff' } }) }, 'image'],
  ['an image without a shell', { phase: 'Failed', ...ended(128, 'StartError') }, 'unstartable'],
  ['no node for it', { phase: 'Pending', conditions: [unscheduled] }, 'unschedulable'],
  ['a node under pressure', { phase: 'Failed', reason: 'Evicted', message: 'low on memory' }, 'evicted'],
  ['somebody more important', { phase: 'Failed', ...ended(143), ...disrupted('PreemptionByScheduler') }, 'preempted'],
  ['a node that is away', { phase: 'Running', ...disrupted('DeletionByTaintManager') }, 'node-lost'],
  ['its own fault', { phase: 'Failed', ...ended(1) }, undefined],
]
for (const [why, status, kind] of causes)
  test(`a rank that does not run because of ${why} tells ${kind ?? 'no cause'}`, () => {
    assert.equal(sightingsOf([job()], [pod(status)])[0]?.ranks[0]?.cause?.kind, kind)
  })

test('the exit code that a kubelet makes up is none', () => {
  assert.deepEqual(seen({ phase: 'Failed', ...ended(137, 'ContainerStatusUnknown') }), ['lost', null])
})

test('a pod that waits for its image or its node is expected', () => {
  assert.deepEqual(seen({ phase: 'Pending', ...container({ waiting: { reason: 'ImagePullBackOff' } }) }), [
    'expected',
    null,
  ])
  assert.deepEqual(seen({ phase: 'Pending' }), ['expected', null])
})

test('pods that are gone are remembered by their Job', () => {
  const [gang] = sightingsOf([job({ completedIndexes: '0,2-3', failedIndexes: '1' }, 5)], [])
  assert.deepEqual(
    gang?.ranks.map(({ state, exitCode }) => [state, exitCode]),
    [
      ['exited', 0],
      ['lost', null],
      ['exited', 0],
      ['exited', 0],
      ['expected', null],
    ],
  )
})

test('of two pods of one rank the younger counts', () => {
  const old = pod({ phase: 'Failed', ...ended(1) }, 0, { creationTimestamp: startedAt })
  const young = pod({ phase: 'Running', ...container({ running: { startedAt } }) }, 0, {
    creationTimestamp: finishedAt,
  })
  assert.equal(sightingsOf([job()], [young, old])[0]?.ranks[0]?.state, 'running')
})

test('ranges of indexes are read as Kubernetes writes them', () => {
  assert.deepEqual([...numbersOf('1,3-5,7')], [1, 3, 4, 5, 7])
  assert.deepEqual([...numbersOf('')], [])
})

const marked = (first: number, completions: number, status: object) => {
  const one = job(status, completions)
  const { labels: its } = one.metadata
  return { ...one, metadata: { ...one.metadata, labels: { ...its, [labels.first]: String(first) } } }
}

test('a rank of a second Job is counted from its first, also once its pod is gone', () => {
  const metadata = { labels: { ...marks, [indexLabel]: '1', [labels.first]: '1' } }
  const running = pod({ phase: 'Running', ...container({ running: { startedAt } }) }, 1, metadata)
  const [gang] = sightingsOf([marked(1, 2, { failedIndexes: '0' }), marked(0, 1, { completedIndexes: '0' })], [running])
  assert.deepEqual(
    gang?.ranks.map(({ state }) => state),
    ['exited', 'lost', 'running'],
  )
})

test('a gang whose second Job is not made yet is shown with all of its ranks', () => {
  const one = job({}, 1)
  const [gang] = sightingsOf([{ ...one, metadata: { ...one.metadata, annotations: { [ranksAnnotation]: '3' } } }], [])
  assert.equal(gang?.ranks.length, 3)
})

const serving = (status: object, metadata: object = {}, rank = 0) =>
  sightingsOf(
    [job({}, rank + 1)],
    [
      {
        ...pod({ phase: 'Running', ...container({ running: { startedAt } }), ...status }, rank, metadata),
        spec: {
          nodeName: 'n',
          containers: [{ name: 'rank', ports: [{ containerPort: 8080 }, { containerPort: 9090 }] }],
        },
      },
    ],
  )[0]?.ranks[rank]?.serving
const unready = (reason?: string) => ({ podIP: '10.0.0.7', conditions: [{ type: 'Ready', status: 'False', reason }] })
const isReady = { conditions: [{ type: 'Ready', status: 'True' }] }

test('a pod with ports tells where it serves, and whether its check passes', () => {
  const endpoints = ['10.0.0.7:8080', '10.0.0.7:9090']
  assert.deepEqual(serving({ podIP: '10.0.0.7', ...isReady }), { ready: true, address: '10.0.0.7', endpoints })
  assert.deepEqual(serving({ podIP: '10.0.0.7' }), { ready: false, address: '10.0.0.7', endpoints })
  assert.deepEqual(serving({ podIP: 'fd00::7', ...isReady })?.endpoints, ['[fd00::7]:8080', '[fd00::7]:9090'])
  assert.equal(serving(isReady), undefined, 'it has no address yet')
})

test('only the first rank of a replica has to pass the check; a node that is not ready counts for each', () => {
  const ranks = [0, 1]
  assert.deepEqual(
    ranks.map((rank) => serving(unready('ContainersNotReady'), {}, rank)?.ready),
    [false, true],
  )
  assert.deepEqual(
    ranks.map((rank) => serving(unready(), {}, rank)?.ready),
    [false, false],
  )
})

test('a pod that was told to end or to leave takes no more requests', () => {
  assert.equal(serving({ podIP: '10.0.0.7', ...isReady }, { deletionTimestamp: finishedAt })?.ready, false)
  const { conditions } = disrupted('EvictionByEvictionAPI')
  assert.equal(serving({ podIP: '10.0.0.7', conditions: [...isReady.conditions, ...conditions] })?.ready, false)
})

const counted = '0/4 nodes are available: 1 Insufficient nvidia.com/gpu, 3 node(s) had untolerated taint(s).'
const preempting = 'default-scheduler: preempting to accommodate a higher priority pod'
const absent = 'Back-off pulling image "nowhere/none": not found'
const said: [string, object, string, string][] = [
  [
    'no node takes it',
    { phase: 'Pending', conditions: [{ ...unscheduled, message: counted }] },
    'expected',
    `nothing there takes it (${counted}); ask for less, or for another site`,
  ],
  [
    'its time there is over',
    { phase: 'Failed', reason: 'DeadlineExceeded', message: 'Pod was active on the node longer than the deadline' },
    'lost',
    'its time there was over (Pod was active on the node longer than the deadline); give it a longer duration.maximum',
  ],
  [
    'its image is absent',
    { phase: 'Pending', ...container({ waiting: { reason: 'ImagePullBackOff', message: absent } }) },
    'expected',
    `its image cannot be pulled (${absent}); check the name of its image, and that the site may pull it`,
  ],
  [
    'its image cannot be named so',
    { phase: 'Pending', ...container({ waiting: { reason: 'InvalidImageName' } }) },
    'expected',
    'its image cannot be pulled; check the name of its image, and that the site may pull it',
  ],
  [
    'a higher class takes its place',
    {
      phase: 'Failed',
      ...ended(143),
      conditions: [{ type: 'DisruptionTarget', status: 'True', reason: 'PreemptionByScheduler', message: preempting }],
    },
    'lost',
    `it was preempted there (${preempting})`,
  ],
]
for (const [why, status, state, text] of said)
  test(`where ${why}, that is told with what the cluster says and what helps`, () => {
    const [rank] = sightingsOf([job()], [pod(status)])[0]?.ranks ?? []
    assert.deepEqual([rank?.state, rank?.cause && sayCause(rank.cause)], [state, text])
  })

const holder = (annotations: object) =>
  Job.parse({ metadata: { name: 'j', uid: 'u', labels: marks, annotations }, spec: { completions: 2 }, status: {} })

test('of a gang whose pods no Job makes, who is not there is expected until all were made, and lost from then on', () => {
  const first = pod({ phase: 'Running', ...container({ running: { startedAt } }) })
  const states = (annotations: object) =>
    sightingsOf([holder(annotations)], [first])[0]?.ranks.map(({ state, cause }) => [state, cause?.kind])
  assert.deepEqual(states({}), [
    ['running', undefined],
    ['expected', undefined],
  ])
  assert.deepEqual(states({ [wholeAnnotation]: 'true' }), [
    ['running', undefined],
    ['lost', 'evicted'],
  ])
})

test('what Kueue says of pods holds for their gang', () => {
  const word = { cause: { kind: 'queued', detail: 'Kueue: no quota' } as const, evictedAt: null, admittedAt: null }
  const words = new Map([['p1', word]])
  const [gang] = sightingsOf([job({}, 2)], [pod({ phase: 'Pending' }), pod({ phase: 'Pending' }, 1)], words)
  assert.deepEqual(
    gang?.ranks.map(({ cause }) => cause?.detail),
    ['Kueue: no quota', 'Kueue: no quota'],
  )
})
