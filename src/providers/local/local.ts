import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { readLog } from '#kit/bounded-log.ts'
import { siteOf } from '#providers/declared-store.ts'
import type { Clock } from '#kit/clock.ts'
import { agentFiles } from '#model/agent-folder.ts'
import { fail, type Outcome, succeed } from '#model/fault.ts'
import type { Offer } from '#model/offer.ts'
import type { Shape } from '#model/resources.ts'
import type { Node } from '#model/site.ts'
import type { LogChunk, LogPart, Provider } from '#providers/provider.ts'
import { ask, isThere, isToken } from '#providers/kept-folder.ts'

import { createBoot } from './boot.ts'
import type { LocalSite } from './config.ts'
import { launchOrder } from './launch.ts'
import { type MigInstance, measureMachine } from './measure.ts'
import { retireOrder } from './retire.ts'
import { sightAll, sightOrder, sightRank } from './sight.ts'
import { prepareSite, type SiteFolder, siteFolder } from './site-folder.ts'

export type LocalOptions = {
  sites: LocalSite[]
  /** Program and arguments of an agent, before its folder; by default the one of this package. */
  agentCommand?: string[]
  /** The clock of the house, by which permits to start are over; without one nobody starts before it asks. */
  clock?: Clock
}

type OpenSite = { site: LocalSite; folder: SiteFolder; machines: () => Promise<Machines> }

/** The nodes of a site, and the slices of this machine where the node is this machine. */
type Machines = { nodes: Node[]; slices: MigInstance[] }

/**
 * Sites on this machine. Nothing is kept in memory: what runs is in the folder of its site and in the processes, and
 * whoever comes next, in this process or another, finds it there.
 */
export function createLocal(options: LocalOptions): Provider & { prepare(): Promise<void> } {
  const agentCommand = options.agentCommand ?? [process.execPath, agentProgram]
  const boot = createBoot()
  const open = new Map(options.sites.map((site) => [site.name, openSite(site)]))

  /** Asks the site of that name, or says that there is none. */
  const at = <T>(
    name: string,
    signal: AbortSignal,
    question: (site: OpenSite) => Promise<Outcome<T>>,
  ): Promise<Outcome<T>> => {
    const site = open.get(name)
    return site
      ? ask({ folder: site.folder, prepare: () => prepareSite(site.folder) }, signal, () => question(site))
      : Promise.resolve(fail('invalid', 'elsewhere', `no local site is named ${name}`))
  }

  return {
    name: 'local',
    sites: () => options.sites.map((site) => siteOf('local', site)),
    async prepare() {
      for (const { folder } of open.values()) await prepareSite(folder)
    },
    offers: (name, signal) =>
      at(name, signal, async ({ site, machines }) => succeed(offersOf(site, (await machines()).nodes, Date.now()))),
    launch: (order, signal) =>
      at(order.site, signal, async ({ folder, machines }) =>
        launchOrder({ folder, ...(await machines()), agentCommand, boot, clock: options.clock }, order),
      ),
    get: ({ site, token }, signal) =>
      at(site, signal, async ({ folder }) => succeed(isToken(token) ? await sightOrder(folder, token) : null)),
    list: (name, signal) => at(name, signal, async ({ folder }) => succeed(await sightAll(folder))),
    retire: ({ site, token }, graceMs, signal) =>
      at(site, signal, async ({ folder }) =>
        succeed(isToken(token) ? await retireOrder(folder, token, graceMs) : 'gone'),
      ),
    logs: ({ site, token }, part, signal) =>
      at(site, signal, async ({ folder }) => succeed(await readRankLog(folder, token, part))),
    abilities: {
      inventory: (name, signal) => at(name, signal, async ({ machines }) => succeed((await machines()).nodes)),
    },
  }
}

const agentProgram = fileURLToPath(new URL('../../../bin/isobar-agent.js', import.meta.url))

function openSite(site: LocalSite): OpenSite {
  let measured: Promise<Machines> | undefined
  const measure = async (): Promise<Machines> => {
    const { node, slices } = await measureMachine(site.root)
    return { nodes: [node], slices }
  }
  return {
    site,
    folder: siteFolder(site.root),
    machines: async () => (site.nodes ? { nodes: site.nodes, slices: [] } : (measured ??= measure())),
  }
}

/** One offer for each kind of node, divisible, because an agent runs beside others. */
function offersOf(site: LocalSite, nodes: Node[], now: number): Offer[] {
  const kinds = new Map<string, { shape: Shape; available: number }>()
  for (const { shape } of nodes) {
    const key = JSON.stringify(shape)
    kinds.set(key, { shape, available: (kinds.get(key)?.available ?? 0) + 1 })
  }
  return [...kinds.values()].map(({ shape, available }) => ({
    provider: 'local',
    site: site.name,
    tier: site.tier,
    shape,
    divisible: true,
    priceMicros: site.priceMicros,
    available,
    images: false,
    source: sourceOf(site),
    ...site.terms,
    asOf: now,
  }))
}

function sourceOf({ name, nodes, priceSource }: LocalSite): string {
  if (nodes) return `the declaration of site ${name}`
  return priceSource === undefined ? 'measured on this machine' : `measured on this machine; priced ${priceSource}`
}

async function readRankLog(folder: SiteFolder, token: string, part: LogPart): Promise<LogChunk> {
  const path = join(folder.order(token), String(part.rank))
  if (!isToken(token) || !(await isThere(path))) return { from: part.from, bytes: new Uint8Array(), end: true }
  // Asked before reading: what a rank wrote is in its log before it is shown as ended.
  const { state } = await sightRank(path, part.rank)
  const log = join(path, agentFiles.output)
  const chunk = await readLog(log, part)
  if (state !== 'exited' && state !== 'lost') return { ...chunk, end: false }
  const more = await readLog(log, { from: chunk.from + chunk.bytes.length, most: 1 })
  return { ...chunk, end: more.bytes.length === 0 }
}
