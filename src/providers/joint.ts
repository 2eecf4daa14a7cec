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
    abilities: jointAbilities(parts, at),
  }
}

type At = <T>(site: string, call: (part: Provider) => Promise<Outcome<T>>) => Promise<Outcome<T>>
type Ability = (site: string, ...rest: unknown[]) => Promise<Outcome<unknown>>

/** Each of them is asked of a site; one whose adapter does not have it is told so. */
function jointAbilities(parts: readonly Provider[], at: At): Abilities {
  const all: Abilities = Object.assign({}, ...parts.map(({ abilities }) => abilities))
  const joint = Object.entries(all).map(([name, ability]) => {
    if (typeof ability !== 'function') return [name, ability] as const
    const ask: Ability = (site, ...rest) =>
      at(site, async ({ abilities }) => {
        const its = abilities[name as keyof Abilities] as Ability | undefined // a key of the same kind
        return its ? its(site, ...rest) : fail('invalid', 'never', `the site ${site} has no ${name}`)
      })
    return [name, ask] as const
  })
  return Object.fromEntries(joint) as Abilities // each with what it had
}
