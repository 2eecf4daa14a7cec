import { Tier } from '#model/names.ts'
import type { LeasedRank } from '#model/lease.ts'
import type { Offer } from '#model/offer.ts'
import type { Decision, Placement } from '#model/plan.ts'
import type { AcceleratorRequest, Shape } from '#model/resources.ts'
import type { Node } from '#model/site.ts'

import { check } from './check.ts'
import type { Asked, SiteFacts } from './facts.ts'
import type { PlaceInput } from './place.ts'

/**
 * The promises of placement kept in the slowest and plainest way, for jobs that leave CPUs and memory open, or whose
 * nodes are had whole: every way to stand is written down, and the checker says which are allowed. It shares no code with the engine.
 */
export type Way = {
  asked: Asked
  placement: Placement
  /** What is compared, the smaller first: the accelerator named earlier, apart, cost of the run, of an hour, the tier. */
  price: number[]
}

/** Those who were placed before, in a round whose facts are the input's. */
export type State = { input: PlaceInput; placed: readonly Way[] }

export const nameOf = ({ workload, replica }: Asked): string => `${workload.id} ${replica.replica}`

/** Every way that is allowed after all that was placed before. */
export const waysOf = (asked: Asked, state: State): Way[] =>
  [...everyWay(asked, state)].filter((way) => isAllowed([...state.placed, way], state.input))

/** Whether these may stand beside each other, and beside all that runs. */
export const isAllowed = (ways: readonly Way[], input: PlaceInput): boolean =>
  check(
    input,
    ways.map(({ asked, placement }) => decisionFor(asked, placement)),
  ).length === 0

const decisionFor = ({ workload, replica }: Asked, placement: Placement): Decision => ({
  workload: workload.id,
  replica: replica.replica,
  placement,
  alternatives: [],
  rejections: [],
  refusal: null,
})

export const comparePrices = (a: Way, b: Way): number =>
  a.price.reduce((found, each, i) => found || each - (b.price[i] ?? 0), 0)

/** The way that a decision has taken. */
export function wayTaken(asked: Asked, placement: Placement, { input, placed }: State): Way {
  const site = input.snapshot.sites.find((each) => each.site === `${placement.provider}/${placement.site}`)
  const offer = site?.offers.find(({ tier, shape }) => tier === placement.tier && shape.name === placement.shape)
  if (!site || !offer) throw new Error(`${nameOf(asked)} went where nothing is offered`)
  return { asked, placement, price: priceOf({ asked, site, offer, placement }, { input, placed }) }
}

/** The tightest level of domains that holds all ranks: 0 a node, then NVLink, block, site. */
export function levelOf({ placement }: Way, sites: readonly SiteFacts[]): number {
  const site = sites.find((each) => each.site === `${placement.provider}/${placement.site}`)
  const names = new Set(placement.ranks.map(({ node }) => node))
  const paths = [...names].map((name) => site?.nodes?.find((node) => node.name === name)?.path ?? [])
  if (names.size === 1) return 0
  const depth = Math.max(...paths.map(({ length }) => length))
  for (let level = 1; level <= depth; level++) if (isOneDomain(paths, level)) return level
  return depth + 1
}

const isOneDomain = (paths: readonly string[][], level: number): boolean =>
  new Set(paths.map((path) => path.slice(level - 1).join('/'))).size === 1

function* everyWay(asked: Asked, state: State): Iterable<Way> {
  const { spec } = asked.workload
  const roles = (spec.kind === 'job' && spec.roles) || [spec]
  for (const site of state.input.snapshot.sites)
    for (const offer of site.offers)
      for (const standing of everyStanding(roles, site, offer)) {
        const ranks = standing.flatMap(({ ranks: own }) => own).map((held, rank) => ({ rank, ...held }))
        const { provider, tier, shape } = offer
        const price = standing.reduce((sum, each) => sum + each.priceMicros, 0)
        const placement = { provider, site: site.info.name, tier, shape: shape.name, ranks, priceMicros: price }
        yield { asked, placement, price: priceOf({ asked, site, offer, placement }, state) }
      }
}

type Role = Pick<Asked['workload']['spec'], 'nodes' | 'resources'>
type Standing = { ranks: Omit<LeasedRank, 'rank'>[]; priceMicros: number }

/** All ways for roles to stand on an offer, and on others of its tier where the site has several. */
function* everyStanding(roles: readonly Role[], site: SiteFacts, own: Offer): Iterable<Standing[]> {
  const [first, ...rest] = roles
  if (!first) return yield []
  for (const offer of site.offers)
    if (offer === own || (site.info.mixesShapes && offer.tier === own.tier))
      for (const one of standingsOn(first, site, offer))
        for (const others of everyStanding(rest, site, own))
          yield [offer === own ? one : { ...one, ranks: named(one.ranks, offer) }, ...others]
}

const named = (ranks: Standing['ranks'], { shape }: Offer): Standing['ranks'] =>
  ranks.map((rank) => ({ ...rank, shape: shape.name }))

function* standingsOn({ nodes, resources: { accelerators } }: Role, site: SiteFacts, offer: Offer): Iterable<Standing> {
  const request = accelerators.find((each) => isOf(each, offer.shape))
  const part = request?.shareMilli
  if (request ? part !== undefined && !(offer.divisible && site.nodes) : accelerators.length > 0 || offer.divisible)
    return
  const milli = part ?? (request?.count ?? 0) * 1000
  const slice = offer.divisible ? sliceOf(offer.shape, milli) : wholeOf(offer.shape)
  const its = site.nodes?.filter(({ shape }) => shape.name === offer.shape.name)
  const places = its?.flatMap((node) => placesOn(node, part)) ?? [{}]
  const share = offer.divisible ? milli / (1000 * offer.shape.accelerators) : 1
  for (const chosen of multisets(places, nodes, site.nodes === null))
    yield {
      ranks: chosen.map((place) => ({ ...slice, ...place })),
      priceMicros: Math.ceil(offer.priceMicros * share) * nodes,
    }
}

const isOf = ({ model, count }: AcceleratorRequest, shape: Shape): boolean =>
  model === shape.accelerator && count <= shape.accelerators

type Place = { node?: string; part?: { device: number; shareMilli: number } }

function placesOn({ name, shape, usable }: Node, shareMilli: number | undefined): Place[] {
  if (!usable) return []
  if (shareMilli === undefined) return [{ node: name }]
  return Array.from({ length: shape.accelerators }, (_, device) => ({ node: name, part: { device, shareMilli } }))
}

/** All ways to choose so many of them, each also several times, without regard to their order. */
function* multisets(places: readonly Place[], count: number, isAlike: boolean): Iterable<Place[]> {
  if (isAlike) yield Array.from({ length: count }, () => ({}))
  else if (count === 0) yield []
  else
    for (const [i, place] of places.entries())
      for (const rest of multisets(places.slice(i), count - 1, false)) yield [place, ...rest]
}

const wholeOf = ({ cpuMilli, memoryMiB, diskMiB, accelerators }: Shape) => ({
  cpuMilli,
  memoryMiB,
  diskMiB,
  accelerators,
})

/** Who leaves CPUs and memory open gets as large a part of them as of the accelerators. */
const sliceOf = ({ cpuMilli, memoryMiB, accelerators }: Shape, milli: number) => ({
  cpuMilli: Math.floor((cpuMilli * milli) / (1000 * accelerators)),
  memoryMiB: Math.floor((memoryMiB * milli) / (1000 * accelerators)),
  diskMiB: 0,
  accelerators: milli < 1000 ? 0 : milli / 1000,
})

type Priced = { asked: Asked; site: SiteFacts; offer: Offer; placement: Placement }

/** What is paid for it that would not be paid without it: nothing for nodes of a commitment that nobody else has. */
function priceOf({ asked, site, offer, placement }: Priced, { input, placed }: State): number[] {
  const { resources, topology, duration } = asked.workload.spec
  const { ranks, priceMicros } = placement
  const isThere = (one: { provider: string; site: string; tier: string; shape?: string }) =>
    one.provider === offer.provider &&
    one.site === site.info.name &&
    one.tier === offer.tier &&
    one.shape === offer.shape.name
  const held = [...input.snapshot.leases, ...placed.map((each) => each.placement)].filter(isThere)
  const others = held.reduce((sum, each) => sum + each.ranks.length, 0)
  const paid = Math.min(ranks.length, Math.max(0, (offer.commitment?.nodes ?? 0) - others))
  const hours = (duration.expectedMs ?? 3_600_000) / 3_600_000
  const choice = resources.accelerators.findIndex((each) => isOf(each, offer.shape))
  const isPreferred = topology && !topology.required && topology.within !== 'site' && ranks.length > 1
  const level = { node: 0, nvlink: 1, block: 2, site: 3 }[topology?.within ?? 'site']
  const depth = Math.max(0, ...(site.nodes ?? []).map(({ path }) => path.length))
  const isClose = site.nodes !== null && levelOf({ placement, asked, price: [] }, [site]) <= Math.min(level, depth)
  return [
    resources.ordered ? choice : 0,
    isPreferred && !isClose ? 1 : 0,
    ((priceMicros * (ranks.length - paid)) / ranks.length) * hours,
    priceMicros,
    Tier.options.indexOf(offer.tier),
  ]
}

/**
 * Who is asked next: the higher priority, then the project that holds the smaller part of all accelerators, then who has
 * waited longest for how long it runs, then who came first.
 */
export function nextOf(left: readonly Asked[], { input, placed }: State): Asked | undefined {
  const { leases } = input.snapshot
  const held = (project: string): number =>
    [
      ...leases.filter((lease) => lease.project === project),
      ...placed.filter(({ asked }) => asked.workload.project === project).map(({ placement }) => placement),
    ]
      .flatMap(({ ranks }) => ranks)
      .reduce((sum, { accelerators, part }) => sum + 1000 * accelerators + (part?.shareMilli ?? 0), 0)
  const waited = ({ workload: { createdAt, spec } }: Asked): number =>
    (input.now - createdAt) / lastsMs(spec, 86_400_000)
  const before = (a: Asked, b: Asked): number =>
    b.workload.priority - a.workload.priority ||
    held(a.workload.project) - held(b.workload.project) ||
    (a.workload.project < b.workload.project ? -1 : Number(a.workload.project > b.workload.project)) ||
    waited(b) - waited(a) ||
    a.workload.createdAt - b.workload.createdAt ||
    (a.workload.id < b.workload.id ? -1 : 1)
  return left.toSorted(before)[0]
}

export const lastsMs = ({ duration }: Asked['workload']['spec'], unknown: number): number =>
  duration.maximumMs ?? duration.expectedMs ?? unknown

/**
 * The earliest time at which somebody may stand somewhere, if all who run end when they are known to; of the others nobody
 * knows the end, and they end last. Infinity: not even then.
 */
export function earliestStart(asked: Asked, { input, placed }: State, never: number): number {
  const { snapshot, now } = input
  const ends = [
    now,
    ...snapshot.leases.map(({ endsAt }) => endsAt ?? never),
    ...placed.map((way) => now + lastsMs(way.asked.workload.spec, 2 * never)),
  ]
  for (const at of ends.sort((a, b) => a - b)) {
    if (at < now) continue
    const leases = snapshot.leases.filter(({ endsAt }) => (endsAt ?? never) > at)
    const stay = placed.filter((way) => now + lastsMs(way.asked.workload.spec, 2 * never) > at)
    // When the others have left they are not looked at again: who stays was allowed to.
    const then = { input: { ...input, snapshot: { ...snapshot, leases } }, placed: stay }
    if (waysOf(asked, then).length > 0) return at
  }
  return Infinity
}
