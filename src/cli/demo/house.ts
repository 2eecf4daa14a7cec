import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { createApi, type Api } from '#cli/client.ts'
import { startServer, waitForEnd } from '#cli/connect.ts'
import { readToken } from '#cli/home.ts'
import type { Io } from '#cli/io.ts'
import { signal, taggedProcesses } from '#kit/processes.ts'
import { leaseTag } from '#model/agent-folder.ts'
import { startEmbedded } from '#store/embedded/embedded.ts'
import { attemptsOf } from './look.ts'

/** A control plane of a demo's own, which meets nobody else's work. */
export type House = {
  home: string
  api: Api
  /** Live processes of leases on this machine. */
  processesOf(leases: readonly string[]): Promise<number[]>
  /** Ends it with all that it still runs on this machine, and removes its state directory. */
  close(): Promise<void>
}

type Own = {
  /** A folder that is there, and nobody else's. */
  home: string
  /** The text of `sites.yaml`. */
  sites: string
  /** Options of the server, beside a port that is free now. */
  environment?: Record<string, string>
}

/** Starts it. What the environment says of another server or state directory does not count. */
export async function openHouse(io: Io, { home, sites, environment = {} }: Own): Promise<House> {
  writeFileSync(join(home, 'sites.yaml'), sites)
  const env = { ...io.env, ISOBAR_PORT: '0', DATABASE_URL: undefined, ...environment }
  const server = await startServer({ ...io, env }, home)
  const api = createApi({ url: server.url, token: environment['ISOBAR_TOKEN'] ?? readToken(home) })
  return {
    home,
    api,
    processesOf,
    async close() {
      const leases = (await attemptsOf(api).catch(() => [])).map(({ lease }) => lease)
      await api.send('POST', '/v1/server/stop').catch(() => {}) // it may have ended already; nothing is lost by that
      await waitForEnd(server.pid, 10_000)
      for (const pid of await processesOf(leases)) signal(pid, 'SIGKILL')
      await (await startEmbedded(home)).remove()
      rmSync(home, { recursive: true, force: true })
    },
  }
}

async function processesOf(leases: readonly string[]): Promise<number[]> {
  const tagged = await taggedProcesses(leaseTag)
  return tagged.filter(({ environment }) => leases.includes(environment.get(leaseTag) ?? '')).map(({ pid }) => pid)
}
