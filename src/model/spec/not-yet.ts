import { isPart } from '#model/resources.ts'
import type { BrokenRule } from './problem.ts'
import { formatAccelerator } from './resources-text.ts'
import type { Spec } from './spec.ts'

/**
 * What the schema has words for and nothing honours yet. It is refused, never ignored; who honours it takes it out. Tasks
 * that run side by side on one worker are not told apart on one accelerator.
 */
export const notYet = ({ kind, resources }: Spec): BrokenRule[] =>
  (kind === 'array' ? resources.accelerators.filter(isPart) : []).map(
    ({ shareMilli: _share, profile: _profile, ...whole }) => ({
      path: ['resources', 'accelerators'],
      message: 'tasks of an array cannot have a part of an accelerator yet',
      fix: `write ${formatAccelerator({ ...whole, count: 1 })}`,
    }),
  )
