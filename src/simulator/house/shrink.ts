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
    if (candidate === best || now() > until || !(await fails(candidate))) return false
    best = candidate
    return true
  }
  const withSteps = (steps: Step[]): Story => ({ ...best, steps })
  for (let before = Infinity; size(best) < before && now() < until;) {
    before = size(best)
    await fewer(best.steps, async (steps) => better(withSteps(steps)))
    await fewer(best.troubles, async (troubles) => better({ ...best, troubles }))
    for (const change of plainer(best)) await better(change(best))
    for (let i = 0; i < best.steps.length; i++)
      for (const change of plainerSteps) {
        const step = best.steps[i]
        const plain = step && change(step)
        if (plain && plain !== step) await better(withSteps(best.steps.with(i, plain)))
      }
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

/** Makes a story plainer than it is by then, or leaves it: each change goes on from what those before have made of it. */
type Change<T> = (from: T) => T

/** What can be left out around the steps of a story. */
function plainer({ planes, cloud, projects }: Story): Change<Story>[] {
  return [
    ...[1_000, 60_000].map((afterMs): Change<Story> => (story) => {
      const calmAt = Math.max(0, ...story.steps.map(({ at }) => at)) + afterMs
      return calmAt < story.calmAt ? { ...story, calmAt } : story
    }),
    ...planes.map(({ name }): Change<Story> => (story) => {
      const others = story.planes.filter((one) => one.name !== name)
      return others.length > 0 && others.length < story.planes.length ? { ...story, planes: others } : story
    }),
    ...planes.map(
      ({ name }): Change<Story> =>
        (story) =>
          changed(story, 'planes', (one) => (one.name === name && one.skewMs ? { ...one, skewMs: 0 } : one)),
    ),
    (story) => (story.agents.sites.length > 0 ? { ...story, agents: { sites: [], skewMs: 0 } } : story),
    (story) => (story.agents.cutOff ? { ...story, agents: { ...story.agents, cutOff: 0 } } : story),
    (story) => (story.agents.skewMs > 0 ? { ...story, agents: { ...story.agents, skewMs: 0 } } : story),
    ...cloud.sites.flatMap(({ name }) => [withoutSite(name), withPlainSite(name)]),
    (story) => (story.plansSites || story.keeps ? { ...story, plansSites: undefined, keeps: undefined } : story),
    ...Object.keys(cloud.faults ?? {}).map((name): Change<Story> => (story) => {
      const { faults } = story.cloud
      return faults && name in faults ? { ...story, cloud: { ...story.cloud, faults: without(faults, name) } } : story
    }),
    ...projects.map(
      ({ name }): Change<Story> =>
        (story) =>
          changed(story, 'projects', (one) =>
            one.name === name && Object.keys(one.fields).length > 0 ? { ...one, fields: {} } : one,
          ),
    ),
  ]
}

/** The story itself where none of the list is another than before. */
function changed<K extends 'planes' | 'projects'>(story: Story, list: K, change: Change<Story[K][number]>): Story {
  const before: Story[K][number][] = story[list]
  const all = before.map(change)
  return all.some((one, at) => one !== before[at]) ? { ...story, [list]: all } : story
}

function without<T extends object>(from: T, name: string): T {
  const { [name as keyof T]: _, ...rest } = from
  return rest as T // only what may be missing is left out
}

const withoutSite =
  (name: string): Change<Story> =>
  (story) => {
    const { cloud, steps } = story
    const sites = cloud.sites.filter((one) => one.name !== name)
    if (sites.length === 0 || sites.length === cloud.sites.length) return story
    const others = steps.filter((step) => !('site' in step) || step.site !== name)
    return { ...story, cloud: { ...cloud, sites }, steps: others }
  }

/** A site without what is particular there, but for names of nodes: these are at all sites of a provider or at none. */
const withPlainSite =
  (site: string): Change<Story> =>
  (story) => {
    const { cloud } = story
    const at = cloud.sites.findIndex(({ name }) => name === site)
    const found = cloud.sites[at]
    if (!found) return story
    const { provider, name, jurisdictions, patienceMs, pools, racks, ...more } = found
    if (Object.keys(more).length === 0 && pools.length <= 1) return story
    const its = { ...(provider && { provider }), name, jurisdictions, patienceMs }
    const plain = { ...its, pools: pools.slice(0, 1), ...(racks && { racks }) }
    return { ...story, cloud: { ...cloud, sites: cloud.sites.with(at, plain) } }
  }

type Submit = Extract<Step, { do: 'submit' }>

const submitting =
  (change: Change<Submit['spec']>): Change<Step> =>
  (step) => {
    if (step.do !== 'submit') return step
    const spec = change(step.spec)
    return spec === step.spec ? step : { ...step, spec }
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

const plainerSteps: readonly Change<Step>[] = [
  (step) => (step.at % 1000 > 0 ? { ...step, at: step.at - (step.at % 1000) } : step),
  (step) => ('nth' in step && step.nth > 1 ? { ...step, nth: 1 } : step),
  (step) => ('times' in step && step.times > 1 ? { ...step, times: 1 } : step),
  ...spare.map((field) => submitting((spec) => (field in spec ? without(spec, field) : spec))),
  submitting((spec) => (spec.kind === 'job' && (spec.nodes ?? 1) > 1 ? { ...spec, nodes: 1 } : spec)),
  submitting((spec) => (spec.kind === 'service' && spec.replicas !== 1 ? { ...spec, replicas: 1 } : spec)),
  submitting((spec) => (spec.kind === 'array' && spec.tasks !== 1 ? { ...spec, tasks: 1, parallelism: 1 } : spec)),
]
