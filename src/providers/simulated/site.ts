import { drawOf } from '#kit/random.ts'
import { fail, type Outcome, succeed } from '#model/fault.ts'
import type { CredentialedOrder } from '#model/order.ts'
import type { Handle } from '#providers/provider.ts'
import { type BillLine, createBooks } from './books.ts'
import { endOfGang, type Gang, isGone, type Part } from './gang.ts'
import type { Faults, Range, SimulatedSite } from './options.ts'

/** The truth about one simulated site at an instant. All of it is synchronous; instants may not go backwards. */
export type SiteState = {
  launch(order: CredentialedOrder, parts: readonly Part[] | undefined, now: number): Outcome<Handle>
  retire(token: string, graceMs: number, now: number): 'retiring' | 'gone'
  /** Whether the token was ever used: its gang runs, or has ended. */
  knows(token: string, now: number): boolean
  gang(token: string, now: number): Gang | null
  gangs(now: number): Iterable<Gang>
  /** Everything there ends now, without a word. */
  lose(now: number): void
  /** Nodes in use, in the order of the pools. */
  used(now: number): readonly number[]
  bill(now: number): BillLine[]
}

type Options = { seed: string | number; site: SimulatedSite; faults: Faults }

export function createSite(options: Options): SiteState {
  const { site } = options
  const books = createBooks(site.name, site.pools.length)
  const at = (now: number) => {
    books.settle(now)
    return books
  }
  const knows: SiteState['knows'] = (token, now) => at(now).gangs.has(token) || books.closed.has(token)
  return {
    launch(order, parts, now) {
      const handle = { site: site.name, token: order.token }
      if (knows(order.token, now)) return succeed(handle)
      const shape = order.ranks[0]?.shape.name
      const pool = site.pools.findIndex((one) => one.tier === order.tier && one.shape.name === shape)
      if (pool < 0) return fail('invalid', 'never', `site ${site.name} has no ${shape} in the tier ${order.tier}`)
      const free = (site.pools[pool]?.nodes ?? 0) - (books.used[pool] ?? 0)
      if (order.ranks.length > free)
        return fail('no-capacity', 'elsewhere', `${order.ranks.length} of ${shape} asked for, ${free} free`)
      books.add(newGang(options, { order, parts, pool, now }))
      return succeed(handle)
    },
    retire(token, graceMs, now) {
      const gang = at(now).gangs.get(token)
      if (!gang || isGone(gang, now)) return 'gone'
      if (!gang.stop || now + graceMs < gang.stop.at + gang.stop.graceMs) {
        stop(gang, options, { graceMs, now })
        books.changed(gang)
        books.settle(now)
      }
      return isGone(gang, now) ? 'gone' : 'retiring'
    },
    knows,
    gang: (token, now) => at(now).gangs.get(token) ?? null,
    gangs: (now) => at(now).gangs.values(),
    lose: (now) => at(now).lose(now),
    used: (now) => at(now).used,
    bill: (now) => at(now).bill(now),
  }
}

type Accepted = { order: CredentialedOrder; parts: readonly Part[] | undefined; pool: number; now: number }

function newGang({ seed, site, faults }: Options, { order, parts, pool, now }: Accepted): Gang {
  const { token, workload, attempt, tier } = order
  const life = tier === 'spot' ? lifeMs(faults.preemptionsPerHour, drawOf(seed, token, 'life')) : Infinity
  const runMs = drawMs(faults.runMs, seed, token, 'run')
  return {
    token,
    workload,
    attempt,
    pool,
    ranks: order.ranks.length,
    priceMicros: (site.pools[pool]?.priceMicros ?? 0) * order.ranks.length,
    acceptedAt: now,
    shownFrom: now + drawMs(faults.hiddenMs, seed, token, 'hidden'),
    startAt: now + drawMs(faults.bootMs, seed, token, 'boot'),
    parts: parts ?? [{ prints: '', runMs, exitCode: 0, stubborn: false }],
    takenAt: now + life,
    told: drawOf(seed, token, 'told') < faults.told,
    stop: null,
    closed: false,
  }
}

/** Tells a gang to end; told again, it can only be sooner. */
function stop(gang: Gang, { seed, faults }: Options, { graceMs, now }: { graceMs: number; now: number }): void {
  const at = gang.stop?.at ?? now
  const heedMs = drawMs(faults.stopMs, seed, gang.token, 'stop')
  const ghostMs = drawMs(faults.ghostMs, seed, gang.token, 'ghost')
  gang.stop = { at, heedMs, graceMs: now + graceMs - at, goneAt: 0, ghostMs }
  gang.stop.goneAt = Math.max(now, endOfGang(gang)) + drawMs(faults.teardownMs, seed, gang.token, 'teardown')
}

/** Whole milliseconds in [least, most] that belong to these parts. */
export const drawMs = ([least, most]: Range, ...parts: (string | number)[]): number =>
  least === most ? least : least + Math.floor(drawOf(...parts) * (most - least + 1))

/** Time until the first event of a Poisson process, from a fraction in [0, 1). */
const lifeMs = (perHour: number, fraction: number): number =>
  perHour > 0 ? Math.ceil((-Math.log(1 - fraction) / perHour) * 3_600_000) : Infinity
