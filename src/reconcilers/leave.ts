import type { JoinedSite, Remain } from '#model/joined-site.ts'
import { type Outcome, succeed } from '#model/fault.ts'
import type { Provider } from '#providers/provider.ts'
import { claimFor } from './claiming.ts'
import type { House, Reconciler } from './reconciler.ts'
import { sideBySide, within } from './side-by-side.ts'

/** A nudge tells when a site is to be left; from then on it is looked at so often. */
const everyMs = { idle: 60_000, leaving: 2_000 }
const callMs = 10_000
const claimSeconds = 12

/**
 * Leaves sites: once no lease of ours is live at one, whatever still carries our tag there is retired, and what is left of
 * us removed; then the site is forgotten. What stays meanwhile, and why, is written down. It may be ended at any point, and
 * goes on from what is there.
 */
export const leave: Reconciler = {
  name: 'leave',
  everyMs: everyMs.idle,
  async turn(house, signal) {
    const leaving = (await house.store.joined.list()).filter((site) => site.leaving)
    await sideBySide(
      leaving.map((site) => leaveOne(site, { house, signal })),
      house.clock,
    )
    const next = leaving.length > 0 ? { at: house.clock.now() + everyMs.leaving } : {}
    return { status: `${leaving.length} sites are being left`, ...next }
  },
}

type Here = { house: House; signal: AbortSignal }

async function leaveOne(site: JoinedSite, here: Here): Promise<void> {
  const { house } = here
  const { store, clock } = house
  if (!(await claimFor(house, `leave:${site.key}`, claimSeconds))) return // another control plane is at it
  const { key, leaving } = site
  const remains = await remainsAt(site, here)
  if (remains.length === 0 && (await store.joined.remove(key, clock.now()))) return
  if (leaving && JSON.stringify(remains) !== JSON.stringify(leaving.remains))
    await store.joined.remains(key, { ...leaving, remains })
}

/** What keeps a site from being left; nothing once nothing of ours is there. */
async function remainsAt({ key, provider: name, leaving }: JoinedSite, { house, signal }: Here): Promise<Remain[]> {
  const { store, clock } = house
  const site = key.slice(name.length + 1)
  const live = await store.sites.count(key)
  const gangs = live === 0 ? [] : [{ what: `${live === 1 ? '1 gang is' : `${live} gangs are`} there`, fix: null }]
  const provider = house.providers.get(name)
  if (!provider?.sites().some((one) => one.name === site))
    return [...gangs, { what: 'this control plane has not opened it', fix: null }]
  const seen = await within(callMs, { clock, signal }, (call) => lookOver(provider, { site, house, live }, call))
  if (seen.ok) return [...gangs, ...seen.value]
  // Nobody waits for what is gone: this control plane is about to see that it is.
  if (leaving?.goneAt) return [...gangs, { what: 'it is being given up', fix: null }]
  const { kind, detail } = seen.fault
  return [
    ...gangs,
    {
      what: `it does not answer as it should (${kind}): ${detail}`,
      fix: `isobar site leave ${key} --gone (only where it is gone for good)`,
    },
  ]
}

type Looking = { site: string; house: House; live: number }

/** Retires what belongs to nobody, says what is left, and clears the rest once nothing is. */
async function lookOver(
  provider: Provider,
  { site, house, live }: Looking,
  signal: AbortSignal,
): Promise<Outcome<Remain[]>> {
  const { remains, clear } = provider.abilities
  const listed = await provider.list(site, signal)
  if (!listed.ok) return listed
  // What is about to be launched is no orphan: its lease is not live yet.
  const orphans = await house.store.sites.orphans(listed.value.map(({ token }) => token))
  const held: Remain[] = []
  for (const { token } of orphans) {
    const retired = await provider.retire({ site, token }, 0, signal)
    if (!retired.ok) return retired
    if (typeof retired.value !== 'string') held.push(...retired.value.held)
  }
  if (held.length > 0) return succeed(held)
  const left = await remains?.(site, signal)
  if (left && (!left.ok || left.value.length > 0)) return left
  if (listed.value.length > 0 || live > 0)
    return succeed(orphans.map(({ token }) => ({ what: `${token} is on its way out`, fix: null })))
  const cleared = await clear?.(site, signal)
  return cleared && !cleared.ok ? cleared : succeed([])
}
