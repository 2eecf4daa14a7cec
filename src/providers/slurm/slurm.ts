import { createReadStream, type ReadStream } from 'node:fs'
import { join } from 'node:path'

import { readLog } from '#kit/bounded-log.ts'
import { agentFiles } from '#model/agent-folder.ts'
import { fail, type Outcome, succeed } from '#model/fault.ts'
import { gangFiles } from '#model/gang-folder.ts'
import type { GangAsk, RelayedGang } from '#model/gang-relay.ts'
import type { Node } from '#model/site.ts'
import { isStore, siteOf } from '#providers/declared-store.ts'
import type { LogChunk, LogPart, Provider } from '#providers/provider.ts'
import { ask, isThere, isToken } from '#providers/kept-folder.ts'

import { packAgent } from './agent-program.ts'
import type { Carrier } from './carry.ts'
import { clearSite } from './clear.ts'
import { createCommandLine } from './command-line.ts'
import type { SlurmSite } from './config.ts'
import type { Controller } from './controller.ts'
import { offersOf, takeInventory } from './inventory.ts'
import { launchOrder } from './launch.ts'
import { createLimits } from './limits.ts'
import { answerGang } from './relay.ts'
import { createRest } from './rest.ts'
import { retireOrder } from './retire.ts'
import { readRank, sightAll, sightOrder } from './sight.ts'
import { prepareSite, type SiteFolder, siteFolder } from './site-folder.ts'
import { type TokenFile, tokenOf } from './token.ts'
import { createWatch } from './watch.ts'

export type SlurmOptions = {
  sites: SlurmSite[]
  /** Where we note which sites were made, on a disk of our own. */
  home: string
  /** A folder that all control planes see: orders of sites are kept there whose nodes share no disk with us. */
  shared: string
  /** What tells our orders from those of other houses on the same disk. */
  house: string
}

/** `taken`: nodes that were asked for with the offers, for whoever asks for them next. */
type OpenSite = Carrier & {
  site: SlurmSite
  /** Where it is reached with one. */
  tokens: TokenFile | null
  launching: Map<string, Promise<unknown>>
  taken?: { nodes: Node[]; at: number } | undefined
}

/**
 * Partitions of Slurm clusters. Nothing is kept in memory: what runs is in the folder of its site and in Slurm, and whoever
 * comes next finds it there.
 */
export function createSlurm({ sites, home, shared, house }: SlurmOptions): Provider {
  const open = new Map(sites.map((site) => [site.name, openSite(site, { home, shared, house })]))

  /** Nobody is to make their folders anew by looking once more. */
  const cleared = new Set<string>()
  const at = <T>(
    name: string,
    signal: AbortSignal,
    question: (site: OpenSite) => Promise<Outcome<T>>,
  ): Promise<Outcome<T>> => {
    const site = open.get(name)
    return site
      ? ask(
          { folder: site.folder, prepare: async () => void (cleared.has(name) || (await prepareSite(site.folder))) },
          signal,
          () => question(site),
        )
      : Promise.resolve(fail('invalid', 'elsewhere', `no slurm site is named ${name}`))
  }

  return {
    name: 'slurm',
    sites: () => sites.map((site) => ({ ...siteOf('slurm', site), ...checkpointFolderOf(site) })),
    offers: (name, signal) =>
      at(name, signal, async (one) => {
        const taken = await takeInventory(one, signal)
        if (!taken.ok) return taken
        one.taken = { nodes: taken.value.nodes, at: performance.now() }
        return succeed(
          offersOf(one.site, taken.value.partition, { standing: await one.limits(signal), now: Date.now() }),
        )
      }),
    launch: (order, signal) => {
      cleared.delete(order.site)
      return at(order.site, signal, (site) =>
        oneAtATime(site.launching, order.token, () => launchOrder(site, order, signal)),
      )
    },
    get: ({ site, token }, signal) =>
      at(site, signal, async (one) => (isToken(token) ? sightOrder(one, token, signal) : succeed(null))),
    list: (name, signal) =>
      cleared.has(name) ? Promise.resolve(succeed([])) : at(name, signal, (one) => sightAll(one, signal)),
    retire: ({ site, token }, graceMs, signal) =>
      at(site, signal, async (one) =>
        isToken(token) ? retireOrder(one, { token, graceMs }, signal) : succeed('gone'),
      ),
    logs: ({ site, token }, part, signal) =>
      at(site, signal, async ({ folder }) => succeed(await readRankLog(folder, token, part))),
    abilities: {
      identity: async (name) => succeed(sites.filter((one) => one.name === name).map(identityOf)[0] ?? null),
      inventory: (name, signal) => at(name, signal, (one) => nodesAt(one, signal)),
      warning: async (name) => succeed((await open.get(name)?.tokens?.warning()) ?? null),
      clear: (name) => clearAt(name, open.get(name), cleared),
      relay: (name, asked, signal) => at(name, signal, (one) => answerAfar(one, asked)),
      program: (name, signal) =>
        at(name, signal, async ({ folder }) =>
          folder.afar ? succeed(streamOf(await packAgent(folder.programs), signal)) : noRelay(name),
        ),
    },
  }
}

/** Relative: in the folder of each rank. */
function checkpointFolderOf({ checkpoints, directory }: Pick<SlurmSite, 'checkpoints' | 'directory'>) {
  const folder = isStore(checkpoints) ? undefined : checkpoints
  if (folder === undefined && directory !== undefined) return {}
  return { checkpointFolder: folder ?? 'checkpoints' }
}

/** A file that is not held open for who has gone. */
function streamOf(path: string, signal: AbortSignal): ReadStream {
  const stream = createReadStream(path, { highWaterMark: 1024 * 1024 })
  signal.addEventListener('abort', () => stream.destroy(), { once: true })
  return stream
}

const noRelay = (name: string) =>
  fail('invalid', 'never', `the nodes of ${name} see the folder of its gangs themselves`)

type Asked = { token: string; question: GangAsk }

const answerAfar = async ({ folder, site }: OpenSite, { token, question }: Asked): Promise<Outcome<RelayedGang>> =>
  folder.afar && isToken(token) ? succeed(await answerGang(folder, token, question)) : noRelay(site.name)

const freshMs = 5_000

/** A list of ten thousand nodes is costly, and the house asks for offers and nodes one after the other: they share it. */
async function nodesAt(one: OpenSite, signal: AbortSignal): Promise<Outcome<Node[]>> {
  const { taken } = one
  one.taken = undefined
  if (taken && performance.now() - taken.at < freshMs) return succeed(taken.nodes)
  const asked = await takeInventory(one, signal)
  return asked.ok ? succeed(asked.value.nodes) : asked
}

/** From now on nothing is there, until something is launched. */
async function clearAt(name: string, site: OpenSite | undefined, cleared: Set<string>): Promise<Outcome<null>> {
  if (!site) return fail('invalid', 'elsewhere', `no slurm site is named ${name}`)
  cleared.add(name)
  const answer = await clearSite(site.folder)
  if (!answer.ok) cleared.delete(name)
  return answer
}

function openSite(site: SlurmSite, ours: { home: string; shared: string; house: string }): OpenSite {
  const folder = siteFolder({ directory: site.directory, name: site.name, ...ours })
  const tokens = site.rest === undefined ? null : tokenOf(site)
  const controller = controllerOf(site, tokens?.token)
  return {
    site,
    tokens,
    controller,
    folder,
    limits: createLimits(site, controller),
    watch: createWatch(),
    launching: new Map(),
  }
}

/**
 * Which jobs of which cluster a site's are. A cluster has no name that no other has, so that it is known again only where it
 * is reached the same way.
 */
export function identityOf({ rest, ssh, conf, partition, account, qos, reservation }: SlurmSite): string {
  const way = rest === undefined ? { ssh, conf } : { rest: new URL(rest).href }
  return `slurm ${JSON.stringify({ ...way, partition, account, qos, reservation })}`
}

/** The way to a cluster that a site is declared with; `token` is by default its own. */
export function controllerOf(site: SlurmSite, token?: TokenFile['token']): Controller {
  const { partition, account, qos, reservation, licences, exclusive, user, topologyFile } = site
  const asking = { partition, account, qos, reservation, licences, exclusive, user, topologyFile }
  return site.rest === undefined
    ? createCommandLine({ ...asking, conf: site.conf, ssh: site.ssh, sshConfig: site.sshConfig })
    : createRest({ ...asking, address: site.rest, token: token ?? tokenOf(site).token })
}

/** Calls with one token one after the other: the second finds what the first did. Another process may still be beside. */
async function oneAtATime<T>(under: Map<string, Promise<unknown>>, token: string, act: () => Promise<T>): Promise<T> {
  const before = under.get(token)
  const mine = (async () => {
    await before?.catch(() => undefined)
    return act()
  })()
  under.set(token, mine)
  try {
    return await mine
  } finally {
    if (under.get(token) === mine) under.delete(token)
  }
}

async function readRankLog(folder: SiteFolder, token: string, part: LogPart): Promise<LogChunk> {
  const path = join(folder.order(token), String(part.rank))
  if (!isToken(token) || !(await isThere(folder.order(token))))
    return { from: part.from, bytes: new Uint8Array(), end: true }
  // Asked before reading: what a rank wrote is in its log before it is shown as ended.
  const over = await isThere(join(folder.order(token), gangFiles.over))
  const { state } = await readRank(path, part.rank)
  const log = join(path, agentFiles.output)
  const chunk = await readLog(log, part)
  if (state !== 'exited' && !over) return { ...chunk, end: false }
  const more = await readLog(log, { from: chunk.from + chunk.bytes.length, most: 1 })
  return { ...chunk, end: more.bytes.length === 0 }
}
