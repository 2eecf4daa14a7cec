import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'

import { assertInvariants } from '#rigs/invariants.ts'
import { aDatabase } from '#rigs/postgres.ts'
import { aHome, aServer, ask } from '#rigs/server.ts'

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
  const others = new Set(await tokensIn(cluster))
  t.after(() => assertInvariants(url, async () => (await tokensIn(cluster)).filter((token) => !others.has(token))))
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

/** Tokens of the jobs of ours that Slurm has not ended. */
async function tokensIn(cluster: Cluster): Promise<string[]> {
  const names = await cluster.command('squeue', '-h', '-t', 'R,PD', '-o', '%j')
  return [...names.matchAll(/^isobar-(\S+)$/gm)].map(([, token = '']) => token)
}
