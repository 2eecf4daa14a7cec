import { Spec, type WrittenSpec } from '#model/spec/spec.ts'
import { topologyRules } from '#model/spec/topology-rules.ts'
import type { Draw } from './chance.ts'
import type { Measure } from './measure.ts'
import { roomyShape } from './shape.ts'
import type { Story, StorySite } from './story.ts'

/**
 * The same story, but where nodes have names some sites have roomy ones too, and gangs have a leader that needs one. It has
 * draws of its own, so that all else of a seed stays as it was.
 */
export function withShapes(draw: Draw, story: Story, { shapes }: Pick<Measure, 'shapes'>): Story {
  const { cloud, steps } = story
  if (!cloud.sites.some(({ racks }) => racks) || !draw.chance(shapes)) return story
  return {
    ...story,
    cloud: { ...cloud, sites: cloud.sites.map((site) => withRoomy(draw, site)) },
    steps: steps.map((step) => (step.do === 'submit' ? { ...step, spec: withLeader(draw, step.spec) } : step)),
  }
}

function withRoomy(draw: Draw, site: StorySite): StorySite {
  const [pool] = site.pools
  if (!site.racks || !pool || !draw.chance(0.8)) return site
  const roomy = { tier: pool.tier, shape: roomyShape, priceMicros: draw.between(100_000, 2_000_000) }
  const more = { nodes: draw.between(1, 5), ...(draw.chance(0.5) && { divisible: true as const }) }
  return { ...site, pools: [...site.pools, { ...roomy, ...more }] }
}

function withLeader(draw: Draw, spec: WrittenSpec): WrittenSpec {
  if (spec.kind !== 'job' || (spec.nodes ?? 1) > 8 || !draw.chance(0.6)) return spec
  const work = spec.roles?.at(-1)?.nodes ?? spec.nodes ?? 1
  const lead = { name: 'lead', resources: { cpus: '1+', memory: draw.of(['24GB+', '32GB+', '40GB+']) } }
  const { nodes: _nodes, ...rest } = spec
  const gang = { ...rest, roles: [lead, { name: 'work', nodes: work }] }
  const read = Spec.safeParse(gang)
  return read.success && topologyRules(read.data).length === 0 ? gang : spec
}
