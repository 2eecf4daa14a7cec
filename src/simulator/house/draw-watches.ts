import type { Draw } from './chance.ts'
import type { Measure } from './measure.ts'
import type { Story } from './story.ts'

/** What may befall a watch: it is cut, late, silent without end, told twice, or refused. */
const troubles = ['lost-reply', 'slow', 'timed-out', 'hanging', 'duplicated', 'unreachable', 'denied'] as const

/**
 * The same story, in which some sites tell of changes, and some of these not as they should. It has draws of its own, so
 * that all else of a seed stays as it was.
 */
export function withWatches(draw: Draw, story: Story, { tells, unrest, troubleMs }: Measure): Story {
  const sites = story.cloud.sites.map((site) => (draw.chance(tells) ? { ...site, tells: true as const } : site))
  const more = sites.flatMap(({ name, ...site }): Story['troubles'] => {
    if (!('tells' in site) || !draw.chance(0.4 * unrest)) return []
    const fromMs = draw.between(0, story.calmAt / 2)
    const toMs = draw.between(fromMs, Math.min(story.calmAt, fromMs + troubleMs))
    return [{ trouble: draw.of(troubles), site: name, calls: ['watch'], share: draw.of([0.1, 0.5, 1]), fromMs, toMs }]
  })
  return { ...story, cloud: { ...story.cloud, sites }, troubles: [...story.troubles, ...more] }
}
