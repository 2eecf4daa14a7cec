import { withSeenRates, type SpotHistory } from '#engine/market/taken.ts'
import type { Fault, Outcome } from '#model/fault.ts'
import type { Offer } from '#model/offer.ts'
import { siteKey, type Site } from '#model/site.ts'
import type { Provider, Sighting } from '#providers/provider.ts'
import type { Claim } from '#store/store.ts'
import { askAgainAt, claimFor } from './claiming.ts'
import { compare, type Doubts, noDoubts } from './compare.ts'
import { listeningSince, memory } from './memory.ts'
import type { House, Reconciler } from './reconciler.ts'
import { restAfter } from './resting.ts'
import { sideBySide, within } from './side-by-side.ts'
import { listenTo, type Word } from './word.ts'

/** How often a site is asked what is there while leases are, and otherwise; and what it offers. */
const everyMs = { live: 2_000, idle: 30_000, offers: 30_000, undeclared: 10_000 }
/**
 * … and while nothing changes at a site less and less often, up to so long between two looks: no longer than agents are
 * silent before they count as lost, so that a loss is found no later for it.
 */
const calm = { times: 1.5, mostMs: 6_000 }
/** … and a site that tells of changes, and shows nothing but what is written already, so seldom: a net below its word. */
const netMs = 60_000
/** What comes seldom is done so much sooner, with whatever is done then: offers of all sites at about one time. */
const soonMs = 3_000
/** Nudged by every change of a lease, it still asks what is where no more often than this. */
const restMs = 1_000
/** … and of a site where much is, after so many times as long as the last look took. */
const restTimes = 4
const callMs = 10_000
/** How often it is counted anew how long spot nodes last: it reads all leases that a site ever had. */
const spotMs = 600_000
/** What was seen of a spot market counts half after a week. */
const spotHalfLifeMs = 7 * 86_400_000
const claimSeconds = 12
/** So long a site that was just joined may take to be opened here. */
const openMs = 60_000
const nobodys = 'no control plane declares it any more'

/** What is remembered of a site while the claim to look at it is ours. */
type Watched = {
  claim: Claim
  /** That were there when they were counted last; -1 before that. */
  leases: number
  /** Nothing has changed since. */
  counted: boolean
  busy: boolean
  restUntil: number
  /** How long to the next look while leases are there. */
  liveMs: number
  listAt: number
  offersAt: number
  spot: { at: number; seen: SpotHistory[] }
  reach: string
  /** What was told of it last, beside its reach. */
  detail: string
  /** When the store was told of it last. */
  toldAt: number
  doubts: Doubts
  /** Of what stood in line: what is told to be held. */
  begun: ReadonlySet<string>
  word: Word
}

const watching = memory(({ store }) => {
  const sites = new Map<string, Watched>()
  // A lease has changed somewhere, or what was heard may not be all that happened; or a site was joined, or is being left.
  store.onNudge((nudge) => {
    if (nudge === 'agents' || nudge === 'sites') for (const watched of sites.values()) stir(watched)
  })
  return { checkedAt: -Infinity, declareAt: -Infinity, sites, news: newNews() }
})

/** A site has told of something: the next turn comes at once. */
const newNews = () => ({ ...Promise.withResolvers<void>(), isAwaited: false })

/** Something happens there: it is looked at closely. */
function stir(watched: Watched): void {
  watched.liveMs = everyMs.live
  watched.listAt = 0
  watched.counted = false
}

/** Looks at every site: whether it answers, what it offers, and what is there. One that hangs delays only itself. */
export const observe: Reconciler = {
  name: 'observe',
  everyMs: everyMs.idle,
  async turn(house, signal) {
    const { clock } = house
    const all = watching(house)
    if (clock.now() - all.checkedAt < restMs) return { status: 'rested', at: all.checkedAt + restMs }
    all.checkedAt = clock.now()
    const sites = [...house.providers.values()].flatMap((provider) =>
      provider.sites().map((site) => ({ provider, site })),
    )
    if (clock.now() >= all.declareAt - soonMs) {
      const left = await leaveUndeclared(new Set(sites.map(({ site }) => siteKey(site))), house)
      all.declareAt = clock.now() + (left ? everyMs.undeclared : everyMs.idle)
    }
    const free = sites.filter(({ site }) => all.sites.get(siteKey(site))?.busy !== true)
    await sideBySide(
      free.map(({ provider, site }) => lookAt(provider, site, { house, signal })),
      clock,
    )
    const times = sites.map(({ site }) => nextLook(all.sites.get(siteKey(site)), clock.now()))
    const { isAwaited } = all.news
    all.news.isAwaited = true
    const when = isAwaited ? {} : { when: all.news.promise }
    const at = Math.max(all.checkedAt + restMs, Math.min(...times, all.declareAt))
    return { status: `looked at ${free.length} sites`, at, ...when }
  },
}

/** Leases are there, or it did not answer: what its patience is counted by is whether it is asked, and does not answer. */
const isBusy = ({ leases, reach }: Watched): boolean => leases > 0 || (reach !== '' && reach !== 'reachable')

const isCalm = (watched: Watched): boolean => !isBusy(watched) || watched.liveMs >= calm.mostMs

/** When there is something to do about a site; somebody else looks at one that is not watched here. */
function nextLook(watched: Watched | undefined, now: number): number {
  if (!watched) return askAgainAt(now, claimSeconds)
  return Math.max(watched.restUntil, Math.min(watched.listAt, watched.offersAt))
}

/**
 * A site that no control plane declares any more is looked at by none, so what it offered is no offer now. It is
 * forgotten; where something of ours is left, it counts as one that does not answer, until it is declared again. True
 * where that is so.
 */
async function leaveUndeclared(declared: Set<string>, { store, clock, holder }: House): Promise<boolean> {
  const undeclared = (await store.sites.list()).filter(({ site }) => !declared.has(site))
  if (undeclared.length === 0) return false
  const joined = new Set((await store.joined.list()).map(({ key }) => key))
  const isOpening = (site: string, since: number) => joined.has(site) && clock.now() - since < openMs
  for (const { site, since } of undeclared) {
    if (isOpening(site, since)) continue
    const claim = await store.claims.take(`observe:${site}`, holder, claimSeconds)
    if (!claim) continue // another control plane looks at it
    if (!(await store.sites.forget(site)))
      await store.sites.reached({ site, reach: 'unreachable', detail: nobodys, since: clock.now() }, claim)
    await store.claims.release(claim)
  }
  return true
}

type Here = { house: House; signal: AbortSignal }
type Claimed = { site: Site; claim: Claim }

async function lookAt(provider: Provider, site: Site, here: Here): Promise<void> {
  const { house } = here
  const { sites } = watching(house)
  const key = siteKey(site)
  const before = sites.get(key)
  if (before) before.busy = true
  try {
    const claim = await claimFor(house, `observe:${key}`, claimSeconds)
    if (before && before.claim.epoch !== claim?.epoch) before.word.end()
    if (!claim) return void sites.delete(key)
    const watched = before?.claim.epoch === claim.epoch ? before : await begin(provider, { site, claim, ...here })
    watched.busy = true
    sites.set(key, watched)
    await lookWith({ provider, site, watched, ...here })
  } finally {
    const after = sites.get(key)
    if (after) after.busy = false
  }
}

/** Somebody else may have looked since we last did: what we remember is void. */
async function begin(provider: Provider, { site, claim, house, signal }: Here & Claimed): Promise<Watched> {
  await house.store.sites.put(site, house.clock.now())
  const watched: Watched = {
    claim,
    busy: true,
    leases: -1,
    counted: false,
    restUntil: 0,
    liveMs: everyMs.live,
    listAt: 0,
    offersAt: 0,
    spot: { at: -Infinity, seen: [] },
    reach: '',
    detail: '',
    toldAt: -Infinity,
    doubts: noDoubts(),
    begun: new Set(),
    word: listenTo(provider, site.name, { clock: house.clock, signal, news: () => hear(watched, house) }),
  }
  return watched
}

function hear(watched: Watched, house: House): void {
  watched.liveMs = everyMs.live
  watched.listAt = 0
  const all = watching(house)
  all.news.resolve()
  all.news = newNews()
}

type Look = Here & { provider: Provider; site: Site; watched: Watched }

async function lookWith(look: Look): Promise<void> {
  const { house, provider, site, watched, signal } = look
  const { store, clock } = house
  const key = siteKey(site)
  const began = clock.now()
  if (began < watched.restUntil) return
  if (began >= watched.offersAt - soonMs) {
    await askOffers(look)
    watched.counted = false // a net below the nudges
  }
  if (!watched.counted) {
    watched.counted = true
    watched.leases = await store.sites.count(key)
  }
  if (clock.now() < watched.listAt) return
  const listAt = clock.now() + (isBusy(watched) ? watched.liveMs : everyMs.idle)
  watched.listAt = listAt
  const listed = await within(callMs, { clock, signal }, (call) => provider.list(site.name, call))
  const now = clock.now()
  if (!(await tellReach(look, listed)) || !listed.ok) return
  watched.word.listen()
  const shown = listed.value.flatMap(({ token, ranks }) =>
    ranks.map(({ rank, state, cause, leavesAt, serving }) => ({
      lease: token,
      rank,
      state,
      ...(cause && { cause: cause.kind }),
      ...(leavesAt !== undefined && { leavesAt }),
      ...(serving && { ready: serving.ready, address: serving.address }),
    })),
  )
  await tellBegun(look, listed.value)
  const leases = await store.sites.differing(key, shown)
  const facts = { leases, sightings: listed.value, since: listeningSince(house), now }
  const seen = compare(facts, watched.doubts)
  if (seen.length > 0) await store.sites.saw(seen, now)
  // Who is placed anew is not to come to a node that is gone, or goes.
  if (seen.some(({ state, leavesAt }) => state === 'lost' || leavesAt !== undefined)) await askOffers(look)
  if (seen.length > 0 || watched.doubts.size > 0) stir(watched)
  else if (leases.length === 0 && watched.word.tells && isCalm(watched) && watched.listAt === listAt)
    watched.listAt = began + netMs // nothing was told meanwhile
  else watched.liveMs = Math.min(watched.liveMs * calm.times, calm.mostMs)
  watched.restUntil = clock.now() + restAfter(clock.now() - began, restTimes)
}

/** What stood in line and is held now is billed from then on; each is told of once. */
async function tellBegun({ house, watched }: Look, sightings: Sighting[]): Promise<void> {
  const held = sightings.flatMap(({ token, heldSince }) =>
    heldSince == null ? [] : [{ lease: token, since: heldSince }],
  )
  const news = held.filter(({ lease }) => !watched.begun.has(lease))
  if (news.length > 0) await house.store.sites.began(news, house.clock.now())
  watched.begun = new Set(held.map(({ lease }) => lease))
}

/** Offers and nodes: now and then, and at once when a site is back. */
async function askOffers(look: Look): Promise<void> {
  const { house, provider, site, watched, signal } = look
  const { inventory } = provider.abilities
  const { offers, nodes } = await within(callMs, { clock: house.clock, signal }, async (call) => ({
    offers: await provider.offers(site.name, call),
    nodes: inventory ? await inventory(site.name, call) : null,
  }))
  watched.offersAt = house.clock.now() + everyMs.offers
  await tellReach(look, offers)
  if (!offers.ok || (nodes && !nodes.ok)) return
  const rated = withSeenRates(offers.value, await spotSeen(look, offers.value))
  await house.store.sites.offered(siteKey(site), rated, nodes ? nodes.value : null, house.clock.now())
}

async function spotSeen({ house, site, watched }: Look, offers: Offer[]): Promise<SpotHistory[]> {
  const now = house.clock.now()
  if (offers.some(({ tier }) => tier === 'spot') && now >= watched.spot.at + spotMs) {
    const seen = await house.store.market.spot({ site: siteKey(site), now, halfLifeMs: spotHalfLifeMs })
    watched.spot = { at: now, seen }
  }
  return watched.spot.seen
}

/** Writes down whether the site answers; true when it does. A site that is only busy is neither. */
async function tellReach(look: Look, answer: Outcome<unknown>): Promise<boolean> {
  const { house, provider, site, watched, signal } = look
  if (signal.aborted) return false // we hung up, not they
  if (!answer.ok) watched.liveMs = everyMs.live
  const reach = answer.ok ? 'reachable' : reachOf(answer.fault)
  if (reach === null) return false
  const detail = answer.ok ? await warningOf(provider, site) : answer.fault.detail
  const now = house.clock.now()
  const isNews = reach !== watched.reach
  // What was told may have been lost, or somebody who stood still has told something else meanwhile.
  // That it was asked in vain is told each time: its patience is counted by that.
  if (isNews || reach !== 'reachable' || detail !== watched.detail || now >= watched.toldAt + everyMs.offers) {
    await house.store.sites.reached({ site: siteKey(site), reach, detail, since: now }, watched.claim)
    watched.toldAt = now
    watched.detail = detail
  }
  if (isNews) {
    if (reach === 'reachable' && watched.reach !== '') watched.offersAt = 0
    if (reach !== 'reachable') watched.listAt = watched.restUntil = 0
    watched.reach = reach
    watched.doubts = noDoubts()
  }
  return answer.ok
}

/** What will keep us from it before long; empty where nothing does, or nobody knows. */
async function warningOf({ abilities: { warning } }: Provider, { name }: Site): Promise<string> {
  const told = await warning?.(name)
  return (told?.ok && told.value) || ''
}

const reachOf = ({ kind }: Fault) => (kind === 'unreachable' || kind === 'denied' ? kind : null)
