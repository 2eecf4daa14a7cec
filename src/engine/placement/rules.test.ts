import assert from 'node:assert/strict'
import { test } from 'node:test'

import { rules, type Rule } from '#model/plan.ts'
import type { Shape } from '#model/resources.ts'
import { anOffer, aJob, aLease, aNow, aProject, aReplica, aSite, aSnapshot, someNodes } from '#test/builders.ts'
import { check } from './check.ts'
import type { Snapshot } from './facts.ts'
import { place } from './place.ts'

type Job = Parameters<typeof aJob>[0]
type Example = {
  job?: Job
  site?: Parameters<typeof aSite>[0]
  more?: Partial<Snapshot>
  avoid?: Record<string, number>
  says: string
  impossible: boolean
}

const onNode = (node: string, accelerators: number) =>
  aLease({ ranks: [{ rank: 0, node, cpuMilli: 1, memoryMiB: 1, diskMiB: 1, accelerators }] })

const telling = (more: Pick<Shape, 'sharedMemoryMiB' | 'network'>) =>
  someNodes(1).map((node) => ({ ...node, shape: { ...node.shape, ...more } }))

const eightGpus = { nodes: someNodes(2, { gpus: 8 }) }
const policy = (words: Parameters<typeof aProject>[0]) => ({ projects: [aProject(words)] })

/** Of each rule that one offer alone may break; the plan for a deadline chooses between two (`deadline.test.ts`). */
const examples: Record<Exclude<Rule, 'spot-plan'>, Example[]> = {
  'site-unreachable': [
    { site: { reach: 'unreachable', detail: 'timed out' }, says: 'it does not answer: timed out', impossible: false },
    { site: { reach: 'denied' }, says: 'it refuses our credential', impossible: false },
  ],
  'recently-refused': [
    {
      avoid: { 'local/west': aNow + 1500 },
      says: 'it refused this lately; it is asked again from 2026-01-01T00:00:02Z on',
      impossible: false,
    },
  ],
  'provider-not-allowed': [
    {
      job: { placement: { providers: ['aws', 'gcp'] } },
      says: 'it is local; the spec allows only aws or gcp',
      impossible: true,
    },
    {
      more: policy({ policy: { providers: ['aws'] } }),
      says: 'it is local; project default allows only aws',
      impossible: true,
    },
  ],
  'site-not-allowed': [
    {
      job: { placement: { sites: ['local/east'] } },
      says: 'it is local/west; the spec allows only local/east',
      impossible: true,
    },
    {
      more: policy({ policy: { sites: ['local/east'] } }),
      says: 'it is local/west; project default allows only local/east',
      impossible: true,
    },
  ],
  'tier-not-allowed': [
    { job: { placement: { tiers: ['spot'] } }, says: 'it is on-demand; the spec allows only spot', impossible: true },
  ],
  jurisdiction: [
    { job: { placement: { jurisdictions: ['EU'] } }, says: 'it is US; the spec allows only EU', impossible: true },
    {
      more: policy({ policy: { jurisdictions: ['EU'] } }),
      says: 'it is US; project default allows only EU',
      impossible: true,
    },
  ],
  residency: [
    {
      job: {
        data: [
          { name: 'open', location: 's3://open' },
          { name: 'patients', location: 's3://p', jurisdictions: ['DE'] },
        ],
      },
      says: 'it is US; data set patients allows only DE',
      impossible: true,
    },
    {
      job: { data: [{ name: 'secret', location: 's3://s', jurisdictions: [] }] },
      says: 'it is US; data set secret allows only none',
      impossible: true,
    },
  ],
  image: [{ job: { image: 'an/image' }, says: 'it runs no container images', impossible: true }],
  accelerator: [
    {
      job: { resources: { accelerators: 'H200:8' } },
      says: 'a node has no accelerator, asked for 8 H200',
      impossible: true,
    },
    {
      job: { resources: { accelerators: 'H100:16' } },
      site: eightGpus,
      says: 'a node has 8 H100, asked for 16 H100',
      impossible: true,
    },
    {
      job: { resources: { accelerators: ['H200:8', '141GB+:4'] } },
      site: eightGpus,
      says: 'a node has 8 H100 (80GB each), asked for 8 H200 or 4 accelerators of 141GB or more',
      impossible: true,
    },
    {
      job: { resources: { accelerators: '40GB:1' } },
      site: eightGpus,
      says: 'a node has 8 H100 (80GB each), asked for 1 accelerator of exactly 40GB',
      impossible: true,
    },
  ],
  cpus: [
    { job: { resources: { cpus: '32+' } }, says: 'a node has 16 CPUs, asked for 32 CPUs', impossible: true },
    {
      job: { resources: { cpus: 4 } },
      site: { offers: [{ divisible: false }] },
      says: 'a node has 16 CPUs, asked for exactly 4 CPUs; add a + for at least',
      impossible: true,
    },
  ],
  memory: [
    {
      job: { resources: { memory: '100GB' } },
      says: 'a node has 64GB of memory, asked for 100GB of memory',
      impossible: true,
    },
    {
      job: { resources: { sharedMemory: '8GB' } },
      says: 'it does not tell how much a node has of shared memory, asked for 8GB',
      impossible: true,
    },
    {
      job: { resources: { sharedMemory: '8GB', memory: '16GB' } },
      site: { nodes: telling({ sharedMemoryMiB: 4096 }) },
      says: 'a node has 4GB of shared memory, asked for 8GB',
      impossible: true,
    },
  ],
  network: [
    {
      job: { resources: { network: ['rdma', 'imex'] } },
      site: { nodes: telling({ network: ['rdma'] }) },
      says: 'it tells of no imex at its nodes, asked for rdma and imex',
      impossible: true,
    },
  ],
  disk: [
    { job: { resources: { disk: '2TB+' } }, says: 'a node has 1TB of disk, asked for 2TB of disk', impossible: true },
  ],
  node: [
    {
      job: { placement: { nodeLabels: { rack: 'r1' } } },
      site: { nodes: someNodes(2, { labels: { rack: 'r2' } }) },
      says: 'no node has rack=r1',
      impossible: true,
    },
    {
      job: { placement: { nodeLabels: { rack: 'r1' } } },
      site: { offers: [{}] },
      says: 'it does not tell the labels of its nodes',
      impossible: true,
    },
    {
      job: { placement: { tolerations: ['old'] } },
      site: { nodes: someNodes(2, { taints: ['debug-only'] }) },
      says: 'all its nodes have taints: debug-only; the spec tolerates old',
      impossible: true,
    },
  ],
  topology: [
    {
      job: { nodes: 4, topology: { slices: { ranks: 2, within: 'nvlink' } } },
      site: { offers: [{}] },
      says: 'it does not tell how its nodes are connected, asked for in slices of 2, each in one nvlink',
      impossible: true,
    },
    {
      job: { nodes: 2, topology: { within: 'block' } },
      says: 'it does not tell how its nodes are connected, asked for one block',
      impossible: true,
    },
    {
      job: { nodes: 3, topology: { within: 'nvlink' }, resources: { accelerators: 'H100:8' } },
      site: { nodes: someNodes(4, { gpus: 8 }, [2, 4]) },
      says: 'needs 3 nodes with 8 H100 in one nvlink; the largest holds 2 when all is free',
      impossible: true,
    },
  ],
  deadline: [
    {
      job: {
        resources: { accelerators: { any: ['H100:1', 'B200:1'] } },
        duration: { expected: '2h' },
        throughput: { B200: 2 },
        deadline: '2026-01-01T01:30:00Z',
      },
      site: eightGpus,
      says: 'on H100 it would run for 2h, beyond its deadline',
      impossible: true,
    },
  ],
  price: [
    {
      job: { placement: { maxPrice: '$0.05/h' } },
      says: 'costs $0.0625/h a node, above the $0.05/h of the spec',
      impossible: true,
    },
    {
      more: policy({ policy: { maxPriceMicros: 10 } }),
      says: 'costs $0.0625/h a node, above the $0.00001/h of project default',
      impossible: true,
    },
  ],
  'capacity-block': [
    {
      site: { offers: [{ available: 1, until: aNow + 1000 }] },
      says: 'its capacity block ends at 2026-01-01T00:00:01Z, and the spec says neither how long it runs nor that it writes checkpoints',
      impossible: true,
    },
    {
      site: { offers: [{ available: 1, from: aNow + 1000 }] },
      says: 'its capacity block begins at 2026-01-01T00:00:01Z',
      impossible: false,
    },
  ],
  'site-limit': [
    {
      job: { nodes: 2, resources: { accelerators: 'H100:8' } },
      site: { offers: [{ gpus: 8, bounds: [{ of: 'accelerators', most: 8, by: 'GrpTRES of account physics' }] }] },
      says: 'needs 16 accelerators; GrpTRES of account physics allows 8 accelerators there',
      impossible: true,
    },
    {
      job: { resources: { cpus: 3 } },
      site: { offers: [{ bounds: [{ of: 'cpuMilli', most: 2000, by: 'MaxTRES of QOS short' }] }] },
      says: 'needs 3 CPUs; MaxTRES of QOS short allows 2 CPUs there',
      impossible: true,
    },
  ],
  quota: [
    {
      job: { resources: { accelerators: 'H100:4' } },
      site: eightGpus,
      more: { ...policy({ quota: { accelerators: 8 } }), leases: [onNode('n0', 6)] },
      says: 'needs 4 accelerators; project default may hold 8 and holds 6',
      impossible: false,
    },
    {
      more: policy({ quota: { cpuMilli: 500 } }),
      says: 'needs 1 CPU; project default may hold 0.5 and holds 0',
      impossible: true,
    },
  ],
  'provider-share': [
    {
      more: { ...policy({ policy: { maxProviderShare: 0.25 } }), leases: [aLease()] },
      says: 'local has 1 of the 1 node of project default, and may have 25% at the most',
      impossible: false,
    },
  ],
  capacity: [
    {
      job: { nodes: 2, topology: { within: 'block' }, resources: { accelerators: 'H100:8' } },
      site: { nodes: someNodes(4, { gpus: 8 }, [1, 2]) },
      more: { leases: [onNode('n0', 1), onNode('n2', 1)] },
      says: 'needs 2 nodes with 8 H100 in one block; the largest free is 1',
      impossible: false,
    },
    {
      job: { nodes: 2, topology: { within: 'nvlink' }, resources: { accelerators: 'H100:8' } },
      site: { nodes: someNodes(4, { gpus: 8 }, [2, 4]) },
      more: { leases: [onNode('n0', 1), onNode('n2', 1)] },
      says: 'needs 2 nodes with 8 H100 in one nvlink; the largest free is 1',
      impossible: false,
    },
    {
      job: { resources: { accelerators: 'H100:8', cpus: 1, memory: '1GB', disk: '1GB' } },
      site: eightGpus,
      more: { leases: [onNode('n0', 1), onNode('n1', 1)] },
      says: 'needs 1 node with 8 H100; 0 are free',
      impossible: false,
    },
    {
      job: { nodes: 9, resources: { accelerators: 'H100:2' } },
      site: eightGpus,
      says: 'needs 9 nodes with 2 H100; there are 8 when all is free',
      impossible: true,
    },
    {
      job: { nodes: 2 },
      site: { offers: [{ available: 1 }] },
      says: 'needs 2 nodes; 1 is to be had',
      impossible: false,
    },
  ],
}

for (const rule of rules)
  for (const { job, site, more, avoid = {}, says, impossible } of rule === 'spot-plan' ? [] : examples[rule])
    test(`${rule}: ${says}`, () => {
      const workload = aJob(job)
      const west = aSite(site?.nodes || site?.offers ? site : { ...site, offers: [{}] })
      const waiting = [{ workload, replica: aReplica(workload, { avoid }) }]
      const input = { snapshot: aSnapshot({ waiting, sites: [west], ...more }), now: aNow }
      const decisions = place(input)
      assert.deepEqual(check(input, decisions), [])
      assert.deepEqual(decisions[0]?.rejections, [
        { site: 'local/west', tier: 'on-demand', shape: west.offers[0]?.shape.name, rule, detail: says },
      ])
      assert.equal(decisions[0].refusal?.cause, rule)
      assert.equal(decisions[0].refusal.impossible, impossible)
    })

test('a gang comes to the nodes that have its network, whatever others of their kind have', () => {
  const nodes = someNodes(3).map((node, i) => ({
    ...node,
    shape: { ...node.shape, ...(i !== 1 && { network: ['rdma' as const] }) },
  }))
  const [shape] = nodes.map((node) => node.shape)
  assert.ok(shape)
  const site = { ...aSite({ nodes }), offers: [{ ...anOffer({ provider: 'local', site: 'west' }), shape }] }
  const placed = (count: number, rdma: 'required' | 'preferred') => {
    const workload = aJob({ nodes: count, resources: { cpus: '12', network: { rdma } } })
    const input = { snapshot: aSnapshot({ waiting: [workload], sites: [site] }), now: aNow }
    const decisions = place(input)
    assert.deepEqual(check(input, decisions), [])
    return decisions[0]?.placement?.ranks.map(({ node }) => node)
  }
  assert.deepEqual(placed(2, 'required'), ['n0', 'n2'])
  assert.equal(placed(3, 'required'), undefined)
  assert.equal(placed(3, 'preferred')?.length, 3)
})

test('ranks that reach memory of each other stand on nodes of their own, however small they are', () => {
  const nodes = someNodes(2).map((node) => ({ ...node, shape: { ...node.shape, network: ['imex' as const] } }))
  const workload = aJob({ nodes: 2, resources: { cpus: '1', network: 'imex' } })
  const input = { snapshot: aSnapshot({ waiting: [workload], sites: [aSite({ nodes })] }), now: aNow }
  const [decision] = place(input)
  assert.deepEqual(
    decision?.placement?.ranks.map(({ node }) => node),
    ['n0', 'n1'],
  )
})

test('models compare without case, and a card that shows a little less than it is sold as is that card', () => {
  const t4 = aSite({ offers: [{ gpus: 1, gpu: 'T4', gpuGB: 15 }] })
  for (const accelerators of ['t4', '16GB', '16GB+', '15GB+']) {
    const snapshot = aSnapshot({ waiting: [aJob({ resources: { accelerators } })], sites: [t4] })
    assert.ok(place({ snapshot, now: aNow })[0]?.placement, accelerators)
  }
})

test('rules of the house hold where a project has none of its own', () => {
  const snapshot = aSnapshot({ waiting: [aJob()], sites: [aSite({ offers: [{}] })] })
  const [decision] = place({ snapshot, now: aNow, defaults: { jurisdictions: ['EU'] } })
  assert.equal(decision?.refusal?.cause, 'jurisdiction')
  const projects = [aProject({ policy: { jurisdictions: ['US'] } })]
  const [own] = place({ snapshot: { ...snapshot, projects }, now: aNow, defaults: { jurisdictions: ['EU'] } })
  assert.equal(own?.refusal, null)
})
