import type { Draw } from './chance.ts'
import type { Measure } from './measure.ts'
import { behaviourEnv } from './process.ts'
import { providerOf, type Step, type Story, type StorySite } from './story.ts'

/**
 * The same story, but in some of them a few jobs more have a limit of time near which they end, and the patient site that
 * they are at is out of reach meanwhile. It has draws of its own, so that all else of a seed stays as it was.
 */
export function withLimits(draw: Draw, story: Story, { limits }: Pick<Measure, 'limits'>): Story {
  const { cloud, steps, calmAt } = story
  const [any] = cloud.sites
  if (!any || !draw.chance(limits)) return story
  const where = draw.any(cloud.sites, any)
  const at = draw.between(0, calmAt / 2)
  const patienceMs = draw.of([60_000, 200_000, 600_000])
  const jobs = Array.from({ length: draw.between(1, 4) }, (_, i) => limited(draw, `limited-${i}`, where))
  return {
    ...story,
    cloud: { ...cloud, sites: cloud.sites.map((site) => (site === where ? { ...site, patienceMs } : site)) },
    steps: [
      ...steps,
      ...jobs.map((spec): Step => ({ at, do: 'submit', spec })),
      ...away(draw, where.name, Math.min(calmAt, at + draw.between(1_000, 90_000))),
    ].sort((one, other) => one.at - other.at),
  }
}

function limited(draw: Draw, name: string, site: StorySite): Extract<Step, { do: 'submit' }>['spec'] {
  const runMs = draw.of([10_000, 30_000, 60_000])
  // A second or a minute before its end, or after it.
  const maximum = `${runMs / 1_000 + draw.of([-1, 1, 60, 60, 90])}s`
  return {
    kind: 'job',
    name,
    run: 'work',
    nodes: draw.of([1, 1, 2]),
    resources: { cpus: '1+', memory: '1GB+' },
    env: behaviourEnv({ runMs, exitCode: draw.of([0, 3]), stopMs: 500 }),
    checkpoint: { grace: '5s' },
    retry: { onLoss: draw.of([0, 2]), onExit: draw.chance(0.5) ? [3] : [], times: 1 },
    placement: { sites: [`${providerOf(site)}/${site.name}`] },
    ...draw.of([{ duration: { maximum } }, { duration: { maximum } }, { expiry: '150s' }] as const),
  }
}

/** It does not answer, and its agents are heard meanwhile or not. */
function away(draw: Draw, site: string, at: number): Step[] {
  const forMs = draw.of([60_000, 120_000, 240_000])
  const severed: Step[] = draw.chance(0.8) ? [{ at, do: 'sever', site, forMs }] : []
  return [{ at, do: 'cut', site, how: draw.of(['unreachable', 'unreachable', 'hanging']), forMs }, ...severed]
}
