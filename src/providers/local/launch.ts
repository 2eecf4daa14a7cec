import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import { type Clock, monotonicMs } from '#kit/clock.ts'
import { publicEnvironment } from '#kit/environment.ts'
import { identify } from '#kit/processes.ts'
import { agentFiles, type AgentOrder, leaseTag, type StartPermit } from '#model/agent-folder.ts'
import { fail, type Outcome, succeed } from '#model/fault.ts'
import type { CredentialedOrder } from '#model/order.ts'
import type { Node } from '#model/site.ts'
import type { Handle } from '#providers/provider.ts'
import { isThere, isToken, wasRetired } from '#providers/kept-folder.ts'

import { type Assignment, assign } from './assign.ts'
import type { Boot } from './boot.ts'
import { release, releaseAll } from './claims.ts'
import type { MigInstance } from './measure.ts'
import type { SiteFolder } from './site-folder.ts'

/**
 * What we keep of an order to show it again; never its credential. `claims`: what it holds of the site; absent in those
 * that an earlier version made.
 */
export type KeptOrder = { workload: string; attempt: number; ranks: number[]; claims?: string[]; createdAt: number }

export const orderFile = 'order.json'

type LaunchSite = {
  folder: SiteFolder
  nodes: Node[]
  slices: readonly MigInstance[]
  agentCommand: string[]
  boot: Boot
  clock: Clock | undefined
}

/**
 * Starts the agents of an order. Its folder appears whole, by a rename that only one caller wins; every caller then
 * starts the agents that are not there, of which the first one stays. So a launch that died anywhere is finished by
 * the next, and none starts a rank twice.
 */
export async function launchOrder(site: LaunchSite, order: CredentialedOrder): Promise<Outcome<Handle>> {
  const { folder } = site
  if (!isToken(order.token)) return fail('invalid', 'never', 'the token is not a safe name for a folder')
  if (order.image !== undefined) return fail('invalid', 'elsewhere', 'this machine runs no container images')
  const over = fail('conflict', 'never', `order ${order.token} was retired before it was launched`)
  if (await wasRetired(folder, order.token)) return over
  if (!(await isThere(folder.order(order.token)))) {
    const assigned = await assign(site, order)
    if (!assigned.ok) return assigned
    await makeFolder(site, order, assigned.value)
    // Whoever retired it meanwhile saw no folder to remove.
    if (await wasRetired(folder, order.token)) {
      await rm(folder.order(order.token), { recursive: true, force: true })
      await releaseAll(folder, order.token)
      return over
    }
  }
  try {
    await Promise.all(order.ranks.map(({ rank }) => startAgent(site, order.token, rank)))
  } catch (error) {
    return fail(
      'throttled',
      'later',
      `an agent could not be started: ${error instanceof Error ? error.message : error}`,
    )
  }
  return succeed({ site: order.site, token: order.token })
}

async function makeFolder(
  { folder, clock }: Pick<LaunchSite, 'folder' | 'clock'>,
  order: CredentialedOrder,
  assigned: Assignment,
): Promise<void> {
  const partial = folder.order(`.${order.token}.${process.pid}.${Math.random().toString(36).slice(2)}`)
  try {
    await mkdir(partial, { mode: 0o700 })
    const kept: KeptOrder = {
      workload: order.workload,
      attempt: order.attempt,
      ranks: order.ranks.map(({ rank }) => rank),
      claims: assigned.claims,
      createdAt: Date.now(),
    }
    await writeFile(join(partial, orderFile), JSON.stringify(kept), { mode: 0o600 })
    for (const { rank, shape } of order.ranks) {
      const own = assigned.ranks.find((one) => one.rank === rank)
      if (!own) continue
      await mkdir(join(partial, String(rank)), { mode: 0o700 })
      const permit = permitFor(order, own.address, clock)
      const asked: AgentOrder = {
        token: order.token,
        workload: order.workload,
        attempt: order.attempt,
        rank,
        credential: order.credential,
        controlPlanes: order.controlPlanes,
        address: own.address,
        masterPort: assigned.masterPort,
        shape,
        accelerators: own.accelerators,
        graceMs: order.graceMs,
        ...(permit && { permit }),
      }
      await writeFile(join(partial, String(rank), agentFiles.order), JSON.stringify(asked), { mode: 0o600 })
    }
    await rename(partial, folder.order(order.token))
  } catch (error) {
    await rm(partial, { recursive: true, force: true }).catch(() => undefined)
    // Another caller was first; its claims carry the same token and stay.
    if (await isThere(folder.order(order.token))) return
    await release(folder, assigned.claims).catch(() => undefined)
    throw error
  }
}

/** By the clocks of this machine, which the agent has as well: from here on no delay prolongs it. */
function permitFor({ permit }: CredentialedOrder, address: string, clock: Clock | undefined): StartPermit | undefined {
  const leftMs = permit && clock ? permit.until - clock.now() : 0
  if (!permit || leftMs <= 0) return undefined
  const until = { wallMs: Date.now() + leftMs, monotonicMs: monotonicMs() + leftMs }
  return { go: { ...permit.go, peers: [address] }, until }
}

async function startAgent(site: Pick<LaunchSite, 'folder' | 'agentCommand' | 'boot'>, token: string, rank: number) {
  const folder = join(site.folder.order(token), String(rank))
  if (await isThere(join(folder, agentFiles.agent))) return
  await site.boot(folder, async (ended) => {
    // It may be retired by now, or another caller's agent be up.
    if (!(await isThere(join(folder, agentFiles.order))) || (await isThere(join(folder, agentFiles.agent))))
      return ended()
    const [program = process.execPath, ...args] = site.agentCommand
    const agent = spawn(program, [...args, folder], {
      cwd: '/',
      detached: true,
      stdio: 'ignore',
      env: { ...publicEnvironment(process.env), [leaseTag]: token },
    })
    agent.once('exit', ended)
    agent.once('error', ended)
    await once(agent, 'spawn') // rejects when it cannot be
    // One that has died already has no identity: what is written then is nobody's, and so it is seen as dead.
    const who = identify(agent.pid ?? 0) ?? { pid: agent.pid ?? 0, started: 'never' }
    // Its folder may be retired already; and without this line its early death is only noticed later.
    await writeFile(join(folder, agentFiles.begun), JSON.stringify(who), { mode: 0o600 }).catch(() => undefined)
    agent.unref()
  })
}
