import type { Clock } from '#kit/clock.ts'
import { decorate } from '#providers/decorate/decorate.ts'
import { createLocal } from '#providers/local/local.ts'
import type { Provider } from '#providers/provider.ts'
import type { Metrics } from './metrics.ts'
import { readSites } from './sites.ts'

/** The providers of a house, by name. */
export type Providers = {
  /** For the loops. */
  acting: Map<string, Provider>
  /** For people who read logs: with a rate of their own, so that they never keep a launch waiting. */
  reading: Map<string, Provider>
}

type Options = { home: string; clock: Clock; metrics: Metrics }

/** Opens the providers that the state directory declares. */
export async function openProviders({ home, clock, metrics }: Options): Promise<Providers> {
  const local = createLocal({ sites: readSites(home) })
  await local.prepare()
  const decorated = (): Provider =>
    decorate(local, {
      clock,
      random: Math.random,
      record: ({ provider, name: call, outcome, milliseconds }) =>
        metrics.providerCall({ provider, call, outcome, seconds: milliseconds / 1000 }),
    })
  const both = { acting: decorated(), reading: decorated() }
  return { acting: new Map([['local', both.acting]]), reading: new Map([['local', both.reading]]) }
}
