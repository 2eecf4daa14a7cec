import * as fc from 'fast-check'

import type { Snapshot } from '#engine/placement/facts.ts'
import { place } from '#engine/placement/place.ts'
import type { Decision } from '#model/plan.ts'
import { isPart } from '#model/resources.ts'
import { topologyRules } from '#model/spec/topology-rules.ts'
import type { Workload } from '#model/workload.ts'
import { aJob, aNow, anArray, anOffer, aProject, aService, aSite, aSnapshot, someNodes } from './builders.ts'

/** Fleets and queues as properties of the engine draw them. */

/** One of these; without the literal types of `constantFrom`, which no spec takes. */
const oneOf = <T>(...values: [T, ...T[]]): fc.Arbitrary<T> =>
  fc.nat(values.length - 1).map((i) => values[i] ?? values[0])

const offer = fc.record({
  gpus: oneOf(0, 4, 8),
  gpu: oneOf('H100', 'H200'),
  price: fc.integer({ min: 0, max: 30 }),
  tier: oneOf('committed' as const, 'spot' as const, 'on-demand' as const),
  divisible: fc.boolean(),
  mig: fc.boolean(),
  images: fc.boolean(),
  available: fc.option(fc.nat(6), { nil: undefined }),
})

const site = fc
  .record({
    provider: oneOf('local' as const, 'simulated' as const),
    name: oneOf('a', 'b', 'c'),
    jurisdictions: oneOf(['US'], ['DE', 'EU']),
    reach: oneOf('reachable' as const, 'reachable' as const, 'unreachable' as const),
    offers: fc.uniqueArray(offer, { maxLength: 3, selector: (each) => `${each.tier} ${anOffer(each).shape.name}` }),
    nodes: fc.option(fc.nat(6)),
    perDomain: oneOf<number[]>([], [2], [2, 4]),
    usable: fc.boolean(),
    foreign: fc.nat(4),
  })
  .map(({ nodes, perDomain, usable, foreign, ...words }) => {
    const inventory = words.offers.flatMap((each, kind) =>
      someNodes(nodes ?? 0, each, perDomain).map((node, i) => ({
        ...node,
        name: `${kind}-${node.name}`,
        usable: usable || i > 0,
        ...(foreign > 0 && i === 1
          ? { foreign: { cpuMilli: foreign * 1000, memoryMiB: 100, diskMiB: 0, accelerators: 0 } }
          : {}),
      })),
    )
    return aSite({ ...words, nodes: nodes === null ? null : inventory })
  })

type Words = NonNullable<Parameters<typeof aJob>[0]>

const anySpec = fc.record({
  project: oneOf('red', 'blue'),
  priority: oneOf(0, 0, 1),
  nodes: oneOf(1, 1, 2, 3, 5),
  resources: oneOf<NonNullable<Words['resources']>>(
    {},
    { cpus: 4 },
    { cpus: '8+', memory: '10GB' },
    { memory: '60GB+' },
    { accelerators: 'h100:1' },
    { accelerators: ['H200:8', 'H100:4'] },
    { accelerators: { any: ['80GB+:2', 'H200:1'] } },
    { accelerators: 'H100:16' },
    { accelerators: 'H100:0.5', cpus: 2 },
    { accelerators: { any: ['80GB+:0.3', 'H100/1g.10gb'] } },
    { accelerators: ['H100/3g.40gb', 'H200:0.7'], memory: '10GB' },
  ),
  topology: oneOf<Words['topology']>(
    undefined,
    { within: 'nvlink' },
    { within: 'block' },
    { within: 'block' as const, required: false },
    { slices: { ranks: 1, within: 'nvlink' } },
    { spread: { within: 'node', most: 1 } },
    { spread: { within: 'nvlink', most: 2 } },
    { balanced: 'nvlink' },
    { exclusive: 'node' },
    { exclusive: 'nvlink' },
    { spares: { count: 1, within: 'nvlink' } },
    { within: 'block', exclusive: 'nvlink', spares: { count: 1, within: 'block' } },
  ),
  placement: oneOf<NonNullable<Words['placement']>>(
    {},
    { jurisdictions: ['EU'] },
    { maxPrice: '$10/h' },
    { tiers: ['spot'] },
    { spread: 'site' },
    { spread: 'provider' },
  ),
  image: oneOf<string | undefined>(undefined, undefined, undefined, 'an/image'),
})

/** Those that a spec may ask for: who has a part of an accelerator knows no other topology than `within`. */
export const spec = anySpec.filter((words) => topologyRules(aJob(words).spec).length === 0)

export const workload = fc
  .tuple(spec, oneOf('job', 'service', 'array'), fc.nat(5), fc.nat(12))
  .map(([words, kind, age, size]) => ({
    words,
    kind,
    size,
    row: { createdAt: aNow - age },
  }))

export function named(drawn: typeof workload extends fc.Arbitrary<infer T> ? T : never, id: string): Workload {
  const { words, kind, size, row } = drawn
  const job = aJob({ ...words, name: id }, row)
  const isOfParts = job.spec.resources.accelerators.some(isPart)
  if (kind === 'service') return aService({ ...words, name: id, nodes: 1, replicas: size % 4 }, row)
  if (kind === 'array' && !isOfParts)
    return anArray({ ...words, name: id, nodes: 1, tasks: size + 1, parallelism: size + 1 }, row)
  return job
}

const project = (name: string, parent: string | null) =>
  fc
    .record({
      quota: fc.record({
        accelerators: fc.option(fc.nat(20), { nil: undefined }),
        cpuMilli: fc.option(fc.integer({ min: 0, max: 200_000 }), { nil: undefined }),
        nodes: fc.option(fc.nat(10), { nil: undefined }),
        domains: oneOf<{ nvlink?: number; block?: number } | undefined>(
          undefined,
          undefined,
          { nvlink: 2 },
          { block: 1 },
        ),
      }),
      borrowing: oneOf({}, {}, { nodes: 2 }, { accelerators: 0 }, { domains: { nvlink: 1 } }),
      lending: oneOf({}, {}, { nodes: 1 }, { cpuMilli: 10_000 }),
      policy: fc.record({
        maxProviderShare: oneOf<number | undefined>(undefined, undefined, 0.5, 0.7),
        maxPriceMicros: oneOf<number | undefined>(undefined, undefined, 20_000_000),
        jurisdictions: oneOf<string[] | undefined>(undefined, undefined, ['EU']),
      }),
    })
    .map((words) => aProject({ name, parent, ...words }))

export const sites = fc.uniqueArray(site, { maxLength: 5, selector: (each) => each.site })

/** A fleet and a queue; half of the queue was placed in an earlier round and holds leases. */
export const snapshot = fc
  .record({
    sites,
    projects: fc.oneof(
      fc.tuple(project('red', null), project('blue', null)),
      fc.tuple(project('red', 'all'), project('blue', 'all'), project('all', null)),
      fc.tuple(project('red', null), project('blue', 'red')),
    ),
    before: fc.array(workload, { maxLength: 5 }),
    waiting: fc.array(workload, { maxLength: 10 }),
  })
  .map(({ before, waiting, ...facts }) => {
    const early = aSnapshot({ ...facts, waiting: before.map((each, i) => named(each, `before${i}`)) })
    const leases = leasesOf(early, place({ snapshot: early, now: aNow }))
    return aSnapshot({ ...facts, leases, waiting: waiting.map((each, i) => named(each, `w${i}`)) })
  })

function leasesOf({ waiting }: Snapshot, decisions: Decision[]): Snapshot['leases'] {
  return decisions.flatMap(({ workload: id, placement }, i) => {
    const asked = waiting.find((each) => each.workload.id === id)
    return placement && asked ? [{ ...placement, id: `l-${i}`, workload: id, project: asked.workload.project }] : []
  })
}
