import type { Draw } from './chance.ts'
import type { Measure } from './measure.ts'
import type { Step, Story } from './story.ts'

/**
 * The same story, but in some of them people follow the events with a cursor, and now and then somebody dies or stands
 * still while they ask. It has draws of its own, so that all else of a seed stays as it was. Where what has ended is
 * forgotten within minutes nobody can follow who is not answered for as long.
 */
export function withReaders(draw: Draw, story: Story, { readers }: Pick<Measure, 'readers'>): Story {
  const { steps, projects, planes, calmAt, keeps } = story
  if (keeps || !draw.chance(readers)) return story
  const followers = Array.from({ length: draw.between(1, 2) }, (_, i): Step => ({
    at: draw.between(0, calmAt / 2),
    do: 'follow',
    who: `reader-${i}`,
    everyMs: draw.of([5_000, 30_000, 120_000]),
    size: draw.of([2, 7, 100]),
    ...(draw.chance(0.3) && {
      project: draw.any(
        projects.map(({ name }) => name),
        'default',
      ),
    }),
  }))
  const met: Step = {
    at: draw.between(0, calmAt * 0.8),
    plane: draw.any(planes, { name: 'a', skewMs: 0 }).name,
    call: 'events.since',
    nth: draw.of([1, 2, 5]),
    edge: draw.of(['before', 'after']),
    ...draw.of([
      { do: 'kill', downMs: 1_000 },
      { do: 'kill', downMs: 30_000 },
      { do: 'pause', forMs: 15_000 },
    ] as const),
  }
  const more = [...followers, ...(draw.chance(0.5) ? [met] : [])]
  return { ...story, steps: [...steps, ...more].sort((one, other) => one.at - other.at) }
}
