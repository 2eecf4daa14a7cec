import { isPart } from '#model/resources.ts'
import type { BrokenRule } from './problem.ts'
import { formatAccelerator } from './resources-text.ts'
import type { Spec } from './spec.ts'

/** What the schema has a word for and nothing honours yet. It is refused, never ignored; who honours it takes it out. */
const wishes: { path: string[]; isAsked: (spec: Spec) => boolean }[] = [
  { path: ['objective'], isAsked: ({ objective }) => objective !== 'cost' },
  { path: ['throughput'], isAsked: ({ throughput }) => Object.keys(throughput).length > 0 },
]

export const notYet = (spec: Spec): BrokenRule[] => [
  ...parts(spec),
  ...wishes
    .filter(({ isAsked }) => isAsked(spec))
    .map(({ path }) => ({
      path,
      message: `${path.join('.')} cannot be honoured yet`,
      fix: 'remove it until a later version of Isobar can',
    })),
]

/** Tasks that run side by side on one worker are not told apart on one accelerator. */
const parts = ({ kind, resources }: Spec): BrokenRule[] =>
  (kind === 'array' ? resources.accelerators.filter(isPart) : []).map(
    ({ shareMilli: _share, profile: _profile, ...whole }) => ({
      path: ['resources', 'accelerators'],
      message: 'tasks of an array cannot have a part of an accelerator yet',
      fix: `write ${formatAccelerator({ ...whole, count: 1 })}`,
    }),
  )
