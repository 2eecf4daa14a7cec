import type { WrittenSpec } from '#model/spec/spec.ts'
import type { Draw } from './chance.ts'
import type { Measure } from './measure.ts'
import { providerOf, type Step, type Story, type StorySite } from './story.ts'

/**
 * The same story, but in some of them sites are of two providers, of which one may have nodes with names and the other
 * none, and projects say how much of theirs may be at one. It has draws of its own, so that all else of a seed stays as it
 * was.
 */
export function withProviders(draw: Draw, story: Story, { providers }: Pick<Measure, 'providers'>): Story {
  const { cloud, projects, steps, calmAt } = story
  if (cloud.sites.length < 2 || !draw.chance(providers)) return story
  const first = draw.between(1, cloud.sites.length - 1)
  const nameless = draw.chance(0.5) ? draw.of(['aws', 'simulated']) : null
  const sites = cloud.sites
    .map((site, i): StorySite => (i < first ? site : { ...site, provider: 'aws' }))
    .map((site) => (providerOf(site) === nameless ? withoutNames(site) : site))
  const plain = new Set(sites.flatMap(({ name, racks }) => (racks ? [] : [name])))
  const keys = new Map(sites.map((site) => [`simulated/${site.name}`, `${providerOf(site)}/${site.name}`]))
  const whose = ['default', ...projects.map(({ name }) => name)]
  const changes = Array.from({ length: draw.between(0, 2) }, (): Step => ({
    at: draw.between(0, calmAt),
    do: 'project',
    name: draw.any(whose, 'default'),
    fields: { policy: shareOf(draw) },
  }))
  return {
    ...story,
    cloud: { ...cloud, sites },
    projects: projects.map(({ name, fields }) =>
      draw.chance(0.6)
        ? { name, fields: { ...fields, policy: { ...(fields['policy'] as object | undefined), ...shareOf(draw) } } }
        : { name, fields },
    ),
    steps: [
      ...steps
        .filter((step) => step.do !== 'node' || !plain.has(step.site))
        .map((step) => (step.do === 'submit' ? { ...step, spec: renamed(step.spec, keys) } : step)),
      ...changes,
    ].sort((one, other) => one.at - other.at),
  }
}

/** Its provider chooses the nodes. */
const withoutNames = ({ racks: _racks, pools, ...site }: StorySite): StorySite => ({
  ...site,
  pools: pools.map(({ divisible: _divisible, ...pool }) => pool),
})

const shareOf = (draw: Draw) => ({ maxProviderShare: draw.of([0.3, 0.5, 0.5, 0.75, 0]) })

/** The sites that a spec names are those of the providers that they are of now. */
function renamed(spec: WrittenSpec, keys: ReadonlyMap<string, string>): WrittenSpec {
  const keyOf = (site: string) => keys.get(site) ?? site
  const { data, placement } = spec
  return {
    ...spec,
    ...(data && { data: data.map((set) => (set.site ? { ...set, site: keyOf(set.site) } : set)) }),
    ...(placement?.sites && { placement: { ...placement, sites: placement.sites.map(keyOf) } }),
  }
}
