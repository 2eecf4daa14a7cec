import type { Step, Story } from './story.ts'

/** Whether a story still fails as the first one did. */
export type Fails = (story: Story) => Promise<boolean>

type Limits = { mostMs: number; now: () => number }

/**
 * Makes a failing story shorter while it fails: leaves out steps in ever smaller parts (ddmin: Zeller and Hildebrandt,
 * "Simplifying and isolating failure-inducing input", 2002), then troubles, sites and control planes one by one, and then
 * makes what is left plainer. Gives up when its time is over.
 */
export async function shrink(story: Story, fails: Fails, { mostMs, now }: Limits): Promise<Story> {
  const until = now() + mostMs
  let best = story
  const better = async (candidate: Story): Promise<boolean> => {
    if (now() > until || !(await fails(candidate))) return false
    best = candidate
    return true
  }
  const withSteps = (steps: Step[]): Story => ({ ...best, steps })
  for (let before = Infinity; size(best) < before && now() < until;) {
    before = size(best)
    await fewer(best.steps, async (steps) => better(withSteps(steps)))
    await fewer(best.troubles, async (troubles) => better({ ...best, troubles }))
    for (const candidate of plainer(best)) await better(candidate)
    for (let i = 0; i < best.steps.length; i++)
      for (const step of plainerSteps(best.steps[i])) await better(withSteps(best.steps.with(i, step)))
  }
  return best
}

const size = (story: Story): number => JSON.stringify(story).length

/** Leaves out parts of a list as long as `try` likes what is left. */
async function fewer<T>(all: T[], isGood: (some: T[]) => Promise<boolean>): Promise<void> {
  let items = all
  for (let parts = Math.min(2, items.length); parts >= 1 && items.length > 0;) {
    const length = Math.ceil(items.length / parts)
    let isLess = false
    for (let from = 0; from < items.length;) {
      const some = [...items.slice(0, from), ...items.slice(from + length)]
      if (await isGood(some)) {
        items = some
        isLess = true
      } else from += length
    }
    if (isLess) parts = Math.min(parts, items.length)
    else if (length === 1) break
    else parts = Math.min(items.length, parts * 2)
  }
}

/** The same with less around its steps. */
function* plainer(story: Story): Iterable<Story> {
  const { planes, cloud, agents, projects, steps, calmAt } = story
  const last = Math.max(0, ...steps.map(({ at }) => at))
  for (const after of [1_000, 60_000]) if (last + after < calmAt) yield { ...story, calmAt: last + after }
  for (let i = 0; i < planes.length && planes.length > 1; i++) yield { ...story, planes: planes.toSpliced(i, 1) }
  for (let i = 0; i < planes.length; i++)
    if (planes[i]?.skewMs) yield { ...story, planes: planes.map((one) => ({ ...one, skewMs: 0 })) }
  if (agents.sites.length > 0) yield { ...story, agents: { sites: [], skewMs: 0 } }
  if (agents.skewMs > 0) yield { ...story, agents: { ...agents, skewMs: 0 } }
  yield* fewerSites(story)
  if (story.plansSites || story.keeps) yield { ...story, plansSites: undefined, keeps: undefined }
  for (const name of Object.keys(cloud.faults ?? {}))
    yield { ...story, cloud: { ...cloud, faults: { ...cloud.faults, [name]: undefined } } }
  for (let i = 0; i < projects.length; i++)
    if (Object.keys(projects[i]?.fields ?? {}).length > 0)
      yield { ...story, projects: projects.with(i, { name: projects[i]?.name ?? '', fields: {} }) }
}

function* fewerSites(story: Story): Iterable<Story> {
  const { cloud, steps } = story
  const withSites = (sites: Story['cloud']['sites']): Story => ({ ...story, cloud: { ...cloud, sites } })
  for (const [i, { name, jurisdictions, patienceMs, pools, racks, ...more }] of cloud.sites.entries()) {
    const others = steps.filter((step) => !('site' in step) || step.site !== name)
    if (cloud.sites.length > 1) yield { ...withSites(cloud.sites.toSpliced(i, 1)), steps: others }
    if (Object.keys(more).length > 0 || pools.length > 1)
      yield withSites(
        // Nodes have names at all sites or at none.
        cloud.sites.with(i, { name, jurisdictions, patienceMs, pools: pools.slice(0, 1), ...(racks && { racks }) }),
      )
  }
}

/** What a spec can do without. */
const spare = [
  'budget',
  'duration',
  'expiry',
  'placement',
  'priority',
  'retry',
  'checkpoint',
  'secrets',
  'data',
  'topology',
]

function* plainerSteps(step: Step | undefined): Iterable<Step> {
  if (!step) return
  const rounded = Math.floor(step.at / 1000) * 1000
  if (rounded !== step.at) yield { ...step, at: rounded }
  if ('nth' in step && step.nth > 1) yield { ...step, nth: 1 }
  if ('times' in step && step.times > 1) yield { ...step, times: 1 }
  if (step.do !== 'submit') return
  const { spec } = step
  for (const field of spare) if (field in spec) yield { ...step, spec: { ...spec, [field]: undefined } }
  if (spec.kind === 'job' && (spec.nodes ?? 1) > 1) yield { ...step, spec: { ...spec, nodes: 1 } }
  if (spec.kind === 'service') yield { ...step, spec: { ...spec, replicas: 1 } }
  if (spec.kind === 'array') yield { ...step, spec: { ...spec, tasks: 1, parallelism: 1 } }
}
