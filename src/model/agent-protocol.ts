import { z } from 'zod'

import { OpenStore } from './checkpoint-store.ts'

/** How a process ended: an exit code, or the signal that ended it. */
export const Exit = z.object({
  code: z.int().min(0).max(255).nullable(),
  signal: z.string().max(20).nullable(),
  outOfMemory: z.boolean(),
})
export type Exit = z.infer<typeof Exit>

/** A task that ended. It counts only once, and only from the attempt that the task was leased to. */
export const EndedTask = z.object({ index: z.int().min(0), exit: Exit, startedAt: z.int(), endedAt: z.int() })
export type EndedTask = z.infer<typeof EndedTask>

/**
 * What an agent says of its node: all of it each time, so that a report may be lost, repeated or late. Sent to
 * `POST /agent/v1/sync` with the credential of its attempt as bearer token.
 */
export const AgentReport = z.object({
  rank: z.int().min(0),
  number: z
    .int()
    .min(0)
    .optional()
    .meta({ description: 'Counts up with each report; one that was overtaken on its way changes nothing.' }),
  sentAt: z.int().optional().meta({
    description: "The agent's clock as it sends this: how far off it is shows here, and all its times with it.",
  }),
  state: z.enum(['arrived', 'running', 'exited']),
  address: z.string().max(255),
  endpoints: z.array(z.string().max(300)).max(16),
  ready: z.boolean(),
  exit: Exit.nullable(),
  startedAt: z.int().nullable(),
  endedAt: z.int().nullable(),
  tasks: z
    .object({
      ended: z.array(EndedTask).max(10_000).meta({ description: 'Ended since the last report that was answered.' }),
      held: z.array(z.int()).max(10_000).meta({ description: 'Leased and not ended.' }),
      wanted: z.int().min(0).max(10_000).meta({ description: 'How many more it can take.' }),
    })
    .optional(),
  waitMs: z.int().min(0).max(60_000).meta({ description: 'How long the answer may wait for news.' }),
  seen: z.string().max(200).meta({ description: 'The `version` of the last answer; another version is news.' }),
})
export type AgentReport = z.infer<typeof AgentReport>

/** How an agent checks that a port serves: what the `readiness` of a spec comes down to. */
export const Readiness = z.object({
  path: z.string().optional().meta({ description: 'Asked by HTTP; without it a TCP connection is enough.' }),
  periodMs: z.int().min(0),
  timeoutMs: z.int().min(0),
  failures: z.int().min(1).meta({ description: 'Failed checks in a row until not ready.' }),
})
export type Readiness = z.infer<typeof Readiness>

/** Everything a rank needs to start; given once all ranks have arrived. */
export const Go = z.object({
  peers: z.array(z.string()).meta({ description: 'Addresses of all ranks, in their order.' }),
  environment: z.record(z.string(), z.string()).meta({ description: 'With secrets; never written to disk.' }),
  setup: z.string().nullable(),
  run: z.string(),
  bundle: z.object({ hash: z.string(), url: z.string() }).nullable(),
  checkpointRoot: z
    .string()
    .nullable()
    .meta({ description: "The workload's folder for checkpoints, one folder an attempt." }),
  checkpointStore: OpenStore.optional().meta({
    description: 'Keeps them instead: the folder is one of this rank alone, and gone with it.',
  }),
  ports: z.array(z.int()),
  readiness: Readiness.nullable(),
  slots: z.int().min(0).meta({ description: 'Tasks to run side by side; 0 for anything but an array.' }),
})
export type Go = z.output<typeof Go>

/** What a rank does, but for the addresses of its gang. */
export type Program = Omit<Go, 'peers'>

/** What the control plane answers. */
export const AgentAnswer = z.object({
  version: z.string(),
  go: Go.nullable(),
  stop: z.object({ graceMs: z.int(), reason: z.string() }).nullable(),
  fenced: z.boolean().meta({ description: 'A later attempt exists: stop at once and say no more.' }),
  tasks: z.array(z.int()).meta({ description: 'Tasks leased to this agent by this answer.' }),
  tasksOver: z.boolean().meta({ description: 'No task is left or will come: end when the held ones have ended.' }),
  controlPlanes: z.array(z.string()).meta({ description: 'Where to dial from now on, in any order.' }),
})
export type AgentAnswer = z.output<typeof AgentAnswer>
