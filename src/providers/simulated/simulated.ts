import type { Clock } from '#kit/clock.ts'
import { fail, succeed } from '#model/fault.ts'
import type { ProviderName } from '#model/names.ts'
import type { Offer } from '#model/offer.ts'
import type { LogChunk, Provider } from '#providers/provider.ts'
import { type Befallen, createDiary } from './befell.ts'
import type { BillLine } from './books.ts'
import { lateFates } from './fate.ts'
import type { Supply as Change } from './faults.ts'
import { type Gang, outputOf, type Part } from './gang.ts'
import { createMachines, type Machines, type Standing } from './machines.ts'
import { faultsOf, SimulatedOptions, type SimulatedSite, upWithinMsOf } from './options.ts'
import type { Down } from './outages.ts'
import { createSite, type SiteState } from './site.ts'
import { createSupply, type Supply } from './supply.ts'
import { isOneOf, type Trouble } from './trouble.ts'
import { createView, type View } from './view.ts'
import { createSiteWatch, type SiteWatch } from './watch.ts'
import { type Command, createWeather, type Weather } from './weather.ts'
import { createWire, type Wire } from './wire.ts'

/**
 * A simulated cloud: the truth about its sites, which outlives any number of adapters that are opened on it. The same
 * seed, clock and calls give the same history, bit for bit; each draw belongs to a token and a purpose, so that the
 * order in which calls happen to be made changes nothing else. With a name it is taken for that provider.
 */
export type SimulatedCloud = {
  /** Another adapter, with no memory of its own. */
  open(): Provider
  /** What the ranks of an order do, by its token or else its workload: one part a rank, or one part for all. */
  script(tokenOrWorkload: string, parts: readonly Part[]): void
  /**
   * From now on a trouble befalls calls to a site, or the gangs that it launches, as the command says. One that a gang
   * may meet in its life strikes those that are there now. `lost` is what `lose` does.
   */
  befall(site: string, trouble: Trouble, command?: Command): void
  /** Lifts what was told to befall a site: one trouble, or all. */
  calm(site: string, trouble?: Trouble): void
  /** From now on there are so many nodes at a site, at such a price, of which we may hold so many. */
  change(site: string, change: Change): void
  /** A node that has a name is otherwise from now on, or what stands there hangs. */
  changeNode(site: string, node: string, how: Standing | 'hung'): void
  /** Makes a site unreachable, refusing or never answering; what runs there goes on. */
  cut(site: string, how?: Exclude<Down, 'lost'>): void
  restore(site: string): void
  /** Something at a site shows itself otherwise, of which the site itself knows nothing: whoever watches it is told. */
  stir(site: string): void
  /** How a site does not answer anybody now; null where it does. */
  down(site: string): Down | null
  /** All that runs at a site is gone at once, and the site is unreachable until it is restored: never, if for good. */
  lose(site: string, forGood?: boolean): void
  /** What befell calls, gangs and sites, in the order in which it was drawn; the last 50,000. */
  befell(): Befallen[]
  /** The provider's own bill: a line for each gang that ever was, in the order of the sites. */
  meter(): BillLine[]
  /** What is really there, seen or not. */
  gangs(site: string): Gang[]
  /** Nodes in use at a site, in the order of its pools. */
  used(site: string): readonly number[]
}

/** One site with all that stands around it. */
type Place = {
  site: SimulatedSite
  upWithinMs: number | undefined
  state: SiteState
  supply: Supply
  machines: Machines | null
  weather: Weather
  view: View
  wire: Wire
  watch: SiteWatch
}

export function createSimulated(given: SimulatedOptions & { clock: Clock; name?: ProviderName }): SimulatedCloud {
  const { clock, name = 'simulated', ...rest } = given
  const { seed, faults: all, sites } = SimulatedOptions.parse(rest)
  const diary = createDiary()
  const scripts = new Map<string, readonly Part[]>()
  const places = new Map(
    sites.map((site) => {
      const faults = faultsOf(site, all)
      const weather = createWeather({ seed, site: site.name, faults, diary })
      const supply = createSupply({ seed, site, faults })
      const { racks } = site
      const machines = racks ? createMachines({ site, racks, supply }) : null
      const state = createSite({ seed, site, faults, weather, supply, machines, diary, from: clock.now() })
      const view = createView({ seed, site: site.name, faults, weather })
      const wire = createWire({ seed, site: site.name, faults, clock, weather, state, diary })
      const watch = createSiteWatch({ site: site.name, faults, clock, state, wire })
      return [
        site.name,
        { site, upWithinMs: upWithinMsOf(site, faults), state, supply, machines, weather, view, wire, watch },
      ] as const
    }),
  )
  const at = (site: string): Place => {
    const place = places.get(site)
    if (!place) throw new Error(`no simulated site "${site}"; there are ${[...places.keys()].join(', ')}`)
    return place
  }
  const lose: SimulatedCloud['lose'] = (site, forGood) => at(site).state.sever('lost', clock.now(), forGood)
  return {
    open: () => openAdapter({ name, sites, at, scripts }),
    script: (tokenOrWorkload, parts) => void scripts.set(tokenOrWorkload, parts),
    befall(site, trouble, command = {}) {
      if (trouble === 'lost') lose(site)
      else if (isOneOf(lateFates, trouble)) at(site).state.strike({ ...command, fate: trouble, now: clock.now() })
      else at(site).weather.command(trouble, command)
    },
    calm: (site, trouble) => at(site).weather.calm(trouble),
    change: (site, change) => at(site).supply.change({ ...change, at: clock.now() }),
    changeNode: (site, node, how) => at(site).state.change(node, how, clock.now()),
    cut: (site, how = 'unreachable') => at(site).state.sever(how, clock.now()),
    stir: (site) => at(site).watch.stir(),
    down: (site) => at(site).state.down(clock.now()),
    restore: (site) => at(site).state.sever(null, clock.now()),
    lose,
    befell: () => diary.read(),
    meter: () => [...places.values()].flatMap(({ state }) => state.bill(clock.now())),
    gangs: (site) => at(site).state.gangs(clock.now()),
    used: (site) => at(site).state.used(clock.now()),
  }
}

type Shared = {
  name: ProviderName
  sites: SimulatedSite[]
  at(site: string): Place
  scripts: ReadonlyMap<string, readonly Part[]>
}

const openAdapter = ({ name: provider, sites, at, scripts }: Shared): Provider => ({
  name: provider,
  sites: () =>
    sites.map(({ name, jurisdictions, patienceMs, egress, pools, racks }) => {
      const { upWithinMs } = at(name)
      return {
        provider,
        name,
        jurisdictions,
        patienceMs,
        ...(upWithinMs === undefined ? {} : { upWithinMs }),
        ...(egress ? { egress } : {}),
        ...(racks && pools.length > 1 ? { mixesShapes: true as const } : {}),
      }
    }),
  offers: (site, signal) =>
    at(site).wire({ name: 'offers', token: '' }, signal, (_, now) => succeed(offersOf(provider, at(site), now))),
  launch: (order, signal) =>
    at(order.site).wire({ name: 'launch', token: order.token }, signal, (state, now) =>
      state.launch(order, scripts.get(order.token) ?? scripts.get(order.workload), now),
    ),
  get: ({ site, token }, signal) =>
    at(site).wire({ name: 'get', token }, signal, (state, now) => succeed(at(site).view.get(state, token, now))),
  list: (site, signal) =>
    at(site).wire({ name: 'list', token: '' }, signal, (state, now) => succeed(at(site).view.list(state, now))),
  retire: ({ site, token }, graceMs, signal) =>
    at(site).wire({ name: 'retire', token }, signal, (state, now) => succeed(state.retire(token, graceMs, now))),
  logs: ({ site, token }, part, signal) =>
    at(site).wire({ name: 'logs', token }, signal, (state, now) => {
      const gang = state.gang(token, now)
      const output = gang ? outputOf(gang, part.rank, now) : { text: '', end: true }
      return succeed(chunkOf(Buffer.from(output.text), output.end, part))
    }),
  abilities: {
    ...(sites.some(({ tells }) => tells) && {
      watch: async (site, since, signal) => {
        const { site: declared, watch } = at(site)
        return declared.tells ? watch.watch(since, signal) : fail('invalid', 'never', `${site} tells of no changes`)
      },
    }),
    ...(sites.every(({ racks }) => racks) && {
      inventory: (site, signal) =>
        at(site).wire({ name: 'inventory', token: '' }, signal, (_, now) => {
          const { machines, view } = at(site)
          return succeed(machines?.inventory(view.offers(now, 'inventory')) ?? [])
        }),
    }),
  },
})

/** Nodes that are there although there should be fewer now are offered as well: they count what we hold. */
function offersOf(provider: ProviderName, { site, supply, machines, view }: Place, now: number): Offer[] {
  const { asOf, isTrue } = view.offers(now)
  const usable = machines?.inventory({ asOf, isTrue }).filter((node) => node.usable)
  return site.pools.map(({ tier, shape, nodes, divisible, terms }, number) => {
    const there = supply.pool(number, asOf)
    return {
      provider,
      site: site.name,
      tier,
      shape,
      divisible: divisible ?? false,
      priceMicros: there.priceMicros,
      available: usable ? usable.filter((node) => node.shape.name === shape.name).length : isTrue ? there.nodes : nodes,
      images: true,
      source: 'simulated',
      ...terms,
      asOf,
    }
  })
}

function chunkOf(bytes: Uint8Array, end: boolean, { from, most }: { from: number; most: number }): LogChunk {
  const part = bytes.subarray(from, from + most)
  return { from, bytes: part, end: end && from + part.length >= bytes.length }
}
