import { z } from 'zod'

import type { CheckpointStore } from '#model/checkpoint-store.ts'
import { EnvironmentName, type ProviderName } from '#model/names.ts'
import type { Site } from '#model/site.ts'

// What sites.yaml says of an object store that keeps the checkpoints of a site.

const bucket = String.raw`[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]`
const folder = String.raw`[A-Za-z0-9_=.-]+`
/** `s3://bucket/prefix`, as a part of another expression. */
const address = String.raw`s3:\/\/${bucket}(?:\/${folder})*\/?`

export const storeAddress = z
  .string()
  .max(500)
  .regex(new RegExp(`^${address}$`), 'must be the address of a bucket, such as s3://my-bucket/checkpoints')

/** What a store is beside its address. */
export const storeDetails = {
  checkpointsEndpoint: z
    .url({ protocol: /^https?$/ })
    .max(500)
    .optional()
    .meta({
      description: 'Where the object store of `checkpoints` answers; by default Amazon S3 in its region.',
      examples: ['https://cwobject.com'],
    }),
  checkpointsRegion: z
    .string()
    .regex(/^[A-Za-z0-9-]{1,64}$/, 'must be the name of a region, such as eu-central-1')
    .optional()
    .meta({ description: 'The region of that bucket.' }),
  checkpointsSecret: EnvironmentName.optional().meta({
    description:
      'The secret of the project of a workload that holds the keys of the store, as ~/.aws/credentials does; without it, pods have an identity of their own.',
  }),
  checkpointsAddressing: z.enum(['virtual', 'path']).optional().meta({
    description:
      'Whether the bucket is a part of the host or of the path; by default of the host, where that is a name.',
  }),
}

/** What sites without claims of their own say of checkpoints. */
export const storeFields = {
  checkpoints: storeAddress.optional().meta({
    description: 'An object store that keeps the checkpoints of jobs, instead of a folder.',
    examples: ['s3://my-bucket/checkpoints'],
  }),
  ...storeDetails,
}

export type StoreDeclaration = { checkpoints?: string | undefined } & {
  [Name in keyof typeof storeDetails]?: z.output<(typeof storeDetails)[Name]>
}

export const isStore = (text: string | undefined): text is string => text?.startsWith('s3://') ?? false

/** For `refine`: details are those of a store that is named, and one of Amazon is in a region. */
export const namedStore = [
  (declared: StoreDeclaration) =>
    isStore(declared.checkpoints) ||
    Object.keys(storeDetails).every((name) => declared[name as keyof typeof storeDetails] === undefined), // its own keys
  { path: ['checkpoints'], message: 'this is said of an object store, and none is named; write s3://bucket/prefix' },
] as const satisfies [unknown, { path: PropertyKey[]; message: string }]

export const placedStore = [
  ({ checkpoints, checkpointsEndpoint, checkpointsRegion }: StoreDeclaration) =>
    !isStore(checkpoints) || checkpointsEndpoint !== undefined || checkpointsRegion !== undefined,
  {
    path: ['checkpoints'],
    message: 'say where that bucket is: checkpointsRegion for Amazon S3, or checkpointsEndpoint for any other store',
  },
] as const satisfies [unknown, { path: PropertyKey[]; message: string }]

/** For `refine`: machines have no identity of their own by which a store would know them. */
export const keyedStore = [
  ({ checkpoints, checkpointsSecret }: StoreDeclaration) => !isStore(checkpoints) || checkpointsSecret !== undefined,
  { path: ['checkpoints'], message: 'name the secret that holds the keys of that store: checkpointsSecret' },
] as const satisfies [unknown, { path: PropertyKey[]; message: string }]

/** Where S3 says nothing of regions, signatures are made for this one. */
const anyRegion = 'us-east-1'

/** The store that a site declares, as a part of what is told of it. */
export function storeOf(declared: StoreDeclaration): { checkpoints?: CheckpointStore } {
  const { checkpoints, checkpointsEndpoint, checkpointsRegion, checkpointsSecret, checkpointsAddressing } = declared
  if (!isStore(checkpoints)) return {}
  const [, name = '', path = ''] = /^s3:\/\/([^/]+)\/?(.*?)\/?$/.exec(checkpoints) ?? []
  const region = checkpointsRegion ?? anyRegion
  const endpoint = checkpointsEndpoint ?? `https://s3.${region}.amazonaws.com`
  const { hostname } = new URL(endpoint)
  // No certificate for names of one level holds for a bucket with dots, and an address has no names below it.
  const isAddress = /^[\d.]+$|^\[|^localhost$/.test(hostname)
  return {
    checkpoints: {
      bucket: name,
      prefix: path === '' ? '' : `${path}/`,
      endpoint,
      region,
      addressing: checkpointsAddressing ?? (isAddress || name.includes('.') ? 'path' : 'virtual'),
      ...(checkpointsSecret !== undefined && { secret: checkpointsSecret }),
    },
  }
}

type Declared = StoreDeclaration & {
  name: string
  jurisdictions: string[]
  patienceMs: number
  upWithinMs?: number | undefined
  egress?: Site['egress']
}

/** A declared site, as all others know it. */
export const siteOf = (provider: ProviderName, declared: Declared): Site => ({
  provider,
  name: declared.name,
  jurisdictions: declared.jurisdictions,
  patienceMs: declared.patienceMs,
  ...(declared.upWithinMs === undefined ? {} : { upWithinMs: declared.upWithinMs }),
  ...(declared.egress ? { egress: declared.egress } : {}),
  ...storeOf(declared),
})

/** A place of the site's own, such as a folder, or the address of a store. */
export const placeOrStore = (place: RegExp, what: string) =>
  z
    .string()
    .max(1000)
    .regex(
      new RegExp(`${place.source}|^${address}$`),
      `must be ${what}, or the address of a bucket such as s3://my-bucket/checkpoints`,
    )
