import { userInfo } from 'node:os'
import { join } from 'node:path'

import { z } from 'zod'

import type { EgressTariff } from '#model/egress.ts'
import type { Tier } from '#model/names.ts'
import type { OfferTerms } from '#model/offer.ts'
import type { Network } from '#model/resources.ts'
import { durationMs, sizeMiB } from '#model/spec/text.ts'
import { distinctNames, siteFields, untoldFields } from '#providers/declared-site.ts'
import {
  keyedStore,
  namedStore,
  placedStore,
  placeOrStore,
  type StoreDeclaration,
  storeDetails,
} from '#providers/declared-store.ts'

/** A partition of a Slurm cluster. */
export type SlurmSite = StoreDeclaration & {
  name: string
  /** Its country first, then the groups it belongs to. */
  jurisdictions: string[]
  /** How long it may not answer before what runs there counts as lost. */
  patienceMs: number
  upWithinMs?: number
  tier: Tier
  /** Price of one node for one hour, in micro-dollars. */
  priceMicros: number
  terms?: OfferTerms | undefined
  egress?: EgressTariff[] | undefined
  partition: string
  /** A folder that the nodes and this machine share, under the same path; without it they ask the control plane. */
  directory?: string | undefined
  user: string
  account?: string | undefined
  qos?: string | undefined
  reservation?: string | undefined
  licences?: string[] | undefined
  /** Gangs have their nodes alone. */
  exclusive: boolean
  /** A topology.conf, for what does not tell it by itself. */
  topologyFile?: string | undefined
  /** Where slurmrestd answers; without it the commands on this machine are used. */
  rest?: string | undefined
  tokenFile: string
  /** For how long a token is made that we renew ourselves. */
  tokenLifespanMs?: number
  /** A program that makes one, with its arguments. */
  tokenCommand?: string[] | undefined
  conf?: string | undefined
  ssh?: string | undefined
  sshConfig?: string | undefined
  /** What Slurm does not tell. */
  acceleratorMemoryMiB: number
  diskMiB: number
  sharedMemoryMiB?: number
  network?: Network[] | undefined
}

const word = z
  .string()
  .max(100)
  .regex(/^[A-Za-z0-9][A-Za-z0-9._@-]*$/, 'must be a name of Slurm: letters, digits, dots, dashes and underscores')
const licence = z
  .string()
  .max(100)
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9._@-]*(:[1-9]\d{0,6})?$/,
    'must be a licence of Slurm and how many of it, such as dataset:2',
  )
const argument = z
  .string()
  .min(1)
  .max(1000)
  .regex(/^[^\0\n]*$/, 'must be one line')
const absolute = /^\/[A-Za-z0-9/._@+-]*$/
const path = z.string().max(1000).regex(absolute, 'must be an absolute path without spaces or signs that a shell knows')

const { nodes: _, ...ownFields } = siteFields

const SlurmSiteField = z
  .strictObject({
    ...ownFields,
    ...storeDetails,
    checkpoints: placeOrStore(absolute, 'an absolute path without spaces or signs that a shell knows')
      .optional()
      .meta({
        description:
          'Where checkpoints of specs that name no folder go: a folder that the nodes share, or an object store that keeps those of jobs; by default the folder of the house, and without `directory` one of each rank, which goes with it.',
        examples: ['/lustre/checkpoints', 's3://my-bucket/checkpoints'],
      }),
    partition: word.meta({ description: 'The partition of the cluster that jobs go to.' }),
    directory: path.optional().meta({
      description:
        'A folder that the nodes and this machine share, under the same path; without it they fetch all that they need from the control plane.',
      examples: ['/shared/isobar'],
    }),
    user: word.optional().meta({ description: 'Whose jobs they are; by default who runs Isobar, which it should be.' }),
    account: word.optional().meta({ description: 'The account that jobs are charged to.' }),
    qos: word.optional().meta({ description: 'The quality of service that jobs ask for.' }),
    reservation: word
      .optional()
      .meta({ description: 'The reservation that jobs ask for: only its nodes are used then.' }),
    licences: z
      .array(licence)
      .max(20)
      .optional()
      .meta({
        description: 'Licences of the cluster that each job holds while it runs, with how many.',
        examples: [['matlab', 'dataset:2']],
      }),
    exclusive: z.boolean().default(false).meta({ description: 'Whether a gang has its nodes alone.' }),
    topologyFile: path.optional().meta({
      description:
        'A topology.conf that says which switches or blocks nodes are at; the commands of Slurm tell it, slurmrestd does not.',
      examples: ['/etc/slurm/topology.conf'],
    }),
    rest: z
      .url({ protocol: /^https?$/ })
      .optional()
      .meta({ description: "Where slurmrestd answers; without it, Slurm's commands are used." }),
    tokenFile: path.optional().meta({
      description: 'The file with a token for slurmrestd (`scontrol token`); by default one in the state directory.',
    }),
    tokenLifespan: durationMs(
      'With `rest`: the token is renewed by `scontrol token`, here or where `ssh` leads, for so long each time, once less than half of that is left; by default it is only read.',
    )
      .refine((ms) => ms >= 60_000, 'must be a minute or more')
      .optional(),
    tokenCommand: z
      .array(argument)
      .min(1)
      .max(64)
      .optional()
      .meta({
        description:
          'With `rest`: a program that makes tokens, with its arguments, run on the machine of the control plane without a shell once less than half of the life of the last is left. It prints the token, with or without `SLURM_JWT=` before it. No secret may stand in it.',
        examples: [['scontrol', 'token', 'username=ada', 'lifespan=86400']],
      }),
    conf: path
      .optional()
      .meta({ description: "The cluster's slurm.conf for the commands; by default the machine's own." }),
    ssh: word.optional().meta({
      description: 'A host, as ssh knows it, on which commands are run; by default this machine.',
      examples: ['me@login1'],
    }),
    sshConfig: path.optional().meta({ description: "A configuration of ssh; by default the user's own." }),
    acceleratorMemory: sizeMiB('Memory of one accelerator, which Slurm does not tell.').default(0),
    disk: sizeMiB('Disk of one node, where Slurm does not tell it.').default(10 * 1024),
    ...untoldFields,
  })
  .refine(({ tokenLifespan, tokenCommand }) => tokenLifespan === undefined || tokenCommand === undefined, {
    path: ['tokenLifespan'],
    message: 'is for tokens that we make by `scontrol token`: with tokenCommand its arguments say it',
  })
  .refine(({ rest, tokenCommand }) => rest !== undefined || tokenCommand === undefined, {
    path: ['rest'],
    message: 'is missing: without it no token is needed, and tokenCommand makes none',
  })
  .refine(...namedStore)
  .refine(...placedStore)
  .refine(...keyedStore)

/** The file that declares partitions of Slurm clusters. */
export const SlurmConfig = z.strictObject({ sites: z.array(SlurmSiteField).min(1).max(100) }).refine(...distinctNames)
export type SlurmConfig = z.output<typeof SlurmConfig>

/** The sites that a file declares; `home` is the state directory. */
export const slurmSites = (config: SlurmConfig, home: string): SlurmSite[] =>
  config.sites.map(
    ({
      patience,
      upWithin,
      price,
      user,
      tokenFile,
      tokenLifespan,
      acceleratorMemory,
      disk,
      sharedMemory,
      ...rest
    }) => ({
      ...rest,
      patienceMs: patience,
      ...(upWithin === undefined ? {} : { upWithinMs: upWithin }),
      priceMicros: price,
      user: user ?? userInfo().username,
      tokenFile: tokenFile ?? join(home, 'slurm', `${rest.name}.jwt`),
      ...(tokenLifespan !== undefined && { tokenLifespanMs: tokenLifespan }),
      acceleratorMemoryMiB: acceleratorMemory,
      diskMiB: disk,
      ...(sharedMemory !== undefined && { sharedMemoryMiB: sharedMemory }),
    }),
  )
