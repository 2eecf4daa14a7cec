import { createRandom } from '#kit/random.ts'
import { createDraw } from './chance.ts'
import { paceOf, siteOf, troubleOf } from './draw-cloud.ts'
import { faultOf } from './draw-faults.ts'
import { doingOf } from './draw-people.ts'
import { projectsOf } from './draw-projects.ts'
import { withUndeclared } from './draw-declared.ts'
import { lifeOf, secretName } from './draw-work.ts'
import { withLimits } from './draw-limits.ts'
import { withLines } from './draw-lines.ts'
import { withMarks } from './draw-marks.ts'
import { withNodes } from './draw-nodes.ts'
import { withPlaces } from './draw-places.ts'
import { withProviders } from './draw-providers.ts'
import { withReaders } from './draw-readers.ts'
import { withShapes } from './draw-shapes.ts'
import { withWatches } from './draw-watches.ts'
import { type Measure, measures } from './measure.ts'
import type { Step, Story } from './story.ts'

/** Draws a story: the same seed and measure give the same. */
export function storyOf(seed: number, measure: Measure = measures.story): Story {
  const draw = createDraw(createRandom(`story ${seed}`))
  const calmAt = draw.between(...measure.lastsMs)
  const sites = Array.from({ length: draw.between(...measure.sites) }, (_, i) => siteOf(draw, i, measure))
  const names = sites.map(({ name }) => name)
  const planes = ['a', 'b', 'c'].slice(0, draw.between(...measure.planes)).map((name) => ({
    name,
    skewMs: draw.chance(0.3) ? draw.between(-3_000, 3_000) : 0,
  }))
  const projects = projectsOf(draw, measure)
  const whose = ['default', ...projects.map(({ name }) => name)] as const
  const steps: Step[] = []
  const workloads = Array.from({ length: draw.between(...measure.workloads) }, (_, i) => `work-${i}`)
  for (const name of workloads) steps.push(...lifeOf(draw, name, { ...measure, calmAt, projects: whose, sites: names }))
  const all = { calmAt, workloads, sites: names }
  for (let i = draw.between(0, 5 * measure.unrest); i > 0; i--) steps.push(...doingOf(draw, all))
  // There is a secret from the begin on; it may be changed, or be no more.
  for (const project of whose) steps.push({ at: 0, do: 'secret', project, name: secretName, value: 'old' })
  for (let i = draw.between(...measure.faults); i > 0; i--) steps.push(...faultOf(draw, { ...measure, ...all, planes }))
  const drawn = withinKeeping({
    seed,
    planes,
    cloud: { sites, faults: paceOf(draw, measure) },
    troubles: Array.from({ length: draw.between(0, 5) }, () => troubleOf(draw, names, { calmAt, ...measure })),
    agents: { sites: names.filter(() => draw.chance(measure.agents)), skewMs: draw.chance(0.3) ? 5_000 : 0 },
    projects,
    ...(draw.chance(0.3) && { plansSites: true }),
    // Kept for longer than from one look at all that must be true to the next.
    ...(draw.chance(0.2 * measure.unrest) && { keeps: { everyMs: 20_000, keepMs: draw.of([150_000, 400_000]) } }),
    steps: steps.sort((one, other) => one.at - other.at),
    calmAt,
  })
  const watched = withWatches(createDraw(createRandom(`watches ${seed}`)), drawn, measure)
  const mayMove = createDraw(createRandom(`moves ${seed}`)).chance(measure.moves)
  const moving: Story = mayMove ? watched : { ...watched, movesNobody: true }
  const named = withNodes(createDraw(createRandom(`nodes ${seed}`)), moving, measure)
  const marked = withMarks(createDraw(createRandom(`marks ${seed}`)), named, measure)
  const shaped = withShapes(createDraw(createRandom(`shapes ${seed}`)), marked, measure)
  const placed = withPlaces(createDraw(createRandom(`places ${seed}`)), shaped, measure)
  const provided = withProviders(createDraw(createRandom(`providers ${seed}`)), placed, measure)
  const lined = withLines(createDraw(createRandom(`lines ${seed}`)), provided, measure)
  const read = withReaders(createDraw(createRandom(`readers ${seed}`)), lined, measure)
  const undeclared = withUndeclared(createDraw(createRandom(`undeclared ${seed}`)), read, measure)
  return withLimits(createDraw(createRandom(`limits ${seed}`)), undeclared, measure)
}

/** Nobody stands still in the midst of a request for as long as its idempotency key, and what it made, is remembered. */
function withinKeeping(story: Story): Story {
  if (!story.keeps) return story
  const mostMs = story.keeps.keepMs / 2
  const steps = story.steps.map((step) =>
    step.do === 'pause' ? { ...step, forMs: Math.min(step.forMs, mostMs) } : step,
  )
  return { ...story, steps }
}
