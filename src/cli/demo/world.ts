import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { createApi, type Api } from '#cli/client.ts'
import { startServer, waitForEnd } from '#cli/connect.ts'
import { readToken } from '#cli/home.ts'
import type { Io } from '#cli/io.ts'
import { taggedProcesses, signal } from '#kit/processes.ts'
import { leaseTag } from '#model/agent-folder.ts'
import { startEmbedded } from '#store/embedded/embedded.ts'

/** Three sites of this machine that differ in price and country. The cheapest one gets the most work. */
export type SiteName = 'west' | 'north' | 'east'

const sitesFile = `sites:
  - { provider: local, name: west, jurisdictions: [US], price: $1.20/h, patience: 3s, nodes: 4, shape: { cpus: 2, memory: 2GB } }
  - { provider: local, name: north, jurisdictions: [SE, EU], price: $1.50/h, patience: 3s, nodes: 4, shape: { cpus: 2, memory: 2GB } }
  - { provider: local, name: east, jurisdictions: [JP], price: $0.90/h, patience: 3s, nodes: 4, shape: { cpus: 2, memory: 2GB } }
`

/** A control plane of the demo's own with a state directory of its own, so that it meets nobody else's work. */
export type World = {
  home: string
  api: Api
  /** Where tasks of the array leave their mark. */
  marks: string
  /** Kills everything that runs at a site with SIGKILL and makes the site unreachable. Returns how many processes. */
  lose(site: SiteName): Promise<number>
  /** The site answers again, with everything that was in it. */
  bringBack(site: SiteName): void
  /** Live processes of a lease. */
  processesOf(leases: string[]): Promise<number>
  close(): Promise<void>
}

export async function openWorld(io: Io): Promise<World> {
  const home = mkdtempSync(join(tmpdir(), 'isobar-demo-'))
  const marks = join(home, 'marks')
  mkdirSync(marks)
  writeFileSync(join(home, 'sites.yaml'), sitesFile)
  // A port that is free now, so that it does not meet the server of the usual state directory.
  const server = await startServer({ ...io, env: { ...io.env, ISOBAR_PORT: '0', DATABASE_URL: undefined } }, home)
  const api = createApi({ url: server.url, token: readToken(home) })
  const rootOf = (site: SiteName) => join(home, 'local', site)
  return {
    home,
    api,
    marks,
    async lose(site) {
      const leases = await leasesAt(api, site)
      renameSync(rootOf(site), `${rootOf(site)}.lost`)
      const doomed = await processesOf(leases)
      for (const pid of doomed) signal(pid, 'SIGKILL') // a task of the array may have ended meanwhile
      return doomed.length
    },
    bringBack: (site) => renameSync(`${rootOf(site)}.lost`, rootOf(site)),
    processesOf: async (leases) => (await processesOf(leases)).length,
    async close() {
      await api.send('POST', '/v1/server/stop').catch(() => {}) // it may have ended already; nothing is lost by that
      await waitForEnd(server.pid, 10_000)
      await (await startEmbedded(home)).remove()
      rmSync(home, { recursive: true, force: true })
    },
  }
}

/** Leases of live attempts at a site. */
async function leasesAt(api: Api, site: SiteName): Promise<string[]> {
  const { attemptsOf } = await import('./look.ts')
  const all = await attemptsOf(api)
  return all.filter(({ at, live }) => at === `local/${site}` && live).map(({ lease }) => lease)
}

async function processesOf(leases: string[]): Promise<number[]> {
  const tagged = await taggedProcesses(leaseTag)
  return tagged.filter(({ environment }) => leases.includes(environment.get(leaseTag) ?? '')).map(({ pid }) => pid)
}
