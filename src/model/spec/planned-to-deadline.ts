import type { Spec } from './spec.ts'

/** Whether it goes on from a checkpoint when its nodes are taken away: its spec says where they go, or how often. */
export const hasCheckpoints = ({ checkpoint }: Pick<Spec, 'checkpoint'>): boolean =>
  checkpoint.everyMs !== undefined || checkpoint.directory !== undefined

/**
 * Whether it is planned anew at each moment if it runs on spot capacity, on capacity that lasts, or waits: a job that says how
 * long it runs and when it must have ended, saves its work, wants to be cheap, and may have both.
 */
export const isPlannedToDeadline = (spec: Spec): boolean =>
  spec.kind === 'job' &&
  spec.objective === 'cost' &&
  spec.deadline !== undefined &&
  spec.duration.expectedMs !== undefined &&
  hasCheckpoints(spec) &&
  (spec.placement.tiers ?? ['spot', 'other']).some((tier) => tier === 'spot') &&
  (spec.placement.tiers ?? ['spot', 'other']).some((tier) => tier !== 'spot')
