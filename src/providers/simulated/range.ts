import { z } from 'zod'

import { drawOf } from '#kit/random.ts'

/** Milliseconds drawn evenly from [least, most]. */
export const Range = z.tuple([z.int().min(0), z.int().min(0)]).refine(([least, most]) => least <= most, 'least first')
export type Range = z.output<typeof Range>

export const fraction = z.number().min(0).max(1)

/** Whole milliseconds in [least, most] that belong to these parts. */
export const drawMs = ([least, most]: readonly [number, number], ...parts: (string | number)[]): number =>
  least === most ? least : least + Math.floor(drawOf(...parts) * (most - least + 1))
