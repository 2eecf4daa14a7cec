import { isDeepStrictEqual } from 'node:util'

import { drawOf } from '#kit/random.ts'
import { fail, type Outcome, succeed } from '#model/fault.ts'
import type { CredentialedOrder } from '#model/order.ts'
import type { Sighting, Taken } from '#providers/provider.ts'
import type { Diary } from './befell.ts'
import { type BillLine, type Books, createBooks } from './books.ts'
import { lateFates, meet } from './fate.ts'
import type { Faults } from './faults.ts'
import { endOfGang, type Gang, isGone, leavesListAt, type Part } from './gang.ts'
import { type Machines, type Seat, sharePrice, type Standing } from './machines.ts'
import type { SimulatedSite } from './options.ts'
import { drawMs } from './range.ts'
import type { Supply } from './supply.ts'
import { createTimeline, type Timeline } from './timeline.ts'
import { type Fate, fates, isOneOf } from './trouble.ts'
import type { Weather } from './weather.ts'

/** The truth about one simulated site at an instant. All of it is synchronous; instants may not go backwards. */
export type SiteState = Pick<Timeline, 'later' | 'nextAt' | 'sever' | 'down'> & {
  launch(order: CredentialedOrder, parts: readonly Part[] | undefined, now: number): Outcome<Taken>
  retire(token: string, graceMs: number, now: number): 'retiring' | 'gone'
  /** Whether the token was used before, as far as the site remembers: its gang runs, or has ended. */
  knows(token: string, now: number): boolean
  gang(token: string, now: number): Gang | null
  gangs(now: number): Gang[]
  /** Also those that left the listings lately. */
  lately(now: number): ReadonlyMap<string, Gang>
  /** What get and list show of one of these at an instant that may be over. */
  shown(gang: Gang, asOf: number): Sighting | null
  /** Gangs that are there, or those with this token, meet a fate now; how many did. */
  strike(which: Which): number
  /** A node that has a name is otherwise from now on; what stood there goes with it, or hangs. */
  change(node: string, how: Standing | 'hung', now: number): void
  /** Tells whenever somebody has done something to the site. */
  onChange(listen: () => void): void
  /** Nodes in use, in the order of the pools. */
  used(now: number): readonly number[]
  bill(now: number): BillLine[]
}

export type SiteOptions = {
  seed: string | number
  site: SimulatedSite
  faults: Faults
  weather: Weather
  supply: Supply
  /** Its nodes, where they have names. */
  machines: Machines | null
  diary: Diary
  /** When time begins. */
  from: number
}

export function createSite(options: SiteOptions): SiteState {
  const { site, faults } = options
  const books = createBooks({ site: site.name, pools: site.pools.length, keptMs: faults.lagMs[1] })
  const timeline = createTimeline(books, options)
  const { at } = timeline
  const listeners: (() => void)[] = []
  const changed = (): void => listeners.forEach((listen) => listen())
  const knows: SiteState['knows'] = (token, now) => isKnown(at(now), { token, now, faults })
  return {
    launch(order, parts, now) {
      if (knows(order.token, now)) return succeed(takenOf(order, options))
      const pools = poolsFor(order, { options, books, now })
      if (!pools.ok) return pools
      const gang = newGang(options, { order, parts, pools: pools.value, now })
      books.add(gang)
      for (const { fate, at: when } of fatesOf(gang, order.tier, options))
        timeline.later(when, (instant) => void strike(books, { fate, token: gang.token, now: instant }, options))
      changed()
      return succeed(takenOf(order, options))
    },
    retire(token, graceMs, now) {
      const gang = at(now).gangs.get(token)
      if (!gang || isGone(gang, now)) return 'gone'
      if (!gang.stop || now + graceMs < gang.stop.at + gang.stop.graceMs) {
        stop(gang, options, { graceMs, now })
        books.changed(gang)
        books.settle(now)
        changed()
      }
      return isGone(gang, now) ? 'gone' : 'retiring'
    },
    knows,
    gang(token, now) {
      const gang = at(now).gangs.get(token)
      return gang && now < leavesListAt(gang) ? gang : null
    },
    gangs: (now) => [...at(now).gangs.values()].filter((gang) => now < leavesListAt(gang)),
    lately: (now) => at(now).gangs,
    shown: books.shown,
    later: timeline.later,
    strike(which) {
      const struck = strike(at(which.now), which, options)
      changed()
      return struck
    },
    change(node, how, now) {
      changeNode(at(now), { node, how, now }, options)
      changed()
    },
    nextAt: timeline.nextAt,
    onChange: (listen) => void listeners.push(listen),
    sever(how, now, forGood) {
      timeline.sever(how, now, forGood)
      changed()
    },
    down: timeline.down,
    used: (now) => at(now).used,
    bill: (now) => at(now).bill(now),
  }
}

const takenOf = ({ token }: CredentialedOrder, { site, faults }: SiteOptions): Taken => ({
  site: site.name,
  token,
  ...(faults.lineMs[1] > 0 && { inLine: true }),
})

type Known = { token: string; now: number; faults: Faults }

function isKnown({ gangs, closed }: Books, { token, now, faults }: Known): boolean {
  const gang = gangs.get(token)
  if (gang && now < leavesListAt(gang)) return true
  const ended = closed.get(token)
  return ended !== undefined && now < ended + (faults.rememberedMs ?? Infinity)
}

type LateFate = (typeof lateFates)[number]
type Which = { fate: LateFate; token?: string; times?: number; now: number }

/** Gangs that run, or one of them, meet a fate now. How many did. */
function strike(books: Books, { fate, token, times, now }: Which, options: SiteOptions): number {
  const gangs = token === undefined ? [...books.gangs.values()] : [books.gangs.get(token)].filter((gang) => !!gang)
  const struck = gangs.filter((gang) => !gang.closed && !gang.stop).slice(0, times)
  for (const gang of struck) {
    meet(gang, fate, { ...options, at: now })
    books.changed(gang)
    options.diary.write({ at: now, site: options.site.name, call: null, token: gang.token, fault: fate })
  }
  books.settle(now)
  return struck.length
}

type NodeChange = { node: string; how: Standing | 'hung'; now: number }

/** A node is otherwise, and what stands on it is gone or hangs: `told` is the share of those that are shown so. */
function changeNode(books: Books, change: NodeChange, { seed, site, faults, machines, diary }: SiteOptions): void {
  const { node, now } = change
  if (change.how !== 'hung') machines?.change(node, change.how, now)
  if (change.how === 'up' || change.how === 'cordoned' || change.how === 'tainted') return
  const how = change.how === 'hung' ? 'hung' : 'dropped'
  for (const gang of books.gangs.values()) {
    const ranks = (gang.seats ?? []).flatMap((seat, rank) => (seat.node === node ? [rank] : []))
    if (ranks.length === 0 || gang.closed || gang.odd) continue
    gang.odd = { how, ranks, at: now, told: drawOf(seed, gang.token, how, 'told') < faults.told }
    books.changed(gang)
    diary.write({ at: now, site: site.name, call: null, token: gang.token, fault: how })
  }
  books.settle(now)
}

type Asked = { options: SiteOptions; books: Books; now: number }

/** The pools that take the ranks of an order, or why none does. Only nodes with names are had of several together. */
function poolsFor(
  order: CredentialedOrder,
  { options: { site, supply, machines }, books, now }: Asked,
): Outcome<number[]> {
  const poolOf = new Map(
    order.ranks.map(({ shape: { name } }) => [
      name,
      site.pools.findIndex((one) => one.tier === order.tier && one.shape.name === name),
    ]),
  )
  const [[shape, pool = -1] = ['', -1], ...others] = poolOf
  const missing = [...poolOf].find(([, found]) => found < 0)
  if (missing) return fail('invalid', 'never', `site ${site.name} has no ${missing[0]} in the tier ${order.tier}`)
  if (others.length > 0 && !machines) return fail('invalid', 'never', `an order at ${site.name} is for one shape`)
  const asked = order.ranks.length
  const held = books.used.reduce((sum, nodes) => sum + nodes, 0)
  const quota = supply.quota(now)
  if (held + asked > quota)
    return fail('quota', 'elsewhere', `the quota at ${site.name} is ${quota} nodes, and ${held} are held`)
  const pools = order.ranks.map(({ shape: { name } }) => poolOf.get(name) ?? pool)
  if (machines) return machines.refusal(order.ranks, { pools, taken: seatsTaken(books), now }) ?? succeed(pools)
  const free = Math.max(0, supply.pool(pool, now).nodes - (books.used[pool] ?? 0))
  return asked > free
    ? fail('no-capacity', 'elsewhere', `${asked} of ${shape} asked for, ${free} free`)
    : succeed(pools)
}

/** What is held of nodes by gangs that are not over. */
const seatsTaken = ({ gangs }: Books): Seat[] =>
  [...gangs.values()].flatMap(({ closed, seats }) => (closed ? [] : (seats ?? [])))

type Accepted = { order: CredentialedOrder; parts: readonly Part[] | undefined; pools: number[]; now: number }

function newGang(options: SiteOptions, { order, parts, pools, now }: Accepted): Gang {
  const { seed, faults } = options
  const { token, workload, attempt } = order
  const runMs = drawMs(faults.runMs, seed, token, 'run')
  const turnAt = faults.lineMs[1] > 0 ? now + drawMs(faults.lineMs, seed, token, 'line') : null
  const seats = options.machines ? order.ranks.map(({ node, shape, part }) => ({ node, shape, part })) : null
  const isShuffled = seats !== null && areAlike(seats) && drawOf(seed, token, 'shuffled') < faults.shuffled
  const gang: Gang = {
    token,
    workload,
    attempt,
    pool: pools[0] ?? 0,
    ranks: order.ranks.length,
    pools: new Set(pools).size > 1 ? pools : null,
    seats: isShuffled ? seats.toReversed() : seats,
    isShuffled,
    priceMicros: priceOf(options, { ranks: order.ranks, pools, now }),
    acceptedAt: now,
    turnAt,
    shownFrom: now,
    startAt: (turnAt ?? now) + drawMs(faults.bootMs, seed, token, 'boot'),
    parts: parts ?? [{ prints: '', runMs, exitCode: 0, stubborn: false }],
    odd: null,
    takenAt: Infinity,
    noticedAt: Infinity,
    told: true,
    ghostMs: 0,
    teardownMs: drawMs(faults.teardownMs, seed, token, 'teardown'),
    lingers: faults.machines,
    stop: null,
    erasedAt: Infinity,
    closed: false,
  }
  for (const fate of earlyFates) if (befalls(fate, gang, options)) meet(gang, fate, { seed, faults, at: now })
  return gang
}

/** Whether ranks may change places: each holds as much of its node as any other, and nothing that is of that node alone. */
const areAlike = (seats: readonly Seat[]): boolean =>
  seats.length > 1 && seats.every(({ shape, part }) => !part && isDeepStrictEqual(shape, seats[0]?.shape))

type Priced = { ranks: CredentialedOrder['ranks']; pools: readonly number[]; now: number }

/** Price of a gang for an hour: a node for each rank, or what it holds of one. */
function priceOf({ site, supply }: SiteOptions, { ranks, pools, now }: Priced): number {
  const priceAt = new Map(pools.map((pool) => [pool, supply.pool(pool, now).priceMicros]))
  return ranks.reduce((sum, rank, i) => {
    const { divisible, shape } = site.pools[pools[i] ?? -1] ?? {}
    const priceMicros = priceAt.get(pools[i] ?? -1) ?? 0
    return sum + (divisible && shape ? sharePrice(priceMicros, shape, rank) : priceMicros)
  }, 0)
}

const earlyFates = fates.filter((fate) => !isOneOf(lateFates, fate))

/** Lags befall every gang for as long as they are told to, unless a rate says which. */
function befalls(fate: Fate, { token, acceptedAt: at }: Gang, { faults, weather, diary, site }: SiteOptions): boolean {
  const isLag = fate === 'hidden' || fate === 'ghost'
  if (!isLag || faults.rates[fate] !== undefined || faults[`${fate}Ms`][1] === 0)
    return weather.strikes(fate, { name: 'launch', token, at })
  diary.write({ at, site: site.name, call: 'launch', token, fault: fate })
  return true
}

/** What a gang is going to meet in its life, and when. */
function fatesOf({ token, acceptedAt }: Gang, tier: string, { seed, faults, weather }: SiteOptions) {
  const call = { name: 'launch', token, at: acceptedAt } as const
  const met = lateFates
    .filter((fate) => weather.awaits(fate, call))
    .map((fate) => ({ fate, at: acceptedAt + drawMs(faults.fateMs, seed, token, fate, 'at') }))
  const life = tier === 'spot' ? lifeMs(faults.preemptionsPerHour, drawOf(seed, token, 'life')) : Infinity
  const fate = drawOf(seed, token, 'told') < faults.told ? ('preempted' as const) : ('vanished' as const)
  return life < Infinity ? [...met, { fate, at: acceptedAt + life }] : met
}

/** Tells a gang to end; told again, it can only be sooner. */
function stop(gang: Gang, { seed, faults }: SiteOptions, { graceMs, now }: { graceMs: number; now: number }): void {
  const at = gang.stop?.at ?? now
  const heedMs = drawMs(faults.stopMs, seed, gang.token, 'stop')
  gang.stop = { at, heedMs, graceMs: now + graceMs - at, goneAt: 0 }
  gang.stop.goneAt = Math.max(now, endOfGang(gang)) + gang.teardownMs
}

/** Time until the first event of a Poisson process, from a fraction in [0, 1). */
const lifeMs = (perHour: number, fraction: number): number =>
  perHour > 0 ? Math.ceil((-Math.log(1 - fraction) / perHour) * 3_600_000) : Infinity
