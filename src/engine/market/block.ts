import { formatDuration } from '#kit/duration.ts'
import { formatInstant } from '#kit/instant.ts'
import type { Offer } from '#model/offer.ts'
import { hasCheckpoints } from '#model/spec/planned-to-deadline.ts'
import type { Spec } from '#model/spec/spec.ts'
import { expectedMsOn } from '#model/spec/throughput.ts'

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
  if (until !== undefined && until <= now) return never(`its capacity block has ended at ${formatInstant(until)}`)
  if (until !== undefined && !hasCheckpoints(spec)) {
    const ends = `its capacity block ends at ${formatInstant(until)}, and`
    const lastsMs = longest(spec, shape.accelerator)
    if (lastsMs === Infinity) return never(`${ends} a service without checkpoints does not`)
    if (lastsMs === undefined)
      return never(`${ends} the spec says neither how long it runs nor that it writes checkpoints`)
    if (Math.max(now, from ?? now) + lastsMs > until)
      return never(`${ends} without checkpoints its run of ${formatDuration(lastsMs)} would be lost`)
  }
  return from !== undefined && from > now
    ? { detail: `its capacity block begins at ${formatInstant(from)}`, passing: true }
    : null
}

const never = (detail: string) => ({ detail, passing: false })

/** How long it runs on such accelerators: as expected, or as it may at the most, whatever the speed. */
function longest(spec: Spec, model: string | undefined): number | undefined {
  if (spec.kind === 'service') return Infinity
  return expectedMsOn(spec, model) ?? spec.duration.maximumMs
}
