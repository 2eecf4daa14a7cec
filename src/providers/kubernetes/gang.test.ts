import assert from 'node:assert/strict'
import { test } from 'node:test'

import * as fc from 'fast-check'

import type { Program } from '#model/agent-protocol.ts'
import type { CredentialedOrder } from '#model/order.ts'
import type { Kind } from './extras.ts'
import { groupsOf } from './groups.ts'
import { groupName } from './names.ts'
import { agentFiles } from '#providers/agent-files.ts'
import { type GangSite, graceSeconds, jobsOf, keeperSecretOf } from './gang.ts'
import { keeperEntry } from './keeper-in-pod.ts'

const site: GangSite = {
  house: 'h1',
  namespace: 'team',
  image: 'rig',
  checkpoints: undefined,
  serviceAccount: undefined,
  queue: undefined,
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

const jobsFor = (asked: CredentialedOrder, more: Partial<GangSite> = {}, does = program) =>
  jobsOf({ ...site, ...more }, { ...asked, programs: asked.ranks.map(() => does), groups: groupsOf(asked) }, 'rig')
const specOf = (asked: CredentialedOrder, more: Partial<GangSite> = {}) =>
  jobsFor(asked, more)[0]?.spec ?? assert.fail()

test('roles on nodes of two shapes are a Job each, which asks for what the accelerators of its shape are called', () => {
  const [lead, work] = order(['m0', 'g0']).ranks
  assert.ok(lead && work)
  const ranks = [
    { ...lead, shape: { ...lead.shape, name: 'highmem', memoryMiB: 4096 } },
    { ...work, shape: { ...work.shape, name: '8xh100', accelerators: 8 } },
  ]
  const jobs = jobsFor({ ...order([]), ranks }, { acceleratorResource: (shape) => `${shape}.com/gpu` })
  const asked = jobs.map(({ spec: { template } }) => ({
    on: template.spec.affinity?.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms
      .flatMap(({ matchFields }) => matchFields)
      .flatMap(({ values }) => values),
    limits: template.spec.containers[0]?.resources.limits,
  }))
  assert.deepEqual(asked, [
    { on: ['m0'], limits: { cpu: '1500m', memory: '4096Mi' } },
    { on: ['g0'], limits: { cpu: '1500m', memory: '256Mi', '8xh100.com/gpu': '8' } },
  ])
})

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

type Template = ReturnType<typeof jobsFor>[number]['spec']['template']

/** As Kubernetes reads it: one of the terms holds, of which each field does. Whoever names no node may be on any. */
function mayBeOn({ spec }: Template, node: string): boolean {
  const terms = spec.affinity?.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms
  return (
    terms?.some(({ matchFields }) =>
      matchFields.every(({ key, operator, values }) => {
        assert.deepEqual([key, operator, values.length], ['metadata.name', 'In', 1])
        return values[0] === node
      }),
    ) ?? true
  )
}

/** Ranks by their nodes: in the order of these, as the engine gives them, or in any. */
const placed = fc
  .record({ nodes: fc.integer({ min: 1, max: 300 }), each: fc.integer({ min: 1, max: 4 }), swaps: fc.array(fc.nat()) })
  .map(({ nodes, each, swaps }) => {
    const at = Array.from({ length: nodes * each }, (_, rank) => `n${Math.floor(rank / each)}`)
    for (const [from, swap] of swaps.entries()) {
      const [one, other] = [from % at.length, swap % at.length]
      ;[at[one], at[other]] = [at[other] ?? '', at[one] ?? '']
    }
    return at
  })

test('however a gang is divided into Jobs, each of its ranks may be on the nodes chosen for it and on no other', () => {
  fc.assert(
    fc.property(placed, (at) => {
      const asked = order(at)
      const jobs = jobsFor(asked)
      const all = [...new Set(at), 'another']
      let next = 0
      const seen = new Set<string>()
      for (const [number, { metadata, spec }] of jobs.entries()) {
        assert.deepEqual(
          [metadata.name, metadata.labels['isobar.dev/first-rank']],
          [groupName('l-1', number), `${next}`],
        )
        const own = new Set(at.slice(next, next + spec.completions))
        next += spec.completions
        for (const node of all) assert.equal(mayBeOn(spec.template, node), own.has(node), `${metadata.name} on ${node}`)
        for (const node of own) {
          assert.ok(!seen.has(node), 'no two Jobs fill the places of a node, of which one would take the other')
          seen.add(node)
        }
      }
      assert.equal(next, at.length)
    }),
    { seed: 20261122, numRuns: 200 },
  )
})

test('a gang in the order of its nodes is divided so that no pod names more than sixty-four', () => {
  const jobs = jobsFor(order(Array.from({ length: 2000 }, (_, rank) => `n${rank >> 1}`)))
  assert.deepEqual(
    jobs.map(({ spec }) => spec.completions),
    [...Array.from({ length: 15 }, () => 128), 80],
  )
  assert.equal(jobsFor(order(Array.from({ length: 2000 }, () => undefined))).length, 1, 'none of them names a node')
})

test('ranks that share a node are not kept apart', () => {
  assert.equal(specOf(order(['a', 'a'])).template.spec.affinity?.podAntiAffinity, undefined)
})

/** Whether two ranks of eight accelerators each are kept apart on nodes that have so many. */
function apartOn(...accelerators: number[]): boolean {
  const [rank] = order([undefined], 8).ranks
  const shape = { ...(rank?.shape ?? assert.fail()), cpuMilli: 192_000, memoryMiB: 1_024_000 }
  const other = { deviceClass: undefined, fabric: { rdma: {}, imex: false } }
  const kinds = accelerators.map((has, at) => [`n${at}`, { shape: { ...shape, accelerators: has }, ...other }] as const)
  const { affinity } = specOf(order(['n0', 'n1'], 8), { kinds: new Map(kinds) }).template.spec
  return affinity?.podAntiAffinity !== undefined
}

test('ranks are kept apart only on nodes that may hold two of them', () => {
  assert.equal(apartOn(8, 15), false)
  assert.equal(apartOn(8, 16), true)
  assert.equal(apartOn(8), true, 'of the other nothing is known')
})

test('pods are spread in a way for which no node is compared with the names of those that were chosen', () => {
  const spread = specOf(order(['a', 'b'])).template.spec.topologySpreadConstraints
  assert.deepEqual(
    spread?.map(({ whenUnsatisfiable, nodeAffinityPolicy }) => [whenUnsatisfiable, nodeAffinityPolicy]),
    [['ScheduleAnyway', 'Ignore']],
  )
  assert.equal(specOf(order([undefined])).template.spec.topologySpreadConstraints, undefined)
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

test('ranks that ask for different things are Jobs of their own, each on its nodes, which know their first rank', () => {
  const asked = order(['a', 'b', 'c'])
  const [head, ...workers] = asked.ranks
  const sized = workers.map((rank) => ({ ...rank, shape: { ...rank.shape, accelerators: 4 } }))
  const jobs = jobsFor({ ...asked, ranks: [head ?? assert.fail(), ...sized] })
  assert.deepEqual(
    jobs.map(({ metadata, spec }) => [metadata.name, metadata.labels['isobar.dev/first-rank'], spec.completions]),
    [
      ['isobar-l-1', '0', 1],
      ['isobar-l-1-g1', '1', 2],
    ],
  )
  const [, { spec }] = jobs as [unknown, (typeof jobs)[number]]
  const { template } = spec
  const names = template.spec.affinity?.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms
  assert.deepEqual(
    names?.map(({ matchFields }) => matchFields[0]?.values),
    [['b'], ['c']],
  )
  assert.ok(template.spec.affinity?.podAntiAffinity, 'no two of the gang share a node')
  assert.deepEqual(template.spec.containers[0]?.env, [{ name: 'ISOBAR_FIRST_RANK', value: '1' }])
  assert.deepEqual(
    [template.spec.subdomain, template.metadata.labels['isobar.dev/first-rank']],
    ['isobar-l-1', '1'],
    'all find each other below one name',
  )
})

test('a service has its ports, and is checked as its spec says, in whole seconds', () => {
  const readiness = { path: '/healthz', periodMs: 200, timeoutMs: 1500, failures: 4 }
  const [job] = jobsFor(order([undefined]), {}, { ...program, ports: [8080, 9090], readiness })
  const [container] = job?.spec.template.spec.containers ?? []
  assert.deepEqual(
    [
      container && 'ports' in container && container.ports,
      container && 'readinessProbe' in container && container.readinessProbe,
    ],
    [
      [{ containerPort: 8080 }, { containerPort: 9090 }],
      { httpGet: { path: '/healthz', port: 8080 }, periodSeconds: 1, timeoutSeconds: 2, failureThreshold: 4 },
    ],
  )
})

test('what is claimed is no resource; a channel is taken only by ranks that have a node of their own', () => {
  const fabric: Kind['fabric'] = { rdma: { 'rdma/ib': 63 }, imex: true }
  const [whole] = order(['a'], 8).ranks
  const kind = { shape: whole?.shape ?? assert.fail(), deviceClass: 'gpu.nvidia.com', fabric }
  const kinds = new Map<string, Kind>([
    ['a', kind],
    ['b', { ...kind, fabric: { ...fabric, rdma: {} } }],
  ])
  const on = (...nodes: string[]) => {
    const asked = order(nodes, 4)
    const network = { rdma: 'preferred', imex: 'preferred' } as const
    const ranks = asked.ranks.map((rank) => ({ ...rank, network, sharedMemoryMiB: 64 }))
    const { spec } = specOf({ ...asked, ranks }, { kinds }).template
    const [container] = spec.containers
    return {
      claims: spec.resourceClaims?.map(({ name }) => name),
      asks: Object.keys(container?.resources.requests ?? {}),
      memory: spec.volumes.find(({ name }) => name === 'shared-memory'),
    }
  }
  const alone = on('a')
  assert.deepEqual(alone.claims, ['accelerators', 'imex'])
  assert.deepEqual(alone.asks, ['rdma/ib', 'cpu', 'memory'])
  assert.deepEqual(alone.memory, { name: 'shared-memory', emptyDir: { medium: 'Memory', sizeLimit: '64Mi' } })
  assert.deepEqual(on('a', 'a').claims, ['accelerators'])
  assert.deepEqual(on('a', 'b').asks, ['cpu', 'memory'])
})

test('where checkpoints go to a store, a container beside each rank keeps them, and it alone has the keys', async () => {
  const keys = { AWS_ACCESS_KEY_ID: 'id', AWS_SECRET_ACCESS_KEY: 'hidden' }
  const at = { bucket: 'b', prefix: '', endpoint: 'http://s3.test', region: 'r', addressing: 'path' } as const
  const kept: Program = { ...program, checkpointStore: { ...at, keys } }
  const asked = order(['a', 'b'])
  const [job] = jobsFor(asked, { checkpointsImage: 'own/node:24' }, kept)
  const { initContainers = [], containers, volumes } = job?.spec.template.spec ?? assert.fail()
  const [keeper] = initContainers
  assert.deepEqual([keeper?.name, keeper?.image, keeper?.restartPolicy], ['checkpoints', 'own/node:24', 'Always'])
  assert.deepEqual(keeper?.resources.requests, { cpu: '0', memory: '0' })
  const secretOfVolume = (name: string | undefined) =>
    volumes.flatMap((one) => (one.name === name && 'secret' in one ? (one.secret?.secretName ?? []) : []))
  const secrets = (mounts: { name: string }[]) => mounts.flatMap(({ name }) => secretOfVolume(name))
  assert.deepEqual(secrets(keeper?.volumeMounts ?? []), ['isobar-l-1-checkpoints'])
  assert.deepEqual(secrets(containers[0]?.volumeMounts ?? []), ['isobar-l-1'])
  assert.doesNotMatch(JSON.stringify(job), /hidden/)

  const programmed = { ...asked, programs: [kept, kept], groups: groupsOf(asked) }
  const owner = { name: 'isobar-l-1', uid: 'u' }
  const secret = keeperSecretOf(site, programmed, { owner, agent: await agentFiles(keeperEntry) })
  assert.equal(secret?.metadata.name, 'isobar-l-1-checkpoints')
  assert.deepEqual(secret?.metadata.ownerReferences[0]?.uid, 'u')
  assert.match(secret?.stringData['order'] ?? '', /hidden/)
  assert.ok(JSON.stringify(secret).length < 200_000, 'a Secret holds 1 MiB')
  assert.deepEqual(jobsFor(asked)[0]?.spec.template.spec.initContainers, undefined)
})

test('where a site names a user, all that runs in its pods is that user and may not become more', () => {
  const at = { bucket: 'b', prefix: '', endpoint: 'http://s3.test', region: 'r', addressing: 'path' } as const
  const kept: Program = { ...program, checkpointStore: { ...at, keys: {} } }
  const [job] = jobsFor(order(['a']), { runAsUser: 1000 }, kept)
  const { initContainers = [], containers, securityContext } = job?.spec.template.spec ?? assert.fail()
  assert.deepEqual([securityContext?.runAsNonRoot, securityContext?.runAsUser], [true, 1000])
  for (const one of [...initContainers, ...containers])
    assert.deepEqual(one.securityContext, { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } })
  assert.equal(specOf(order(['a'])).template.spec.securityContext, undefined)
})
