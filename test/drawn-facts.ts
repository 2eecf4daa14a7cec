import * as fc from 'fast-check'

import type { Snapshot } from '#engine/placement/facts.ts'
import { place } from '#engine/placement/place.ts'
import type { EgressTariff } from '#model/egress.ts'
import type { OfferTerms } from '#model/offer.ts'
import type { Decision } from '#model/plan.ts'
import { isPart, type Network, type Shape } from '#model/resources.ts'
import { topologyRules } from '#model/spec/topology-rules.ts'
import type { Workload } from '#model/workload.ts'
import { aJob, aNow, anArray, anOffer, aProject, aService, aSite, aSnapshot, someNodes } from './builders.ts'

/** Fleets and queues as properties of the engine draw them: of each rule of the filter some that it refuses. */

const hour = 3_600_000
const in90Minutes = new Date(aNow + 1.5 * hour).toISOString()

/** One of these; without the literal types of `constantFrom`, which no spec takes. */
export const oneOf = <T>(...values: [T, ...T[]]): fc.Arbitrary<T> =>
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
  terms: oneOf<Partial<OfferTerms>>(
    {},
    {},
    {},
    {},
    { from: aNow + hour },
    { from: aNow - 1, until: aNow + 2 * hour },
    { until: aNow + hour / 2 },
    { takenPpm: 50_000 },
    { commitment: { nodes: 2 } },
  ),
})

const site = fc
  .record({
    provider: oneOf('local' as const, 'simulated' as const),
    name: oneOf('a', 'b', 'c'),
    jurisdictions: oneOf(['US'], ['DE', 'EU']),
    reach: oneOf('reachable' as const, 'reachable' as const, 'unreachable' as const),
    offers: fc.uniqueArray(offer, { maxLength: 3, selector: (each) => `${each.tier} ${anOffer(each).shape.name}` }),
    network: oneOf<Network[] | undefined>(undefined, undefined, ['rdma'], ['rdma', 'imex']),
    labels: fc.boolean(),
    taint: fc.nat(5),
    egress: oneOf<EgressTariff[] | undefined>(
      undefined,
      [{ to: '*', steps: [{ microsPerGB: 50_000 }] }],
      [
        { to: 'EU', steps: [{ untilGB: 200, microsPerGB: 0 }, { microsPerGB: 90_000 }] },
        { to: 'simulated', steps: [{ microsPerGB: 10_000 }] },
      ],
    ),
    nodes: fc.option(fc.nat(6)),
    perDomain: oneOf<number[]>([], [2], [2, 4]),
    usable: fc.boolean(),
    foreign: fc.nat(4),
  })
  .map(({ nodes, perDomain, usable, foreign, network, labels, taint, offers, ...words }) => {
    const withNetwork = <T extends { shape: Shape }>(one: T): T => ({ ...one, shape: { ...one.shape, network } })
    const inventory = offers.flatMap((each, kind) =>
      someNodes(nodes ?? 0, each, perDomain).map((node, i) => ({
        ...(i === 2 ? node : withNetwork(node)),
        name: `${kind}-${node.name}`,
        usable: usable || i > 0,
        ...(labels && { labels: { zone: i % 2 === 0 ? 'even' : 'odd' } }),
        ...(taint > i && { taints: taint > 4 ? ['gpu', 'old'] : ['gpu'] }),
        ...(foreign > 0 && i === 1
          ? { foreign: { cpuMilli: foreign * 1000, memoryMiB: 100, diskMiB: 0, accelerators: 0 } }
          : {}),
      })),
    )
    const drawn = aSite({
      ...words,
      offers: offers.map(({ terms, ...each }) => ({ ...each, ...terms })),
      nodes: nodes === null ? null : inventory,
    })
    return { ...drawn, offers: drawn.offers.map(withNetwork) }
  })

type Words = NonNullable<Parameters<typeof aJob>[0]>

const anySpec = fc.record({
  project: oneOf('red', 'blue'),
  priority: oneOf(0, 0, 1),
  nodes: oneOf(1, 1, 2, 3, 4, 5),
  resources: oneOf<NonNullable<Words['resources']>>(
    {},
    { cpus: 4 },
    { cpus: '8+', memory: '10GB' },
    { memory: '60GB+' },
    { accelerators: 'h100:1' },
    { accelerators: ['H200:8', 'H100:4'] },
    { accelerators: { any: ['80GB+:2', 'H200:1'] } },
    { accelerators: 'H100:16' },
    { accelerators: 'H100:4', network: { rdma: 'required' } },
    { network: { rdma: 'required', imex: 'preferred' } },
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
    { slices: { ranks: 2, within: 'nvlink' } },
    { slices: { ranks: 2, within: 'nvlink' }, within: 'block' },
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
    { providers: ['local'] },
    { sites: ['local/a', 'simulated/b'] },
    { nodeLabels: { zone: 'even' } },
    { tolerations: ['gpu'] },
    { tolerations: ['gpu', 'old'] },
  ),
  image: oneOf<string | undefined>(undefined, undefined, undefined, 'an/image'),
  duration: oneOf<NonNullable<Words['duration']>>({}, { expected: '30m' }, { expected: '3h' }, { maximum: '1h' }),
  deadline: oneOf<string | undefined>(undefined, undefined, undefined, in90Minutes),
  throughput: oneOf<NonNullable<Words['throughput']>>({}, {}, { h200: 4 }, { H100: 0.25, H200: 1.38765 }),
  objective: oneOf('cost' as const, 'cost' as const, 'finish' as const, 'balance' as const),
  checkpoint: oneOf<NonNullable<Words['checkpoint']>>({}, {}, { every: '10m' }),
  budget: oneOf<Words['budget']>(undefined, undefined, { limit: '$5' }),
  data: oneOf<NonNullable<Words['data']>>(
    [],
    [],
    [{ name: 'corpus', location: 's3://corpus', jurisdictions: ['EU'] }],
    [{ name: 'corpus', location: 's3://corpus', site: 'local/a', size: '300GB' }],
    [
      { name: 'corpus', location: 's3://corpus', site: 'local/a', size: '2TB' },
      { name: 'index', location: 's3://index', site: 'local/a', size: '10GB', jurisdictions: ['US', 'EU'] },
    ],
  ),
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
  // These have one node each.
  const alone = { ...words, name: id, nodes: 1, topology: words.topology?.slices ? undefined : words.topology }
  const isOfParts = job.spec.resources.accelerators.some(isPart)
  if (kind === 'service') return aService({ ...alone, replicas: size % 4 }, row)
  if (kind === 'array' && !isOfParts) return anArray({ ...alone, tasks: size + 1, parallelism: size + 1 }, row)
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
        providers: oneOf<'local'[] | undefined>(undefined, undefined, undefined, ['local']),
        sites: oneOf<string[] | undefined>(undefined, undefined, undefined, ['local/a', 'local/b']),
      }),
      budgetMicros: oneOf<number | null>(null, null, 10_000_000),
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
    spent: fc.record({ red: fc.nat(12), w0: fc.nat(6) }),
    sent: fc.nat(400),
    usage: fc.record({ red: fc.nat(8), blue: fc.nat(8) }),
  })
  .map(({ before, waiting, spent, sent, usage, ...drawn }) => {
    const facts = {
      ...drawn,
      spent: new Map([
        ['project/red', BigInt(spent.red) * 1_000_000n],
        ['workload/w-w0', BigInt(spent.w0) * 1_000_000n],
      ]),
      sent: new Map([['local/a', BigInt(sent) * 1_000_000_000n]]),
      usage: new Map(
        Object.entries(usage).map(([name, nodes]) => [
          name,
          { accelerators: nodes * 8000, cpuMilli: nodes * 96_000, memoryMiB: nodes * 1024 * 1024 },
        ]),
      ),
    }
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
