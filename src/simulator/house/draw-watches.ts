import type { Draw } from './chance.ts'
import type { Measure } from './measure.ts'
import type { Step, Story } from './story.ts'

/** What may befall a watch: it is cut, late, silent without end, told twice, or refused. */
const troubles = ['lost-reply', 'slow', 'timed-out', 'hanging', 'duplicated', 'unreachable', 'denied'] as const

/**
 * The same story, in which some sites tell of changes, some of these not as they should, and now and then somebody dies or
 * stands still while he is told. It has draws of its own, so that all else of a seed stays as it was.
 */
export function withWatches(draw: Draw, story: Story, { tells, unrest, troubleMs }: Measure): Story {
  const { cloud, calmAt, planes } = story
  const sites = cloud.sites.map((site) => (draw.chance(tells) ? { ...site, tells: true as const } : site))
  const telling = sites.flatMap((site) => ('tells' in site ? [site.name] : []))
  const more = telling.flatMap((site): Story['troubles'] => {
    if (!draw.chance(0.4 * unrest)) return []
    const fromMs = draw.between(0, calmAt / 2)
    const toMs = draw.between(fromMs, Math.min(calmAt, fromMs + troubleMs))
    return [{ trouble: draw.of(troubles), site, calls: ['watch'], share: draw.of([0.1, 0.5, 1]), fromMs, toMs }]
  })
  const steps = telling.length > 0 && draw.chance(0.2 * unrest) ? [metBy(draw, { planes, calmAt })] : []
  return {
    ...story,
    cloud: { ...cloud, sites },
    troubles: [...story.troubles, ...more],
    steps: [...story.steps, ...steps].sort((one, other) => one.at - other.at),
  }
}

function metBy(draw: Draw, { planes, calmAt }: Pick<Story, 'planes' | 'calmAt'>): Step {
  const plane = draw.any(planes, { name: 'a', skewMs: 0 }).name
  const at = draw.between(0, calmAt * 0.8)
  const met = {
    at,
    plane,
    call: 'provider.watch',
    nth: draw.of([1, 2, 5]),
    edge: draw.of(['before', 'after']),
  } as const
  return draw.chance(0.5)
    ? { ...met, do: 'kill', downMs: draw.of([0, 1_000, 30_000]) }
    : { ...met, do: 'pause', forMs: draw.of([5_000, 15_000, 90_000]) }
}
