import { z } from 'zod'

import { parseJson } from '#simulator/scenario/json.ts'
import type { Input } from '#simulator/traces/input.ts'

import { figureNames } from './figure.ts'
import type { Report } from './report.ts'

const Value = z.union([z.number(), z.string().regex(/^-?\d+$/), z.null()])

const Known = z.looseObject({
  version: z.literal(1),
  runs: z.array(
    z.looseObject({
      policy: z.string(),
      digest: z.string(),
      figures: z.looseObject(Object.fromEntries(figureNames.map((name) => [name, Value.optional()]))),
    }),
  ),
})

/** Reads what `isobar simulate -o json` wrote. */
export const readReport = (input: Input): Report =>
  parseJson(input, Known, 'what `isobar simulate … -o json` writes') as unknown as Report // of what is compared, all is checked
