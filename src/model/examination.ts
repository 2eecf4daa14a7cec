import { z } from 'zod'

/** Nodes of a site that are alike. */
const FoundNodes = z.object({
  shape: z.string().meta({ description: 'What they are called in offers and prices.' }),
  nodes: z.int(),
  usable: z.int().meta({ description: 'Those of them that take work now.' }),
  accelerators: z.string().meta({ description: 'Model and count of one node, such as `H100:8`; empty without any.' }),
  cpuMilli: z.int(),
  memoryMiB: z.int(),
  priceMicros: z.int().nullable().meta({ description: 'Of one node for one hour; null where nobody told it yet.' }),
})

/** One level of the topology of a site, the tightest first. */
const FoundLevel = z.object({
  level: z.int().min(0),
  labels: z.array(z.string()).meta({ description: 'Where it was read from.' }),
  domains: z.int(),
  nodes: z.int().meta({ description: 'How many nodes stand in one.' }),
})

/** Something that can only be told by somebody who knows: it is asked for, never guessed. */
const Unknown = z.object({
  field: z.string().meta({ description: 'The field of the declaration; of a price with its shape behind a dot.' }),
  flag: z.string().meta({ description: 'The option of the command that tells it.' }),
  question: z.string(),
})

/** Why a site cannot be joined as it is. */
const Obstacle = z.object({
  kind: z.enum(['denied', 'invalid', 'exists', 'unreachable']),
  what: z.string(),
  fix: z.string(),
})

/** What was found at a site before it is joined. Nothing was changed there. */
export const Examination = z.object({
  declaration: z
    .record(z.string(), z.unknown())
    .meta({ description: 'As it is declared then: what was left open and is known now is filled in.' }),
  identity: z.string().nullable().meta({
    description: 'What tells the place from all others, whichever way it is reached; null where that cannot be known.',
  }),
  facts: z.array(z.object({ name: z.string(), value: z.string() })),
  nodes: z.array(FoundNodes),
  topology: z.array(FoundLevel),
  extensions: z
    .array(z.object({ name: z.string(), versions: z.array(z.string()) }))
    .meta({ description: 'What may be installed there; without versions where it is not.' }),
  unknown: z.array(Unknown),
  obstacles: z.array(Obstacle),
  manifest: z
    .string()
    .nullable()
    .meta({ description: 'What an administrator applies so that no right is missing; null when none is.' }),
  notes: z.array(z.string()).meta({ description: 'What is worth knowing and keeps nothing from going on.' }),
})
export type Examination = z.infer<typeof Examination>
export type Obstacle = z.infer<typeof Obstacle>
