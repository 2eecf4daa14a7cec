import type { Logger } from 'pino'

import { Cancel } from '#kit/cancel.ts'
import type { Clock } from '#kit/clock.ts'
import type { JoinedSite } from '#model/joined-site.ts'
import type { Provider } from '#providers/provider.ts'
import type { Store } from '#store/store.ts'
import type { Providers } from './providers.ts'

/** A nudge tells of each change; this is for one that was lost. */
const everyMs = 60_000
/** So long a site that was left may take to be forgotten here, too. */
const forgetMs = 10_000

type Using = { store: Pick<Store, 'joined' | 'onNudge'>; providers: Providers; clock: Clock; log: Logger }

/** Keeps the providers of this control plane as the sites that were joined are; `loaded` once it has looked first. */
export function keepJoinedSites(using: Using): { loaded: Promise<void>; stop(): Promise<void> } {
  const { store, clock, log } = using
  const known = new Map<string, JoinedSite>()
  const stop = new AbortController()
  const loaded = Promise.withResolvers<void>()
  let wake = new Cancel()
  const deafen = store.onNudge((nudge) => nudge === 'sites' && wake.cancel())
  const running = (async () => {
    while (!stop.signal.aborted) {
      wake = new Cancel()
      await look(known, using).catch((error: unknown) => log.error({ error }, 'could not read which sites are joined'))
      loaded.resolve()
      if (!stop.signal.aborted) await clock.sleep(everyMs, wake)
    }
  })()
  return {
    loaded: loaded.promise,
    async stop() {
      deafen()
      stop.abort()
      wake.cancel()
      await running
    },
  }
}

async function look(known: Map<string, JoinedSite>, { store, providers, log }: Using): Promise<void> {
  const joined = new Map((await store.joined.list()).map((site) => [site.key, site]))
  for (const [key, before] of known) {
    const now = joined.get(key)
    if (now && isAsOpened(now, before)) continue
    known.delete(key)
    await forget(providers.part(key), now ?? before, log)
  }
  for (const [key, site] of joined) {
    const isOpen = known.has(key)
    if (!isOpen && providers.isInFile(key)) continue // what somebody wrote down here goes before
    if (!isOpen && !(await open(site, { known, providers, log }))) continue
    known.set(key, site)
  }
}

const isAsOpened = (now: JoinedSite, before: JoinedSite): boolean =>
  JSON.stringify(now.declaration) === JSON.stringify(before.declaration) &&
  Boolean(now.leaving?.goneAt) === Boolean(before.leaving?.goneAt)

/** A declaration that this version cannot read keeps nothing else from running. */
async function open(
  site: JoinedSite,
  { known, providers, log }: Pick<Using, 'providers' | 'log'> & { known: Map<string, JoinedSite> },
): Promise<boolean> {
  try {
    await providers.join(site, () => known.get(site.key)?.leaving?.stopAt ?? null)
    return true
  } catch (error) {
    log.error({ error, site: site.key }, 'a joined site cannot be opened')
    return false
  }
}

/** What only this control plane kept of a site that was left goes, too. */
async function forget(adapter: Provider | undefined, { key, leaving }: JoinedSite, log: Logger): Promise<void> {
  if (!adapter) return
  try {
    if (!leaving?.goneAt)
      for (const { name } of adapter.sites()) await adapter.abilities.clear?.(name, AbortSignal.timeout(forgetMs))
    await adapter.close?.()
  } catch (error) {
    log.error({ error, site: key }, 'could not forget a site that was left')
  }
}
