import { z } from 'zod'

import type { Input } from '#simulator/traces/input.ts'

import { parseJson } from './json.ts'

/** How much of a spot market was there: from a moment on, a part of the most that was seen (0 to 1). */
export type SpotTrace = { steps: { atMs: number; part: number }[] }

const SpotFile = z.object({
  metadata: z.object({ gap_seconds: z.number().positive() }),
  data: z.array(z.number().min(0)).min(1),
})

/** Reads availability as SkyPilot recorded it (Wu et al., "Can't Be Late", NSDI 2024): instances at each tick. */
export function readSpotTrace(input: Input): SpotTrace {
  const { metadata, data } = parseJson(input, SpotFile, '{"metadata": {"gap_seconds": 300}, "data": [1, 1, 0]}')
  const most = data.reduce((a, b) => Math.max(a, b), 1)
  const steps = data.map((value, tick) => ({
    atMs: Math.round(tick * metadata.gap_seconds * 1000),
    part: value / most,
  }))
  return { steps: steps.filter(({ part }, tick) => tick === 0 || part !== steps[tick - 1]?.part) }
}
