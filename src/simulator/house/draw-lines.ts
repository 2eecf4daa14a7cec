import type { Draw } from './chance.ts'
import type { Measure } from './measure.ts'
import type { Story, StorySite } from './story.ts'

/**
 * The same story, but at some sites an order stands in line before its nodes are held, and where nodes have names ranks
 * change places among those that they were ordered for; and some of our agents never reach anybody. It has draws of its own, so that all else of a seed stays as it was.
 */
export function withLines(draw: Draw, story: Story, { lines }: Pick<Measure, 'lines'>): Story {
  const { cloud, agents } = story
  const cutOff = agents.sites.length > 0 && draw.chance(lines) && { cutOff: draw.of([0.1, 0.4]) }
  const byAgents = new Set(agents.sites)
  return {
    ...story,
    agents: { ...agents, ...cutOff },
    cloud: { ...cloud, sites: cloud.sites.map((site) => lined(site)) },
  }

  function lined(site: StorySite): StorySite {
    const standing = draw.chance(lines) && {
      lineMs: [0, draw.of([5_000, 40_000, 100_000, 400_000])] as [number, number],
    }
    // Our agents do not say on which node they are.
    const moving = site.racks && !byAgents.has(site.name) && draw.chance(lines) && { shuffled: draw.of([0.5, 1]) }
    return standing || moving ? { ...site, faults: { ...site.faults, ...standing, ...moving } } : site
  }
}
