import type { Draw } from './chance.ts'
import type { Measure } from './measure.ts'
import type { Step, Story } from './story.ts'

/**
 * The same story, but in some of them a site is declared no more for a while. It has draws of its own, so that all else of a
 * seed stays as it was.
 */
export function withUndeclared(draw: Draw, story: Story, { undeclared }: Pick<Measure, 'undeclared'>): Story {
  const { cloud, steps, calmAt } = story
  if (!draw.chance(undeclared)) return story
  const step: Step = {
    at: draw.between(0, calmAt * 0.8),
    do: 'undeclare',
    site: draw.any(
      cloud.sites.map(({ name }) => name),
      'site-0',
    ),
    forMs: draw.of([20_000, 90_000, 400_000]),
  }
  return { ...story, steps: [...steps, step].sort((one, other) => one.at - other.at) }
}
