import { z } from 'zod'

import { Name } from '#model/names.ts'
import type { Resources } from '#model/resources.ts'
import { EnvironmentField } from './fields.ts'
import { ResourcesField } from './resources-text.ts'

/** Shell commands; the same bound wherever they stand. */
export const Script = z.string().min(1).max(65_536)

/** A group of ranks that do the same, as a person writes it. */
export const RoleField = z.strictObject({
  name: Name.meta({ description: 'What its ranks find in ISOBAR_ROLE.' }),
  nodes: z.int().min(1).max(100_000).default(1).meta({ description: 'How many nodes do this.' }),
  resources: ResourcesField.optional().meta({
    description: "What one of these nodes must have; the job's by default.",
  }),
  run: Script.optional().meta({ description: "Shell commands of these ranks; the job's by default." }),
  env: EnvironmentField.default({}).meta({ description: "Environment variables, over the job's." }),
})

/** A group of ranks of a gang that do the same. What it does not say itself is the job's. */
export type Role = z.output<typeof RoleField> & { resources: Resources; run: string }
