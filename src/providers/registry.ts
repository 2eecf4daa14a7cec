import { join } from 'node:path'

import type { z } from 'zod'

import type { Clock } from '#kit/clock.ts'
import { didYouMean } from '#kit/did-you-mean.ts'
import type { Examination } from '#model/examination.ts'
import type { ProviderName } from '#model/names.ts'
import type { Site } from '#model/site.ts'
import type { Draft } from './examining.ts'
import type { Provider } from './provider.ts'

/** What an adapter may need of the process that it runs in. */
export type Surroundings = {
  clock: Clock
  /** The state directory. */
  home: string
  /** A folder that all control planes of this house see. */
  shared: string
  /** What tells this house from others in labels at a provider that they share: a few letters and digits. */
  house: string
}

type Adapter = {
  /** The schema of its part of sites.yaml: its sites, without the name of the provider. */
  config(): Promise<z.ZodType>
  /** Without options there is what the adapter finds by itself. */
  open(options: unknown, surroundings: Surroundings): Promise<Provider>
  /** Looks at a site before it is joined; absent where there is nothing to join. */
  examine?(draft: Draft, surroundings: Surroundings, signal: AbortSignal): Promise<Examination>
}

/** Adapters by name. Each is imported when it is needed, so that nobody loads the libraries of clouds he does not use. */
const adapters: Partial<Record<ProviderName, Adapter>> = {
  local: {
    config: async () => (await import('./local/config.ts')).LocalConfig,
    async open(options, { clock, home }) {
      const { createLocal } = await import('./local/local.ts')
      const { defaultSites, LocalConfig, localSites } = await import('./local/config.ts')
      const folder = join(home, 'local')
      const sites = options === undefined ? defaultSites(folder) : localSites(LocalConfig.parse(options), folder)
      const local = createLocal({ sites, clock })
      await local.prepare()
      return local
    },
  },
  kubernetes: {
    config: async () => (await import('./kubernetes/config.ts')).KubernetesConfig,
    async open(options, { house }) {
      const { createKubernetes } = await import('./kubernetes/kubernetes.ts')
      const { KubernetesConfig } = await import('./kubernetes/config.ts')
      return createKubernetes({ ...KubernetesConfig.parse(options), house })
    },
    examine: async (draft, _, signal) => (await import('./kubernetes/examine.ts')).examineKubernetes(draft, signal),
  },
  coreweave: {
    config: async () => (await import('./coreweave/config.ts')).CoreweaveConfig,
    async open(options, { house }) {
      const { createCoreweave } = await import('./coreweave/coreweave.ts')
      const { CoreweaveConfig } = await import('./coreweave/config.ts')
      return createCoreweave({ ...CoreweaveConfig.parse(options), house })
    },
    examine: async (draft, { house }, signal) =>
      (await import('./coreweave/examine.ts')).examineCoreweave(draft, house, signal),
  },
  simulated: {
    config: async () => (await import('./simulated/config.ts')).SimulatedConfig,
    async open(options, { clock }) {
      const { createSimulated } = await import('./simulated/simulated.ts')
      const { SimulatedConfig, simulatedOptions } = await import('./simulated/config.ts')
      return createSimulated({ ...simulatedOptions(SimulatedConfig.parse(options)), clock }).open()
    },
  },
  slurm: {
    config: async () => (await import('./slurm/config.ts')).SlurmConfig,
    async open(options, { home, shared, house }) {
      const { createSlurm } = await import('./slurm/slurm.ts')
      const { SlurmConfig, slurmSites } = await import('./slurm/config.ts')
      return createSlurm({ sites: slurmSites(SlurmConfig.parse(options), home), home, shared, house })
    },
    examine: async (draft, { home }, signal) => (await import('./slurm/examine.ts')).examineSlurm(draft, home, signal),
  },
}

/** The names that `openProvider` knows. */
export const providerNames = Object.keys(adapters) as ProviderName[] // keys of the table

/** An adapter that was asked for and does not exist. */
export class UnknownProvider extends Error {
  override name = 'UnknownProvider'
  readonly fix: string

  constructor(asked: string) {
    super(`there is no provider "${asked}" here`)
    const near = didYouMean(asked, providerNames)
    this.fix = near ? `did you mean ${near}?` : `write one of ${providerNames.join(', ')}`
  }
}

function adapterOf(name: string): Adapter {
  const adapter = Object.entries(adapters).find(([known]) => known === name)?.[1]
  if (!adapter) throw new UnknownProvider(name)
  return adapter
}

/** The schema of a provider's part of sites.yaml. Throws `UnknownProvider` when there is none. */
export const configOf = async (name: string): Promise<z.ZodType> => adapterOf(name).config()

/**
 * Opens the adapter of that name with its part of sites.yaml, which it reads by its own schema.
 * @throws UnknownProvider when there is none, and zod's error when the options are not its own.
 */
export const openProvider = async (name: string, options: unknown, surroundings: Surroundings): Promise<Provider> =>
  adapterOf(name).open(options, surroundings)

/** Providers whose sites can be joined by a command. */
export const joinable = providerNames.filter((name) => adapters[name]?.examine)

/**
 * Looks at a site as it would be declared, before it is joined. Changes nothing there.
 * @throws UnknownProvider where there is nothing to join.
 */
export async function examineSite(
  name: string,
  draft: Draft,
  { signal, ...surroundings }: Surroundings & { signal: AbortSignal },
): Promise<Examination> {
  const { examine } = adapterOf(name)
  if (!examine) throw new UnknownProvider(name)
  return examine(draft, surroundings, signal)
}

/** The site that a declaration is of. Throws zod's error where it is none. */
export async function siteOf(name: string, declaration: Draft, surroundings: Surroundings): Promise<Site> {
  const provider = await openProvider(name, { sites: [declaration] }, surroundings)
  const [site] = provider.sites()
  await provider.close?.()
  if (!site) throw new Error(`the declaration of a site of ${name} gave none`)
  return site
}
