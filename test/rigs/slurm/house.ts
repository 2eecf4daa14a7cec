import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'

import { assertInvariants } from '#rigs/invariants.ts'
import { aDatabase } from '#rigs/postgres.ts'
import { aHome, aServer, ask } from '#rigs/server.ts'
import { houseOf, openKeys } from '#server/keys.ts'

import type { Cluster } from './cluster.ts'

/** A whole house whose only site is a partition of a cluster, by its commands and its shared disk unless told otherwise. */
export async function aHouse(t: TestContext, cluster: Cluster, changes: object = {}) {
  const home = aHome(t)
  const site = {
    provider: 'slurm',
    name: 'rig',
    partition: 'main',
    directory: join(cluster.folder, 'shared'),
    conf: cluster.conf,
    ...changes,
  }
  writeFileSync(join(home, 'sites.yaml'), JSON.stringify({ sites: [site] }))
  const url = await aDatabase()
  const server = await aServer(t, { home, url, port: 0 })
  const own = join(site.directory, houseOf(openKeys({ home, keyFile: undefined, token: server.token })))
  t.after(() => assertInvariants(url, () => tokensIn(own, cluster)))
  return {
    home,
    url,
    server,
    /** Submits specs, and gives their workloads' ids. */
    submit: async (text: string): Promise<string[]> => {
      const { json } = await ask(server, 'POST /v1/workloads', { text })
      return json.workloads.map(({ id }: { id: string }) => id)
    },
    look: async (id: string) => (await ask(server, `GET /v1/workloads/${id}`)).json,
  }
}

/** Tokens of the jobs that work below a folder, and that Slurm has not ended. */
async function tokensIn(own: string, cluster: Cluster): Promise<string[]> {
  const jobs = await cluster.command('squeue', '-h', '-t', 'R,PD', '-o', '%j|%Z')
  const found = [...jobs.matchAll(/^isobar-(\S+)\|(.*)$/gm)]
  return found.flatMap(([, token = '', folder = '']) => (folder.startsWith(`${own}/`) ? [token] : []))
}
