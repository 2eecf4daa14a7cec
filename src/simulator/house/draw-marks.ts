import type { WrittenSpec } from '#model/spec/spec.ts'
import { nodeName, repairTaint } from '#providers/simulated/machines.ts'
import type { Draw } from './chance.ts'
import type { Measure } from './measure.ts'
import type { Step, Story, StorySite } from './story.ts'

/**
 * The same story, but where nodes have names some of them have labels and taints, nodes get a taint for a while, and work
 * asks for labels and tolerates taints. It has draws of its own, so that all else of a seed stays as it was.
 */
export function withMarks(draw: Draw, story: Story, { marked }: Pick<Measure, 'marked'>): Story {
  const { cloud, steps, calmAt } = story
  if (!cloud.sites.some(({ racks }) => racks) || !draw.chance(marked)) return story
  const sites = cloud.sites.map((site) => markedSite(draw, site))
  return {
    ...story,
    cloud: { ...cloud, sites },
    steps: [
      ...steps.map((step) => (step.do === 'submit' ? { ...step, spec: choosy(draw, step.spec) } : step)),
      ...sites.flatMap((site) => Array.from({ length: draw.between(0, 3) }, () => taintStep(draw, site, calmAt))),
    ].sort((one, other) => one.at - other.at),
  }
}

const marks = [
  {},
  {},
  { labels: { pool: 'a' } },
  { labels: { pool: 'b' } },
  { taints: ['dedicated'] },
  { labels: { pool: 'a' }, taints: ['dedicated'] },
] as const

function markedSite(draw: Draw, site: StorySite): StorySite {
  if (!site.racks || !draw.chance(0.7)) return site
  const drawn = Array.from({ length: draw.between(1, 4) }, () => {
    const { labels, taints } = { labels: undefined, taints: undefined, ...draw.of(marks) }
    return { ...(labels && { labels }), ...(taints && { taints: [...taints] }) }
  })
  return { ...site, racks: { ...site.racks, marks: drawn } }
}

const taintStep = (draw: Draw, { name, pools }: StorySite, calmAt: number): Step => ({
  at: draw.between(0, calmAt * 0.8),
  do: 'node',
  site: name,
  node: nodeName(0, draw.between(0, pools[0]?.nodes ?? 1)),
  how: 'tainted',
  forMs: draw.of([5_000, 60_000, 400_000]),
})

function choosy(draw: Draw, spec: WrittenSpec): WrittenSpec {
  const more = {
    ...(draw.chance(0.25) && { nodeLabels: { pool: draw.of(['a', 'a', 'b']) } }),
    ...(draw.chance(0.4) && { tolerations: [...draw.of([['dedicated'], ['dedicated', repairTaint], [repairTaint]])] }),
  }
  return { ...spec, placement: { ...spec.placement, ...more } }
}
