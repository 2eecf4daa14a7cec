import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

import { ScriptedControlPlane } from '#agent/scripted-control-plane.ts'
import { createClock } from '#kit/clock.ts'
import type { Outcome } from '#model/fault.ts'
import type { CredentialedOrder } from '#model/order.ts'
import type { Shape } from '#model/resources.ts'
import type { Provider, Sighting } from '#providers/provider.ts'
import { openProvider } from '#providers/registry.ts'
import { linesOf } from '#rigs/lines.ts'

import type { Cluster } from './cluster.ts'

/** How Slurm is asked: by its commands, or by the slurmrestd at an address. */
export type Way = ({ conf: string } | { rest: string }) & {
  ssh?: string
  sshConfig?: string
  topologyFile?: string
  reservation?: string
  exclusive?: boolean
  account?: string
  qos?: string
  licences?: string[]
  partition?: string
  tokenLifespan?: string
  tokenCommand?: string[]
  /** Its nodes share no disk with us. */
  afar?: true
}

type Changes = Partial<Omit<CredentialedOrder, 'ranks'>> & { ranks?: number }

/** A site of its own at a cluster, and a control plane that its agents dial. */
export type SiteRig = {
  name: string
  provider: Provider
  controlPlane: ScriptedControlPlane
  /** The folder of the site on the shared disk. */
  folder: string
  tokenFile: string
  /** Opens it once more, declared with changes. */
  open(changes?: object): Promise<Provider>
  order(changes?: Changes): CredentialedOrder
  /** Says what each rank of an order runs: a script of the shell. */
  script(order: CredentialedOrder, run: (rank: number) => string): void
  /** Launches until it is taken. */
  launched(order: CredentialedOrder): Promise<void>
  /** Looks until it is as it should be; null when the site knows nothing of it. */
  until(order: CredentialedOrder, what: string, condition: (seen: Sighting | null) => boolean): Promise<Sighting | null>
  /** Retires until it is gone, calling all the while. */
  gone(token: string, graceMs?: number): Promise<void>
  close(): Promise<void>
}

export const forever = new AbortController().signal

const shape: Shape = {
  name: 'small',
  accelerators: 0,
  acceleratorMemoryMiB: 0,
  cpuMilli: 1000,
  memoryMiB: 256,
  diskMiB: 100,
}

export async function openSite(cluster: Cluster, way: Way): Promise<SiteRig> {
  const controlPlane = await ScriptedControlPlane.open()
  const name = `s-${randomUUID().slice(0, 8)}`
  const { afar = false, ...asked } = way
  const homes = join(cluster.folder, 'homes')
  const directory = afar ? undefined : join(cluster.folder, 'shared')
  const tokenFile = join(cluster.folder, `${name}.jwt`)
  writeFileSync(tokenFile, cluster.token(), { mode: 0o600 })
  const declared = { name, partition: 'main', ...(directory && { directory }), tokenFile, ...asked }
  const surroundings = { clock: createClock(), home: join(homes, name), shared: homes, house: 'rig' }
  const open = (changes: object = {}) => openProvider('slurm', { sites: [{ ...declared, ...changes }] }, surroundings)
  const provider = await open()
  controlPlane.relay = relayOf(provider, name)
  const gone: SiteRig['gone'] = (token, graceMs = 0) =>
    poll('it is gone', async () => {
      const retired = await provider.retire({ site: name, token }, graceMs, forever)
      return retired.ok && retired.value === 'gone'
    })
  return {
    name,
    provider,
    controlPlane,
    folder: join(directory ?? join(homes, 'gangs'), 'rig', name),
    tokenFile,
    open,
    gone,
    order({ ranks = 1, ...changes } = {}) {
      const token = changes.token ?? `l-${randomUUID()}`
      return {
        token,
        workload: 'w-1',
        attempt: 1,
        site: name,
        tier: 'on-demand',
        ranks: Array.from({ length: ranks }, (_, rank) => ({ rank, shape })),
        graceMs: 1000,
        controlPlanes: [controlPlane.address],
        credential: `c-${token}`,
        ...changes,
      }
    },
    script: ({ credential, ranks }, run) =>
      void controlPlane.gangs.set(credential, { ranks: ranks.length, go: (rank) => ({ run: run(rank) }) }),
    launched: (order) => poll('it is taken', async () => (await provider.launch(order, forever)).ok),
    async until({ token }, what, condition) {
      let seen: Sighting | null = null
      await poll(what, async () => {
        const looked: Outcome<Sighting | null> = await provider.get({ site: name, token }, forever)
        if (looked.ok) seen = looked.value
        return looked.ok && condition(looked.value)
      })
      return seen
    },
    async close() {
      const left = await provider.list(name, forever)
      for (const { token } of left.ok ? left.value : []) await gone(token)
      await controlPlane.down()
    },
  }
}

/** An order whose ranks are to be on these nodes, each with so many accelerators. */
export function orderOn(rig: SiteRig, nodes: readonly string[], accelerators: number): CredentialedOrder {
  const order = rig.order({ ranks: nodes.length })
  const ranks = order.ranks.map((rank, index) => ({
    ...rank,
    node: nodes[index] ?? assert.fail(),
    shape: { ...rank.shape, accelerators },
  }))
  return { ...order, ranks }
}

/** What the API does for nodes that see no disk of ours. */
function relayOf(
  { abilities: { relay, program } }: Provider,
  site: string,
): NonNullable<ScriptedControlPlane['relay']> {
  if (!relay || !program) throw new Error('this provider answers no agents')
  return {
    ask: async (credential, question) =>
      valueOf(await relay(site, { token: credential.replace(/^c-/, ''), question }, forever)),
    program: async () => valueOf(await program(site, forever)),
  }
}

function valueOf<T>(outcome: Outcome<T>): T {
  if (!outcome.ok) throw new Error(outcome.fault.detail)
  return outcome.value
}

/** Asks again and again, for two minutes at most: a cluster may have to notice first that a part of it is gone. */
export async function poll(what: string, condition: () => Promise<boolean>): Promise<void> {
  for (const deadline = performance.now() + 120_000; !(await condition()); await pause(50))
    if (performance.now() > deadline) throw new Error(`waited two minutes in vain until ${what}`)
}

/** How often each rank of an order was started, by what it wrote into a file. */
export const startsIn = (cluster: Cluster, order: CredentialedOrder): string[] =>
  linesOf(startsFile(cluster, order)).sort()

/** Ranks say that they start, and then run on. */
export const tellStarts = (cluster: Cluster, rig: SiteRig, order: CredentialedOrder): void =>
  rig.script(order, (rank) => `echo ${rank} >> ${startsFile(cluster, order)}\nexec sleep 1000`)

const startsFile = (cluster: Cluster, { token }: CredentialedOrder): string =>
  join(cluster.folder, 'shared', `${token}.starts`)
