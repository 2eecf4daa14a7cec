import type { WrittenSpec } from '#model/spec/spec.ts'
import type { Draw } from './chance.ts'
import type { Measure } from './measure.ts'
import type { Step, Story } from './story.ts'

/**
 * The same story, but in some of them sites are in several jurisdictions, and specs, data and projects say where work may
 * be and what it may cost. It has draws of its own, so that all else of a seed stays as it was.
 */
export function withPlaces(draw: Draw, story: Story, { places }: Measure): Story {
  if (!draw.chance(places)) return story
  const { cloud, projects, steps, calmAt } = story
  const whose = ['default', ...projects.map(({ name }) => name)]
  const changes = Array.from({ length: draw.between(0, 3) }, (): Step => ({
    at: draw.between(0, calmAt),
    do: 'project',
    name: draw.any(whose, 'default'),
    fields: { policy: policyOf(draw) },
  }))
  return {
    ...story,
    cloud: { ...cloud, sites: cloud.sites.map((site) => ({ ...site, jurisdictions: [...draw.of(jurisdictions)] })) },
    projects: projects.map(({ name, fields }) => ({
      name,
      fields: draw.chance(0.5) ? { ...fields, policy: policyOf(draw) } : fields,
    })),
    steps: [
      ...steps.map((step) => (step.do === 'submit' ? { ...step, spec: placed(draw, step.spec) } : step)),
      ...changes,
    ].sort((one, other) => one.at - other.at),
  }
}

/** A country, and the groups that it belongs to. */
const jurisdictions = [['DE', 'EU'], ['FR', 'EU'], ['US']] as const

const allowed = [['EU'], ['US'], ['DE'], ['FR', 'US']] as const

const policyOf = (draw: Draw): Record<string, unknown> => ({
  ...(draw.chance(0.5) && { jurisdictions: draw.of(allowed) }),
  ...(draw.chance(0.3) && { providers: draw.of(providers) }),
  ...(draw.chance(0.3) && { maxPriceMicros: draw.between(100_000, 5_000_000) }),
})

/** The one that there is, among others or not. */
const providers = [['simulated'], ['aws', 'simulated'], ['aws']] as const

function placed(draw: Draw, spec: WrittenSpec): WrittenSpec {
  const placement = {
    ...(draw.chance(0.3) && { jurisdictions: [...draw.of(allowed)] }),
    ...(draw.chance(0.1) && { providers: [...draw.of(providers)] }),
    ...(draw.chance(0.2) && { maxPrice: `$${draw.between(1, 50) / 10}/h` }),
  }
  const set = { name: 'patients', location: 's3://patients', jurisdictions: [...draw.of(allowed)] }
  const data = draw.chance(0.2) ? [...(spec.data ?? []), set] : spec.data
  return { ...spec, placement: { ...spec.placement, ...placement }, ...(data && { data }) }
}
