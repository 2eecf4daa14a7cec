import type { Offer } from '#model/offer.ts'
import type { Spec } from '#model/spec/spec.ts'

/** Whether a run stays inside its capacity block, or can go on elsewhere when that ends; for the checker alone. */
export function* insideBlock(spec: Spec, { from = -Infinity, until = Infinity, shape }: Offer, now: number) {
  if (now < from || now >= until) yield 'its capacity block is not there now'
  if (until === Infinity || spec.checkpoint.everyMs !== undefined || spec.checkpoint.directory !== undefined) return
  const speeds = Object.entries(spec.throughput).map(([model, speed]) => [model.toLowerCase(), speed] as const)
  const speed = new Map(speeds).get(shape.accelerator?.toLowerCase() ?? '') ?? 1
  const { expectedMs, maximumMs = Infinity } = spec.duration
  const lasts = spec.kind === 'service' ? Infinity : expectedMs === undefined ? maximumMs : expectedMs / speed
  if (now + lasts > until) yield 'its capacity block ends before it does'
}
