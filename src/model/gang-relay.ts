import { z } from 'zod'

import { Exit } from './agent-protocol.ts'
import { Shape } from './resources.ts'

/**
 * How a job of a batch system speaks with its gang's folder (`gang-folder.ts`) where its nodes do not see that: each
 * question is sent to `POST /agent/v1/gang` with the credential of the attempt. All of them may be repeated.
 */
const Rank = z.int().min(0).max(1_000_000)
const Time = z.int().min(0)

const RelayedNodes = z.object({
  addresses: z.record(z.string().max(255), z.string().max(255)),
  masterPort: z.int().min(0).max(65_535),
})

/** What a rank wrote is sent in pieces of so many bytes at the most, in base64. */
export const mostPiece = 256 * 1024

export const GangAsk = z.discriminatedUnion('ask', [
  z.object({
    ask: z.literal('claim').meta({ description: 'May this job run the gang? Only the first that asks may.' }),
    job: z.string().max(40),
    by: z.uuid().meta({ description: 'Who asks: the same each time that it asks again.' }),
  }),
  z.object({
    ask: z.literal('lead').meta({ description: 'Who has the claim lives. Asked every second.' }),
    nodes: RelayedNodes.optional(),
  }),
  z.object({
    ask: z.literal('over').meta({ description: 'All ranks have ended.' }),
    endedAt: Time,
    said: z.string().max(20_000).meta({ description: 'What the job itself printed.' }),
  }),
  z.object({ ask: z.literal('join').meta({ description: 'What a rank needs to begin.' }), rank: Rank }),
  z.object({
    ask: z.literal('tell').meta({ description: 'How a rank is: all that its agent has written down so far.' }),
    rank: Rank,
    agent: z.object({ pid: z.int(), started: z.string().max(100) }),
    start: z.object({ startedAt: Time }).nullable(),
    end: z.object({ exit: Exit, startedAt: Time.nullable(), endedAt: Time }).nullable(),
    taken: z.boolean().meta({ description: 'Its machine was taken away: how it ended is not its own doing.' }),
    output: z
      .object({ from: z.int().min(0), bytes: z.base64().max(Math.ceil(mostPiece / 3) * 4) })
      .nullable()
      .meta({ description: 'A piece of what it wrote; it counts from its beginning.' }),
  }),
])
export type GangAsk = z.infer<typeof GangAsk>

/** A gang's order but for its credential, which whoever asks has. */
const RelayedOrder = z.object({
  token: z.string(),
  workload: z.string(),
  attempt: z.int(),
  controlPlanes: z.array(z.string()),
  graceMs: z.int(),
  maximumMs: z.int().optional(),
  ranks: z.array(z.object({ rank: Rank, shape: Shape, node: z.string().optional() })),
})

export const RelayedGang = z.object({
  known: z.boolean().meta({ description: 'False: it was retired. There is nothing to run, and nobody to tell.' }),
  order: RelayedOrder.nullable().meta({
    description: 'For who has the claim, and for a rank, which sees those that share its node.',
  }),
  nodes: RelayedNodes.nullable(),
  stop: z.object({ graceMs: z.int(), askedAt: z.int() }).nullable(),
  claimedAt: z.number().nullable().meta({
    description: 'When who has the claim was heard last; null where nobody has it any more, or ever.',
  }),
})
export type RelayedGang = z.output<typeof RelayedGang>

export const GangAnswer = RelayedGang.extend({
  controlPlanes: z.array(z.string()).meta({ description: 'Where to dial from now on, in any order.' }),
})
export type GangAnswer = z.output<typeof GangAnswer>
