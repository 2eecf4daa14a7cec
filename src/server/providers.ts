import type { Clock } from '#kit/clock.ts'
import { decorate } from '#providers/decorate/decorate.ts'
import type { Provider } from '#providers/provider.ts'
import { openProvider } from '#providers/registry.ts'
import type { Metrics } from './metrics.ts'
import { readSites } from './sites.ts'

/** The providers of a house, by name. */
export type Providers = {
  /** For the loops. */
  acting: Map<string, Provider>
  /** For people who read logs: with a rate of their own, so that they never keep a launch waiting. */
  reading: Map<string, Provider>
}

type Options = { home: string; house: string; clock: Clock; metrics: Metrics }

/** Opens the providers that the state directory declares. */
export async function openProviders({ home, house, clock, metrics }: Options): Promise<Providers> {
  const decorated = (provider: Provider): Provider =>
    decorate(provider, {
      clock,
      random: Math.random,
      record: ({ provider: name, name: call, outcome, milliseconds }) =>
        metrics.providerCall({ provider: name, call, outcome, seconds: milliseconds / 1000 }),
    })
  const both: Providers = { acting: new Map(), reading: new Map() }
  for (const [name, options] of await readSites(home)) {
    const provider = await openProvider(name, options, { clock, home, house })
    both.acting.set(name, decorated(provider))
    both.reading.set(name, decorated(provider))
  }
  return both
}
