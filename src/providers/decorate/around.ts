import type { Outcome } from '#model/fault.ts'
import type { Provider } from '#providers/provider.ts'

/** A call to a site, as far as those care who stand around it. */
export type Call = {
  name:
    | 'offers'
    | 'launch'
    | 'get'
    | 'list'
    | 'retire'
    | 'logs'
    | 'inventory'
    | 'watch'
    | 'remains'
    | 'clear'
    | 'reserve'
    | 'dial'
    | 'identity'
  site: string
}

/** Stands around each call of a provider: may make it, later, with another signal, or not at all. */
export type Around = <T>(
  call: Call,
  signal: AbortSignal,
  make: (signal: AbortSignal) => Promise<Outcome<T>>,
) => Promise<Outcome<T>>

/** The same provider with something around its calls. `sites` asks nobody and stays as it is. */
export function withAround(inner: Provider, around: Around): Provider {
  const { inventory, watch, remains, clear, reserve, dial, identity } = inner.abilities
  return {
    name: inner.name,
    sites: () => inner.sites(),
    offers: (site, signal) => around({ name: 'offers', site }, signal, (given) => inner.offers(site, given)),
    launch: (order, signal) =>
      around({ name: 'launch', site: order.site }, signal, (given) => inner.launch(order, given)),
    get: (handle, signal) => around({ name: 'get', site: handle.site }, signal, (given) => inner.get(handle, given)),
    list: (site, signal) => around({ name: 'list', site }, signal, (given) => inner.list(site, given)),
    retire: (handle, graceMs, signal) =>
      around({ name: 'retire', site: handle.site }, signal, (given) => inner.retire(handle, graceMs, given)),
    logs: (handle, part, signal) =>
      around({ name: 'logs', site: handle.site }, signal, (given) => inner.logs(handle, part, given)),
    abilities: {
      ...inner.abilities,
      ...(inventory && {
        inventory: (site, signal) => around({ name: 'inventory', site }, signal, (given) => inventory(site, given)),
      }),
      ...(watch && {
        watch: (site, since, signal) => around({ name: 'watch', site }, signal, (given) => watch(site, since, given)),
      }),
      ...(remains && {
        remains: (site, signal) => around({ name: 'remains', site }, signal, (given) => remains(site, given)),
      }),
      ...(reserve && {
        reserve: (site, wish, signal) =>
          around({ name: 'reserve', site }, signal, (given) => reserve(site, wish, given)),
      }),
      ...(dial && {
        dial: (site, place, signal) => around({ name: 'dial', site }, signal, (given) => dial(site, place, given)),
      }),
      ...(identity && {
        identity: (site, signal) => around({ name: 'identity', site }, signal, (given) => identity(site, given)),
      }),
      ...(clear && { clear: (site, signal) => around({ name: 'clear', site }, signal, (given) => clear(site, given)) }),
    },
  }
}

/** What is kept for each site, made when it is first needed. Sites are configured, so there are only so many. */
export function perSite<T>(make: () => T): (site: string) => T {
  const all = new Map<string, T>()
  return (site) => {
    const kept = all.get(site) ?? make()
    all.set(site, kept)
    return kept
  }
}
