import { Spec, type WrittenSpec } from '#model/spec/spec.ts'
import { topologyRules } from '#model/spec/topology-rules.ts'
import { nodeName } from '#providers/simulated/machines.ts'
import type { Draw } from './chance.ts'
import type { Measure } from './measure.ts'
import { namedShape } from './shape.ts'
import type { Step, Story } from './story.ts'

type Site = Story['cloud']['sites'][number]

/**
 * The same story, but in some of them the nodes have names, accelerators, racks and blocks, work asks for these, and single
 * nodes fail. It has draws of its own, so that all else of a seed stays as it was.
 */
export function withNodes(draw: Draw, story: Story, { named, unrest }: Measure): Story {
  if (!draw.chance(named)) return story
  const sites = story.cloud.sites.map((site) => namedSite(draw, site))
  const { calmAt } = story
  return {
    ...story,
    cloud: { ...story.cloud, sites },
    troubles: [...story.troubles, ...(draw.chance(0.3 * unrest) ? [staleAt(draw, sites, calmAt)] : [])],
    projects: story.projects.map(({ name, fields }) => ({ name, fields: inAccelerators(draw, fields) })),
    steps: [
      ...story.steps.map((step) => (step.do === 'submit' ? { ...step, spec: onNodes(draw, step.spec) } : step)),
      ...sites.flatMap((site) => Array.from({ length: draw.between(0, 8) }, () => nodeStep(draw, site, calmAt))),
      ...(draw.chance(0.2 * unrest) ? [metBy(draw, story)] : []),
    ].sort((one, other) => one.at - other.at),
  }
}

const namedSite = (draw: Draw, { pools: [pool], ...site }: Site): Site => ({
  ...site,
  pools: [
    {
      tier: pool?.tier ?? 'on-demand',
      shape: draw.chance(0.3) ? { ...namedShape, mig: true } : namedShape,
      priceMicros: pool?.priceMicros ?? 0,
      nodes: draw.between(2, 12),
      ...(draw.chance(0.4) && { divisible: true as const }),
    },
  ],
  racks: { nodes: draw.of([2, 2, 4, 8]), inBlock: draw.of([1, 2, 2]) },
})

/** What is told of nodes is old, not true, or does not come. */
function staleAt(draw: Draw, sites: Site[], calmAt: number): Story['troubles'][number] {
  const fromMs = draw.between(0, calmAt / 2)
  return {
    trouble: draw.of(['old-offers', 'false-offers', 'slow', 'unreachable', 'lost-reply']),
    site: draw.any(
      sites.map(({ name }) => name),
      'site-0',
    ),
    calls: ['inventory'],
    share: draw.of([0.1, 0.5, 1]),
    fromMs,
    toMs: draw.between(fromMs, calmAt),
  }
}

/** One of the nodes of a site, or one that is not there yet. */
const nodeStep = (draw: Draw, { name, pools }: Site, calmAt: number): Step => ({
  at: draw.between(0, calmAt * 0.8),
  do: 'node',
  site: name,
  node: nodeName(0, draw.between(0, pools[0]?.nodes ?? 1)),
  how: draw.of(['down', 'down', 'away', 'cordoned', 'hung']),
  forMs: draw.of([5_000, 60_000, 400_000]),
})

function metBy(draw: Draw, { planes, calmAt }: Pick<Story, 'planes' | 'calmAt'>): Step {
  const met = {
    at: draw.between(0, calmAt * 0.8),
    plane: draw.any(planes, { name: 'a', skewMs: 0 }).name,
    call: 'provider.inventory',
    nth: draw.of([1, 2, 5]),
    edge: draw.of(['before', 'after']),
  } as const
  return draw.chance(0.5)
    ? { ...met, do: 'kill', downMs: draw.of([0, 1_000, 30_000]) }
    : { ...met, do: 'pause', forMs: draw.of([5_000, 15_000, 90_000]) }
}

/** Half of the projects may hold so many accelerators, or parts of so many racks. */
const inAccelerators = (draw: Draw, fields: Record<string, unknown>): Record<string, unknown> => {
  const quota = draw.of([
    null,
    null,
    { accelerators: draw.between(4, 48) },
    { domains: { nvlink: draw.between(1, 6) } },
  ])
  return quota === null ? fields : { ...fields, quota: { ...(fields['quota'] as object | undefined), ...quota } }
}

/** The same work, but mostly on accelerators, and gangs in domains. */
function onNodes(draw: Draw, spec: WrittenSpec): WrittenSpec {
  const on = draw.chance(0.7) ? withAccelerators(draw, spec) : spec
  if (on.kind !== 'job' || !draw.chance(0.8) || (on.nodes ?? 1) > 100) return on
  const nodes = draw.of([1, 2, 2, 3, 4, 4, 6, 8])
  const gang = draw.chance(0.25) ? { ...on, nodes: undefined, roles: rolesOf(nodes) } : { ...on, nodes }
  const close = { ...gang, topology: topologyOf(draw) }
  const read = Spec.safeParse(close)
  return read.success && topologyRules(read.data).length === 0 ? close : gang
}

const withAccelerators = (draw: Draw, spec: WrittenSpec): WrittenSpec => ({
  ...spec,
  resources: {
    ...spec.resources,
    accelerators: draw.of([
      'H100:4',
      'H100:4',
      'H100:1',
      '80GB+:2',
      'H100:0.5',
      'H100:0.3',
      'H100/1g.10gb',
      'H100/3g.40gb',
    ]),
  },
})

const rolesOf = (nodes: number) => [
  { name: 'lead', nodes: 1 },
  { name: 'work', nodes },
]

const levels = ['node', 'nvlink', 'block'] as const

const topologyOf = (draw: Draw) => ({
  within: draw.of(['nvlink', 'nvlink', 'block', 'site']),
  required: draw.chance(0.6),
  ...(draw.chance(0.2) && { slices: { ranks: draw.of([1, 2, 4]), within: draw.of(levels) } }),
  ...(draw.chance(0.1) && { balanced: draw.of(levels) }),
  ...(draw.chance(0.15) && { spread: { within: draw.of(levels), most: draw.between(1, 4) } }),
  ...(draw.chance(0.15) && { exclusive: draw.of(levels) }),
  ...(draw.chance(0.3) && { spares: { count: 1, within: draw.of(['nvlink', 'block']) } }),
})
