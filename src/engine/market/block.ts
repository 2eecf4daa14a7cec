import { formatDuration } from '#kit/duration.ts'
import { formatInstant } from '#kit/instant.ts'
import type { Offer } from '#model/offer.ts'
import type { Spec } from '#model/spec/spec.ts'
import { speedPermille } from '#model/spec/throughput.ts'

/** Whether it goes on from a checkpoint when its nodes are taken away: its spec says where they go, or how often. */
export const hasCheckpoints = ({ checkpoint }: Pick<Spec, 'checkpoint'>): boolean =>
  checkpoint.everyMs !== undefined || checkpoint.directory !== undefined

/**
 * What stands against a run on a capacity block: it has not begun (which time cures), or it ends before the run does.
 * What has checkpoints may begin there and go on elsewhere; what does not say how long it runs may not, for nobody could
 * check it.
 */
export function objectionToBlock(
  spec: Spec,
  { from, until, shape }: Offer,
  now: number,
): { detail: string; passing: boolean } | null {
  if (until !== undefined) {
    const tail = 'let it write checkpoints (checkpoint.every) to begin there all the same'
    const { expectedMs, maximumMs } = spec.duration
    const at1000 = expectedMs ?? maximumMs
    const begins = Math.max(now, from ?? now)
    const say = (what: string) => ({
      detail: `its capacity block ends at ${formatInstant(until)}, ${what}; ${tail}`,
      passing: false,
    })
    if (until <= now) return { detail: `its capacity block has ended at ${formatInstant(until)}`, passing: false }
    if (!hasCheckpoints(spec)) {
      if (spec.kind === 'service') return say('and a service does not end')
      if (at1000 === undefined) return say('and the spec does not say how long it runs (duration.expected)')
      // A bound by the clock does not depend on the speed.
      const lasts = expectedMs === undefined ? at1000 : (at1000 * 1000) / speedPermille(spec, shape.accelerator)
      if (begins + lasts > until) return say(`and it runs for ${formatDuration(Math.ceil(lasts))}`)
    }
  }
  if (from !== undefined && from > now)
    return { detail: `its capacity block begins at ${formatInstant(from)}`, passing: true }
  return null
}
