import type { Clock } from '#kit/clock.ts'
import type { JoinedSite } from '#model/joined-site.ts'
import { createJoint } from '#providers/joint.ts'
import { decorate } from '#providers/decorate/decorate.ts'
import { withNotice } from '#providers/decorate/notice.ts'
import { createNowhere } from '#providers/nowhere.ts'
import type { Provider } from '#providers/provider.ts'
import { openProvider } from '#providers/registry.ts'
import type { Metrics } from './metrics.ts'
import { readSites } from './sites.ts'

/** The providers of a house, by name. Both are kept up to date while sites are joined and left. */
export type Providers = {
  /** For the loops. */
  acting: Map<string, Provider>
  /** For people who read logs: with a rate of their own, so that they never keep a launch waiting. */
  reading: Map<string, Provider>
  /** Opens a joined site beside those that are there. `noticeAt` says from when on what runs there has to leave. */
  join(site: JoinedSite, noticeAt: () => number | null): Promise<void>
  /** Closes a joined site; its adapter is given, which nobody uses any more. */
  part(key: string): Provider | undefined
  /** Whether the file declares a site of that key. */
  isInFile(key: string): boolean
}

type Options = { home: string; shared: string; house: string; clock: Clock; metrics: Metrics }

type Part = { adapter: Provider; acting: Provider; reading: Provider }

/** Opens the providers that the state directory declares. */
export async function openProviders({ home, shared, house, clock, metrics }: Options): Promise<Providers> {
  const decorated = (provider: Provider): Provider =>
    decorate(provider, {
      clock,
      random: Math.random,
      record: ({ provider: name, name: call, outcome, milliseconds }) =>
        metrics.providerCall({ provider: name, call, outcome, seconds: milliseconds / 1000 }),
    })
  const partOf = (adapter: Provider, seen = adapter): Part => ({
    adapter,
    acting: decorated(seen),
    reading: decorated(seen),
  })
  const files: Part[] = []
  const joined = new Map<string, Part>()
  const both = { acting: new Map<string, Provider>(), reading: new Map<string, Provider>() }
  const arrange = () => {
    const parts = Map.groupBy([...files, ...joined.values()], ({ adapter }) => adapter.name)
    for (const name of both.acting.keys()) if (!parts.has(name as Provider['name'])) both.acting.delete(name)
    for (const name of both.reading.keys()) if (!parts.has(name as Provider['name'])) both.reading.delete(name)
    for (const [name, [first, ...others]] of parts)
      for (const use of ['acting', 'reading'] as const)
        if (first) both[use].set(name, createJoint(first[use], ...others.map((part) => part[use])))
  }
  for (const [name, options] of await readSites(home))
    files.push(partOf(await openProvider(name, options, { clock, home, shared, house })))
  arrange()
  return {
    ...both,
    async join({ key, provider, site, declaration, leaving }, noticeAt) {
      const adapter = leaving?.goneAt
        ? createNowhere(site)
        : await openProvider(provider, { sites: [declaration] }, { clock, home, shared, house })
      joined.set(key, partOf(adapter, withNotice(adapter, noticeAt)))
      arrange()
    },
    part(key) {
      const part = joined.get(key)
      joined.delete(key)
      arrange()
      return part?.adapter
    },
    isInFile: (key) =>
      files.some(({ adapter }) => adapter.sites().some(({ name }) => key === `${adapter.name}/${name}`)),
  }
}
