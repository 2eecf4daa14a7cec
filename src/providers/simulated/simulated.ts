import type { Clock } from '#kit/clock.ts'
import { succeed } from '#model/fault.ts'
import type { Offer } from '#model/offer.ts'
import type { LogChunk, Provider } from '#providers/provider.ts'
import type { BillLine } from './books.ts'
import { type Gang, outputOf, type Part, sightingOf } from './gang.ts'
import { SimulatedOptions, type SimulatedSite, type Trouble } from './options.ts'
import { createSite, type SiteState } from './site.ts'
import { createWeather } from './weather.ts'
import { createWire, type Wire } from './wire.ts'

/**
 * A simulated cloud: the truth about its sites, which outlives any number of adapters that are opened on it. The same
 * seed, clock and calls give the same history, bit for bit; each draw belongs to a token and a purpose, so that the
 * order in which calls happen to be made changes nothing else.
 */
export type SimulatedCloud = {
  /** Another adapter, with no memory of its own. */
  open(): Provider
  /** What the ranks of an order do, by its token or else its workload: one part a rank, or one part for all. */
  script(tokenOrWorkload: string, parts: readonly Part[]): void
  /** Makes a site unreachable, refusing or never answering; what runs there goes on. */
  cut(site: string, how?: Extract<Trouble, 'unreachable' | 'hanging'>): void
  restore(site: string): void
  /** All that runs at a site is gone at once, and the site is unreachable until it is restored. */
  lose(site: string): void
  /** The provider's own bill: a line for each gang that ever was, in the order of the sites. */
  meter(): BillLine[]
  /** What is really there, seen or not. */
  gangs(site: string): Gang[]
  /** Nodes in use at a site, in the order of its pools. */
  used(site: string): readonly number[]
}

export function createSimulated(given: SimulatedOptions & { clock: Clock }): SimulatedCloud {
  const { clock, ...rest } = given
  const { seed, faults, sites } = SimulatedOptions.parse(rest)
  const weather = createWeather(seed, faults)
  const scripts = new Map<string, readonly Part[]>()
  const states = new Map(
    sites.map((site) => [site.name, createSite({ seed, site, faults: { ...faults, ...site.pace } })]),
  )
  const stateOf = (site: string): SiteState => {
    const state = states.get(site)
    if (!state) throw new Error(`no simulated site "${site}"; there are ${[...states.keys()].join(', ')}`)
    return state
  }
  const wire = createWire({ seed, faults, clock, weather, stateOf })
  return {
    open: () => openAdapter({ sites, wire, scripts }),
    script: (tokenOrWorkload, parts) => void scripts.set(tokenOrWorkload, parts),
    cut: (site, how = 'unreachable') => weather.set(site, how),
    restore: (site) => weather.set(site, null),
    lose(site) {
      stateOf(site).lose(clock.now())
      weather.set(site, 'unreachable')
    },
    meter: () => [...states.values()].flatMap((state) => state.bill(clock.now())),
    gangs: (site) => [...stateOf(site).gangs(clock.now())],
    used: (site) => stateOf(site).used(clock.now()),
  }
}

type Shared = { sites: SimulatedSite[]; wire: Wire; scripts: ReadonlyMap<string, readonly Part[]> }

const openAdapter = ({ sites, wire, scripts }: Shared): Provider => ({
  name: 'simulated',
  sites: () =>
    sites.map(({ name, jurisdictions, patienceMs, egress }) => ({
      provider: 'simulated',
      name,
      jurisdictions,
      patienceMs,
      ...(egress ? { egress } : {}),
    })),
  offers: (site, signal) =>
    wire({ site, name: 'offers', token: '' }, signal, (_, now) => succeed(offersOf(sites, site, now))),
  launch: (order, signal) =>
    wire({ site: order.site, name: 'launch', token: order.token }, signal, (state, now) =>
      state.launch(order, scripts.get(order.token) ?? scripts.get(order.workload), now),
    ),
  get: ({ site, token }, signal) =>
    wire({ site, name: 'get', token }, signal, (state, now) => {
      const gang = state.gang(token, now)
      return succeed(gang && sightingOf(gang, now))
    }),
  list: (site, signal) =>
    wire({ site, name: 'list', token: '' }, signal, (state, now) =>
      succeed([...state.gangs(now)].flatMap((gang) => sightingOf(gang, now) ?? [])),
    ),
  retire: ({ site, token }, graceMs, signal) =>
    wire({ site, name: 'retire', token }, signal, (state, now) => succeed(state.retire(token, graceMs, now))),
  logs: ({ site, token }, part, signal) =>
    wire({ site, name: 'logs', token }, signal, (state, now) => {
      const gang = state.gang(token, now)
      const output = gang ? outputOf(gang, part.rank, now) : { text: '', end: true }
      return succeed(chunkOf(Buffer.from(output.text), output.end, part))
    }),
  abilities: {},
})

const offersOf = (sites: SimulatedSite[], site: string, now: number): Offer[] =>
  (sites.find((one) => one.name === site)?.pools ?? []).map(({ tier, shape, priceMicros, nodes, terms }) => ({
    provider: 'simulated',
    site,
    tier,
    shape,
    divisible: false,
    priceMicros,
    available: nodes,
    images: true,
    source: 'simulated',
    ...terms,
    asOf: now,
  }))

function chunkOf(bytes: Uint8Array, end: boolean, { from, most }: { from: number; most: number }): LogChunk {
  const part = bytes.subarray(from, from + most)
  return { from, bytes: part, end: end && from + part.length >= bytes.length }
}
