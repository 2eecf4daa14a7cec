import { z } from 'zod'

/** A name that is safe as a DNS label, a Kubernetes object name and a folder: lower case, digits and inner dashes. */
export const Name = z
  .string()
  .max(63)
  .regex(/^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/, 'must be lower-case letters, digits and dashes, such as train-7b')
  .meta({ description: 'A name: lower-case letters, digits and inner dashes, at most 63.' })

/** An environment variable's name. */
export const EnvironmentName = z
  .string()
  .max(128)
  .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'must be letters, digits and underscores, such as HF_TOKEN')

/** The adapters that exist. A provider in use is one of these with a credential. */
export const ProviderName = z
  .enum(['aws', 'azure', 'gcp', 'oci', 'coreweave', 'kubernetes', 'slurm', 'local', 'simulated'])
  .meta({ description: 'The kind of provider.' })
export type ProviderName = z.infer<typeof ProviderName>

/** A site by its provider and its name. */
export const SiteKey = z
  .string()
  .max(100)
  .regex(/^[a-z]+\/[a-z0-9]([a-z0-9-]*[a-z0-9])?$/, 'must be provider/site, such as local/west')

/** How capacity is bought, cheapest use first: what is paid for anyway, then what is fixed, then what may vanish. */
export const Tier = z
  .enum(['committed', 'reserved', 'spot', 'on-demand'])
  .meta({ description: 'How the capacity is bought.' })
export type Tier = z.infer<typeof Tier>

/** A country (`DE`), a group of countries (`EU`), or `*` where it does not matter. */
export const Jurisdiction = z
  .string()
  .regex(/^[A-Z]{2,8}$/, 'must be a country or group in capitals, such as DE or EU')
  .meta({ description: 'A country (ISO 3166-1 alpha-2) or a group such as EU.' })
