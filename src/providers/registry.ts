import { join } from 'node:path'

import type { Clock } from '#kit/clock.ts'
import { didYouMean } from '#kit/did-you-mean.ts'
import type { ProviderName } from '#model/names.ts'
import type { Provider } from './provider.ts'

/** What an adapter may need of the process that it runs in. */
export type Surroundings = { clock: Clock; /** The state directory. */ home: string }

type Open = (options: unknown, surroundings: Surroundings) => Promise<Provider>

/** Adapters by name. Each is imported when it is opened, so that nobody loads the libraries of clouds he does not use. */
const adapters: Partial<Record<ProviderName, Open>> = {
  async local(options, { home }) {
    const { createLocal } = await import('./local/local.ts')
    const { LocalConfig, localSites } = await import('./local/config.ts')
    const local = createLocal({ sites: localSites(LocalConfig.parse(options), join(home, 'local')) })
    await local.prepare()
    return local
  },
  async simulated(options, { clock }) {
    const { createSimulated } = await import('./simulated/simulated.ts')
    const { SimulatedOptions } = await import('./simulated/options.ts')
    return createSimulated({ ...SimulatedOptions.parse(options), clock }).open()
  },
}

/** The names that `openProvider` knows. */
export const providerNames = Object.keys(adapters) as ProviderName[] // keys of the table

/** An adapter that was asked for and does not exist. */
class UnknownProvider extends Error {
  constructor(name: string) {
    const near = didYouMean(name, providerNames)
    super(
      [
        `There is no provider "${name}" here.${near ? ` Did you mean "${near}"?` : ''}`,
        `Write one of these in sites.yaml: ${providerNames.join(', ')}`,
      ].join('\n'),
    )
    this.name = 'UnknownProvider'
  }
}

/**
 * Opens the adapter of that name with its options, which it reads by its own schema.
 * @throws UnknownProvider when there is none, and zod's error when the options are not its own.
 */
export async function openProvider(name: string, options: unknown, surroundings: Surroundings): Promise<Provider> {
  const adapter = Object.entries(adapters).find(([known]) => known === name)
  if (!adapter) throw new UnknownProvider(name)
  const [, open] = adapter
  return open(options, surroundings)
}
