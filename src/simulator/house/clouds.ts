import type { Clock } from '#kit/clock.ts'
import type { ProviderName } from '#model/names.ts'
import type { Provider } from '#providers/provider.ts'
import { createSimulated, type SimulatedCloud } from '#providers/simulated/simulated.ts'
import { providerOf, type Story } from './story.ts'

/** The simulated clouds of a story as one: whatever is of a site goes to the cloud that has it. */
export type Clouds = Omit<SimulatedCloud, 'open'> & {
  /** Another adapter of each. */
  open(): Provider[]
  byProvider: ReadonlyMap<ProviderName, SimulatedCloud>
}

/** No two sites have the same name, of whichever provider they are. */
export function createClouds({ sites, ...cloud }: Story['cloud'], seed: number, clock: Clock): Clouds {
  const byProvider = new Map(
    [...Map.groupBy(sites, providerOf)].map(([name, its]) => {
      const own = its.map(({ provider: _provider, ...site }) => site)
      return [name, createSimulated({ ...cloud, name, sites: own, seed, clock })] as const
    }),
  )
  const all = [...byProvider.values()]
  const places = new Map(sites.map((site) => [site.name, byProvider.get(providerOf(site))] as const))
  const at = (site: string): SimulatedCloud => {
    const found = places.get(site)
    if (!found) throw new Error(`no site "${site}" in this story; there are ${[...places.keys()].join(', ')}`)
    return found
  }
  return {
    byProvider,
    open: () => all.map((one) => one.open()),
    script: (order, parts) => all.forEach((one) => one.script(order, parts)),
    befall: (site, ...what) => at(site).befall(site, ...what),
    calm: (site, trouble) => at(site).calm(site, trouble),
    change: (site, change) => at(site).change(site, change),
    changeNode: (site, ...what) => at(site).changeNode(site, ...what),
    cut: (site, how) => at(site).cut(site, how),
    restore: (site) => at(site).restore(site),
    stir: (site) => at(site).stir(site),
    down: (site) => at(site).down(site),
    lose: (site, forGood) => at(site).lose(site, forGood),
    befell: () => all.flatMap((one) => one.befell()),
    meter: () => all.flatMap((one) => one.meter()),
    gangs: (site) => at(site).gangs(site),
    used: (site) => at(site).used(site),
  }
}
