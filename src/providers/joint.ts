import { fail, type Outcome } from '#model/fault.ts'
import type { Abilities, Provider } from './provider.ts'

/**
 * Adapters of one name as one provider: each call goes to the one that has the site. So sites come and go while those
 * beside them are left alone.
 */
export function createJoint(first: Provider, ...others: Provider[]): Provider {
  if (others.length === 0) return first
  const parts = [first, ...others]
  const bySite = new Map(parts.flatMap((part) => part.sites().map(({ name }) => [name, part] as const)))
  const at = <T>(site: string, call: (part: Provider) => Promise<Outcome<T>>): Promise<Outcome<T>> => {
    const part = bySite.get(site)
    return part ? call(part) : Promise.resolve(fail('invalid', 'elsewhere', `no ${first.name} site is named ${site}`))
  }
  return {
    name: first.name,
    sites: () => parts.flatMap((part) => part.sites()),
    offers: (site, signal) => at(site, (part) => part.offers(site, signal)),
    launch: (order, signal) => at(order.site, (part) => part.launch(order, signal)),
    get: (handle, signal) => at(handle.site, (part) => part.get(handle, signal)),
    list: (site, signal) => at(site, (part) => part.list(site, signal)),
    retire: (handle, graceMs, signal) => at(handle.site, (part) => part.retire(handle, graceMs, signal)),
    logs: (handle, log, signal) => at(handle.site, (part) => part.logs(handle, log, signal)),
    abilities: jointAbilities(first.abilities, at),
  }
}

type At = <T>(site: string, call: (part: Provider) => Promise<Outcome<T>>) => Promise<Outcome<T>>
type Ability = (site: string, ...rest: unknown[]) => Promise<Outcome<unknown>>

/** Each of them is asked of a site. Those of one adapter are those of all: they come from the same code. */
function jointAbilities(first: Abilities, at: At): Abilities {
  const joint = Object.entries(first).map(([name, ability]) => {
    if (typeof ability !== 'function') return [name, ability] as const
    const ask: Ability = (site, ...rest) =>
      at(site, ({ abilities }) => (abilities[name as keyof Abilities] as Ability)(site, ...rest)) // a key of the same kind
    return [name, ask] as const
  })
  return Object.fromEntries(joint) as Abilities // each with what it had
}
