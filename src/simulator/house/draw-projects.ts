import type { Draw } from './chance.ts'
import { teamOf } from './draw-people.ts'
import type { Measure } from './measure.ts'
import type { Story } from './story.ts'

/** The projects of a story beside the default one: one alone, and now and then a tree whose parts lend and borrow. */
export const projectsOf = (draw: Draw, measure: Measure): Story['projects'] => [
  { name: 'team', fields: teamOf(draw, measure) },
  ...(draw.chance(0.4) ? labOf(draw, measure) : []),
]

const labOf = (draw: Draw, measure: Measure): Story['projects'] => [
  { name: 'lab', fields: draw.chance(0.5) ? { quota: someOf(draw, measure) } : {} },
  ...['left', 'right'].map((name) => ({
    name,
    fields: {
      parent: 'lab',
      quota: someOf(draw, measure),
      ...(draw.chance(0.5) && { borrowing: someOf(draw, measure) }),
      ...(draw.chance(0.5) && { lending: someOf(draw, measure) }),
      ...(draw.chance(0.5) && { preemption: { within: 'never', reclaim: 'any' } }),
    },
  })),
]

const someOf = (draw: Draw, { means }: Measure) => ({
  cpuMilli: draw.between(0, 16) * 1000 * means,
  ...(draw.chance(0.3) && { nodes: draw.between(0, 8) * means }),
})
