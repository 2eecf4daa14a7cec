import { z } from 'zod'

import { EnvironmentName, Jurisdiction, Name, ProviderName, SiteKey, Tier } from '#model/names.ts'
import { acceleratorModel } from './resources-text.ts'
import { durationMs, hourlyMicros, instant, moneyMicros, sizeMiB } from './text.ts'

const path = z.string().min(1).max(1000)

export const PlacementField = z
  .strictObject({
    providers: z.array(ProviderName).max(20).optional().meta({ description: 'Only these providers.' }),
    sites: z
      .array(SiteKey)
      .max(100)
      .optional()
      .meta({ description: 'Only these sites.', examples: [['local/west']] }),
    jurisdictions: z.array(Jurisdiction).max(50).optional().meta({ description: 'Only sites in one of these.' }),
    tiers: z.array(Tier).max(4).optional().meta({ description: 'Only capacity bought in one of these ways.' }),
    maxPrice: hourlyMicros('The most that one node may cost in an hour.').optional(),
    nodeLabels: z
      .record(z.string().min(1).max(317), z.string().max(200))
      .optional()
      .meta({ description: 'Only nodes that have all of these labels.', examples: [{ rack: 'r1' }] }),
    tolerations: z
      .array(z.string().min(1).max(317))
      .max(50)
      .optional()
      .meta({ description: 'Taints of nodes that it does not mind.', examples: [['debug-only']] }),
    spread: z
      .enum(['none', 'site', 'provider'])
      .default('none')
      .meta({ description: 'Keep replicas of a service apart.' }),
  })
  .transform(({ maxPrice, ...rest }) => ({ ...rest, maxPriceMicros: maxPrice }))

export const BudgetField = z
  .strictObject({
    limit: moneyMicros('What this workload may cost in all.'),
    warnAt: z.number().min(0).max(1).default(0.8).meta({ description: 'Share of the limit at which an event warns.' }),
    whenUsed: z
      .enum(['stop', 'finish'])
      .default('finish')
      .meta({ description: 'Stop the run, or only start nothing more.' }),
  })
  .transform(({ limit, ...rest }) => ({ ...rest, limitMicros: limit }))

export const DurationField = z
  .strictObject({
    expected: durationMs('How long it is expected to run, at speed 1; for plans, prices and backfill.').optional(),
    maximum: durationMs('How long it may run before it is stopped.').optional(),
  })
  .transform(({ expected, maximum }) => ({ expectedMs: expected, maximumMs: maximum }))

/** What decides between candidates that would all do. */
export const ObjectiveField = z.enum(['cost', 'finish', 'balance'])

export const ThroughputField = z.record(
  z.string().max(40).regex(acceleratorModel, 'must be the model of an accelerator, such as H100'),
  z
    .number()
    .min(0.001)
    .max(1000)
    .overwrite((speed) => Math.round(speed * 1000) / 1000),
)

export const CheckpointField = z
  .strictObject({
    directory: path.optional().meta({
      description: 'Where checkpoints go; by default the object store of the site, or a folder that Isobar keeps.',
    }),
    every: durationMs('How often it writes one: what a loss of its nodes costs is half of that.').optional(),
    grace: durationMs('Time between SIGTERM and SIGKILL, to write a checkpoint.').prefault('30s'),
  })
  .transform(({ directory, every, grace }) => ({ directory, everyMs: every, graceMs: grace }))

export const RetryField = z.strictObject({
  onLoss: z
    .int()
    .min(0)
    .max(1000)
    .default(20)
    .meta({ description: 'How often to start again after a loss of capacity.' }),
  onExit: z
    .array(z.int().min(1).max(255))
    .max(255)
    .default([])
    .meta({ description: 'Exit codes after which to start again.' }),
  times: z.int().min(0).max(1000).default(3).meta({ description: 'How often to start again after such an exit.' }),
})

export const DataSetField = z
  .strictObject({
    name: Name.meta({ description: 'What people call it.' }),
    location: z.string().max(1000).meta({ description: 'Where it is, such as s3://bucket/path.' }),
    jurisdictions: z
      .array(Jurisdiction)
      .max(50)
      .optional()
      .meta({ description: 'Work on it may run only there; without it, anywhere.' }),
    site: SiteKey.optional().meta({ description: 'The site that it lies at: to read it elsewhere costs egress.' }),
    size: sizeMiB('How much of it is read.').optional(),
  })
  .transform(({ size, ...rest }) => ({ ...rest, sizeMiB: size }))

export const ReadinessField = z
  .strictObject({
    path: z
      .string()
      .startsWith('/')
      .max(1000)
      .optional()
      .meta({ description: 'HTTP path that answers 2xx when ready; without it a TCP connection is enough.' }),
    period: durationMs('Time between two checks.').prefault('1s'),
    timeout: durationMs('How long an answer may take.').prefault('1s'),
    failures: z.int().min(1).max(100).default(3).meta({ description: 'Failed checks in a row until not ready.' }),
  })
  .transform(({ period, timeout, ...rest }) => ({ ...rest, periodMs: period, timeoutMs: timeout }))

export const ReplicasField = z
  .union([
    z.int().min(0).max(10_000),
    z.strictObject({
      min: z.int().min(0).max(10_000).meta({ description: 'Fewest copies.' }),
      max: z.int().min(1).max(10_000).meta({ description: 'Most copies; must equal min until services scale.' }),
    }),
  ])
  .transform((replicas) => (typeof replicas === 'number' ? { min: replicas, max: replicas } : replicas))
  .refine(({ min, max }) => min <= max, 'min must not be above max')

export const EnvironmentField = z.record(
  EnvironmentName,
  z.union([z.string().max(32_768), z.number(), z.boolean()]).transform(String),
)

export const Deadline = instant('When it must have ended; it is not started when it cannot make it.')
