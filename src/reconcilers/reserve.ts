import { type PoolNeed, poolNeeds } from '#engine/growing/pools.ts'
import { nextTarget } from '#engine/growing/target.ts'
import { place } from '#engine/placement/place.ts'
import type { NewEvent } from '#model/event.ts'
import type { NodePool } from '#model/node-pool.ts'
import type { Offer } from '#model/offer.ts'
import { siteKey } from '#model/site.ts'
import { memory } from './memory.ts'
import type { House, Reconciler } from './reconciler.ts'
import { sideBySide, within } from './side-by-side.ts'

const everyMs = 15_000
const callMs = 10_000
/** Longer than its calls take; another control plane may take over so soon after this one has died. */
const claimSeconds = 15
/** Who waits behind so many is asked for later. */
const most = 1_000
const fewLeases = 2_000

/** How a pool stands is known from its site's offers, which are looked at no more often than this. */
const staleMs = 60_000

/**
 * Since when nobody has wanted nodes of a pool, as far as we have looked: a new process looks for as long again. And what it
 * was asked for last: until its site has told of that, it would be asked once more.
 */
const known = memory(() => ({
  quiet: new Map<string, number>(),
  asked: new Map<string, { nodes: number; at: number }>(),
}))

/**
 * Asks the pools of sites for nodes that somebody waits for, and gives back what we added and nobody wants. It decides anew
 * on what there is: a pool tells itself what was asked for and what of that was us.
 */
export const reserve: Reconciler = {
  name: 'reserve',
  everyMs,
  async turn(house, signal) {
    const { store, clock, providers, holder } = house
    if (![...providers.values()].some(({ abilities }) => abilities.reserve)) return { status: 'no site grows' }
    const claim = await store.claims.take('reserve', holder, claimSeconds)
    if (!claim) return { status: 'another control plane asks for nodes' }
    const now = clock.now()
    const snapshot = await store.placement.snapshot({ now, most, few: fewLeases })
    if (!snapshot.sites.some(({ offers }) => offers.some(growsForUs))) return { status: 'no pool is ours to ask' }
    const needs = poolNeeds(snapshot, place({ snapshot, now }))
    const { quiet, asked: before } = known(house)
    const asked = needs.flatMap((need) => {
      const key = `${need.provider}/${need.site} ${need.pool.name}`
      const from = need.isWanted ? now : (quiet.get(key) ?? now)
      quiet.set(key, from)
      const nodes = nextTarget(need, now - from)
      const last = before.get(key)
      if (nodes === null || (last?.nodes === nodes && now < last.at + staleMs)) return []
      before.set(key, { nodes, at: now })
      return [ask(need, nodes, { house, signal })]
    })
    await sideBySide(asked, clock)
    return { status: `asked ${asked.length} of ${needs.length} pools` }
  },
}

const growsForUs = ({ pools = [] }: Offer): boolean => pools.some((pool) => pool.most !== undefined)

async function ask(
  need: PoolNeed,
  nodes: number,
  { house, signal }: { house: House; signal: AbortSignal },
): Promise<void> {
  const { store, clock, providers } = house
  const call = providers.get(need.provider)?.abilities.reserve
  if (!call) return
  const wish = { pool: need.pool.name, nodes }
  const answer = await within(callMs, { clock, signal }, (given) => call(need.site, wish, given))
  // What went wrong is tried again; what is not allowed is not in the way of anything.
  if (answer.ok) await store.events.add([askedEvent(need, answer.value)], clock.now())
}

function askedEvent({ provider, site, pool: before, waiting }: PoolNeed, { name, target, added }: NodePool): NewEvent {
  const key = siteKey({ provider, name: site })
  const [first, ...others] = waiting
  const why =
    first === undefined
      ? 'nobody has wanted them for a while'
      : `${first}${others.length > 0 ? ` and ${others.length} more` : ''} waits for them`
  const change = target - before.target
  const what = change > 0 ? `was asked for ${change} more nodes` : `gives back ${-change} nodes`
  const kind = change > 0 ? ({ type: 'pool.asked' } as const) : ({ type: 'pool.released' } as const)
  return {
    ...kind,
    workload: null,
    project: null,
    message: `NodePool ${name} of ${key} ${what}, ${target} in all: ${why}`,
    data: { site: key, pool: name, target, added },
  }
}
