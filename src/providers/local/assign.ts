import { createHash } from 'node:crypto'

import { fail, type Outcome, succeed } from '#model/fault.ts'
import type { Order } from '#model/order.ts'
import type { Shape } from '#model/resources.ts'
import type { Node } from '#model/site.ts'
import { isThere } from '#providers/kept-folder.ts'

import { takeAccelerators, type Taking } from './accelerators.ts'
import { claim, release } from './claims.ts'
import type { MigInstance } from './measure.ts'
import type { SiteFolder } from './site-folder.ts'

/** What each rank of an order gets of this machine, and the claims that hold it. */
export type Assignment = {
  masterPort: number
  ranks: { rank: number; address: string; accelerators: (number | string)[] }[]
  claims: string[]
}

/** Orders that wait for accelerators of a site, one behind the other. */
const turns = new WeakMap<SiteFolder, Promise<unknown>>()

/**
 * Gives each rank a node, an address and its accelerators, or says what is not there. Who wants accelerators comes one
 * after another, as far as this process goes: of two that claim at once both may give way.
 */
export async function assign(site: AssignedSite, order: Order): Promise<Outcome<Assignment>> {
  if (!order.ranks.some(({ shape, part }) => part || shape.accelerators > 0)) return assignNow(site, order)
  const before = turns.get(site.folder) ?? Promise.resolve()
  const turn = before.then(() => assignNow(site, order))
  turns.set(
    site.folder,
    turn.catch(() => undefined),
  )
  return turn
}

export type AssignedSite = { folder: SiteFolder; nodes: Node[]; slices: readonly MigInstance[] }

async function assignNow({ folder, nodes, slices }: AssignedSite, order: Order): Promise<Outcome<Assignment>> {
  const hosts = fit(nodes, order)
  if (!hosts.ok) return hosts
  const claims: string[] = []
  const take = async (name: string): Promise<boolean> => {
    // One call never takes a thing twice, though a claim of the same token is no obstacle to another call.
    if (claims.includes(name) || !(await claim(folder, name, order.token))) return false
    claims.push(name)
    return true
  }
  const giveOne = async (name: string): Promise<void> => {
    claims.splice(claims.indexOf(name), 1)
    await release(folder, [name])
  }
  // Another caller with the same token may have been first: then they are that one's.
  const giveAll = async () => (await isThere(folder.order(order.token))) || release(folder, claims)
  try {
    const assigned = await takeAll({ folder, slices, take, giveBack: giveOne, hosts: hosts.value, order })
    if (!assigned.ok) await giveAll()
    return assigned.ok ? succeed({ ...assigned.value, claims }) : assigned
  } catch (error) {
    await giveAll()
    throw error
  }
}

type All = Omit<Taking, 'host'> & { hosts: Node[]; order: Order }

async function takeAll({ hosts, order, ...taking }: All): Promise<Outcome<Omit<Assignment, 'claims'>>> {
  const ranks: Assignment['ranks'] = []
  for (const [index, host] of hosts.entries()) {
    const asked = order.ranks[index]
    if (!asked) continue
    const accelerators = await takeAccelerators({ ...taking, host }, { ...asked, token: order.token })
    if (!accelerators.ok) return accelerators
    const address = await takeAddress(taking.take, order.token, asked.rank)
    ranks.push({ rank: asked.rank, address, accelerators: accelerators.value })
  }
  return succeed({ masterPort: await takeMasterPort(taking.take, order.token), ranks })
}

/** The node of each rank: the one it names, else the first that has room beside the order's other ranks. */
function fit(nodes: Node[], order: Order): Outcome<Node[]> {
  const free = new Map(nodes.map((node) => [node.name, { ...node.shape }]))
  const hosts: Node[] = []
  for (const { rank, node: named, shape } of order.ranks) {
    if (named !== undefined && !free.has(named))
      return fail('invalid', 'elsewhere', `site ${order.site} has no node ${named}`)
    const candidates = named === undefined ? nodes : nodes.filter((node) => node.name === named)
    const host = candidates.find((node) => holds(free.get(node.name), shape))
    const left = host && free.get(host.name)
    if (!left)
      return fail('no-capacity', 'elsewhere', `rank ${rank} does not fit on ${named ?? `any node of ${order.site}`}`)
    for (const what of amounts) left[what] -= shape[what]
    hosts.push(host)
  }
  return succeed(hosts)
}

const amounts = ['accelerators', 'cpuMilli', 'memoryMiB', 'diskMiB'] as const

const holds = (left: Shape | undefined, asked: Shape): boolean =>
  left !== undefined && amounts.every((what) => left[what] >= asked[what])

type Take = Taking['take']

/**
 * All of 127.0.0.0/8 is this machine on Linux, so each rank gets an address of its own there and the ranks look like
 * machines. Elsewhere there is only one.
 */
async function takeAddress(take: Take, token: string, rank: number): Promise<string> {
  if (process.platform !== 'linux') return '127.0.0.1'
  for (let tries = 0; ; tries++) {
    const [a = 0, b = 0, c = 0] = hash(`${token}/${rank}/${tries}`)
    // Not 127.0.*.* nor 127.255.*.*: people and programs use those.
    const address = `127.${1 + (a % 254)}.${b}.${1 + (c % 254)}`
    if (await take(address)) return address
  }
}

/** From 29500 on, which everybody writes, to below what systems give to programs that name none (32768 on Linux). */
const ports = 3_000

/** Gangs of one machine must not meet at one port, as programs like to listen on every address. */
async function takeMasterPort(take: Take, token: string): Promise<number> {
  const [a = 0, b = 0] = hash(token)
  for (let tries = 0; ; tries++) {
    const port = 29_500 + ((a * 256 + b + tries) % ports)
    if (tries >= ports || (await take(`port-${port}`))) return port
  }
}

const hash = (text: string): Uint8Array => createHash('sha256').update(text).digest()
