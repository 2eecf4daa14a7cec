import { mkdirSync, mkdtempSync, renameSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import type { Api } from '#cli/client.ts'
import type { Io } from '#cli/io.ts'
import { signal } from '#kit/processes.ts'
import { openHouse, type House } from './house.ts'
import { attemptsOf } from './look.ts'

/** Three sites of this machine that differ in price and country. The cheapest one gets the most work. */
export type SiteName = 'west' | 'north' | 'east'

const sitesFile = `sites:
  - { provider: local, name: west, jurisdictions: [US], price: $1.20/h, patience: 3s, nodes: 4, shape: { cpus: 2, memory: 2GB } }
  - { provider: local, name: north, jurisdictions: [SE, EU], price: $1.50/h, patience: 3s, nodes: 4, shape: { cpus: 2, memory: 2GB } }
  - { provider: local, name: east, jurisdictions: [JP], price: $0.90/h, patience: 3s, nodes: 4, shape: { cpus: 2, memory: 2GB } }
`

/** A control plane of the demo's own, with three sites. */
export type World = House & {
  /** Where tasks of the array leave their mark. */
  marks: string
  /** Kills everything that runs at a site with SIGKILL and makes the site unreachable. Returns how many processes. */
  lose(site: SiteName): Promise<number>
  /** The site answers again, with everything that was in it. */
  bringBack(site: SiteName): void
}

export async function openWorld(io: Io): Promise<World> {
  const home = mkdtempSync(join(tmpdir(), 'isobar-demo-'))
  const marks = join(home, 'marks')
  mkdirSync(marks)
  const house = await openHouse(io, { home, sites: sitesFile })
  const rootOf = (site: SiteName) => join(home, 'local', site)
  return {
    ...house,
    marks,
    async lose(site) {
      const leases = await leasesAt(house.api, site)
      renameSync(rootOf(site), `${rootOf(site)}.lost`)
      const doomed = await house.processesOf(leases)
      for (const pid of doomed) signal(pid, 'SIGKILL') // a task of the array may have ended meanwhile
      return doomed.length
    },
    bringBack: (site) => renameSync(`${rootOf(site)}.lost`, rootOf(site)),
  }
}

/** Leases of live attempts at a site. */
async function leasesAt(api: Api, site: SiteName): Promise<string[]> {
  const all = await attemptsOf(api)
  return all.filter(({ at, live }) => at === `local/${site}` && live).map(({ lease }) => lease)
}
