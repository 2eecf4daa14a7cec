import { unheardMs } from '#engine/lifecycle/patience.ts'
import { formatMoney } from '#kit/money.ts'
import type { NewEvent } from '#model/event.ts'
import type { Offer } from '#model/offer.ts'
import { siteKey } from '#model/site.ts'
import type { Provider, Sighting } from '#providers/provider.ts'
import { memory } from './memory.ts'
import type { House, Reconciler } from './reconciler.ts'
import { sideBySide, within } from './side-by-side.ts'

const everyMs = 60_000
/** So many looks tell of an agent that fell silent: one of them may come late, or not at all. */
const silentLooks = 3

/** What is nobody's must be so in two looks this far apart. */
const apartMs = 10_000
const callMs = 7_000
/** Another control plane may take over so soon after this one has died. */
const claimSeconds = 8

/** `wasHeld`: it had a lease, which has gone. `isGone`: its site said so, and only shows it for a while. */
type Suspect = { since: number; told: boolean; wasHeld: boolean; isGone: boolean }
const suspected = memory(() => new Map<string, Map<string, Suspect>>())

/**
 * Finds what carries our tag and has no row: orphans. They cost money and nobody would ever end them; so they are
 * reported and retired. What has a row and is not listed is the other half, and the loop observe sees to that. And it has
 * those looked at whose agents have fallen silent.
 */
export const sweep: Reconciler = {
  name: 'sweep',
  everyMs,
  async turn(house, signal) {
    const { clock } = house
    const claim = await house.store.claims.take('sweep', house.holder, claimSeconds)
    if (!claim) return { status: 'another control plane sweeps' }
    // Nothing else tells of what is not heard: who decides about it would look minutes later.
    const silentAt = clock.now() - unheardMs
    await house.store.agents.fellSilent({ from: silentAt - silentLooks * everyMs, to: silentAt }, clock.now())
    const sites = [...house.providers.values()].flatMap((provider) =>
      provider.sites().map((site) => ({ provider, site })),
    )
    await sideBySide(
      sites.map(({ provider, site }) => sweepSite(provider, site.name, { house, signal })),
      clock,
    )
    const suspects = [...suspected(house).values()]
      .flatMap((here) => [...here.values()])
      .filter((one) => !one.isGone).length
    return { status: `${suspects} orphans`, ...(suspects > 0 ? { at: clock.now() + apartMs } : {}) }
  },
}

type Here = { house: House; signal: AbortSignal }

async function sweepSite(provider: Provider, site: string, { house, signal }: Here): Promise<void> {
  const key = siteKey({ provider: provider.name, name: site })
  const { clock } = house
  const listed = await within(callMs, { clock, signal }, (call) => provider.list(site, call))
  if (!listed.ok) return // unknown is not empty, nor full of orphans
  const orphans = await house.store.sites.orphans(listed.value.map(({ token }) => token))
  const now = clock.now()
  const before = suspected(house).get(key)
  const suspects = new Map<string, Suspect>(
    orphans.map(({ token, wasHeld }) => {
      const { since, told, isGone } = before?.get(token) ?? { since: now, told: false, isGone: false }
      return [token, { since, told, wasHeld, isGone }]
    }),
  )
  suspected(house).set(key, suspects)
  for (const sighting of listed.value) {
    const suspect = suspects.get(sighting.token)
    if (!suspect || now < suspect.since + apartMs) continue
    const isOver = suspect.wasHeld && sighting.ranks.every(({ state }) => state === 'exited' || state === 'lost')
    if (isOver && suspect.isGone) continue
    if (!isOver && !suspect.told) await tell(sighting, key, house)
    suspect.told ||= !isOver
    // Again in the next turn if it failed.
    const handle = { site, token: sighting.token }
    const answer = await within(callMs, { clock, signal }, (call) => provider.retire(handle, 0, call))
    suspect.isGone = answer.ok && answer.value === 'gone'
    // What has ended and was gone already cost nobody anything: listings may lag behind.
    if (isOver && !suspect.told && !suspect.isGone) await tell(sighting, key, house)
    suspect.told ||= !suspect.isGone
  }
}

async function tell({ token, workload, attempt, ranks }: Sighting, key: string, house: House): Promise<void> {
  const now = house.clock.now()
  const here = (await house.store.sites.list()).find(({ site }) => site === key)
  const price = cheapest(here?.offers ?? []) * ranks.length
  const cost = price > 0 ? `, at about ${formatMoney(BigInt(price))} an hour` : ''
  const event: NewEvent = {
    type: 'orphan.found',
    workload: null,
    project: null,
    message: `${ranks.length} nodes of ${token} at ${key} belong to nobody${cost}; they are retired`,
    data: { site: key, token, workload, attempt, nodes: ranks.length, priceMicros: price },
  }
  await house.store.events.add([event], now)
}

/** What an orphan costs at the least: nobody remembers its offer any more. */
const cheapest = (offers: Offer[]): number =>
  offers.length === 0 ? 0 : Math.min(...offers.map(({ priceMicros }) => priceMicros))
