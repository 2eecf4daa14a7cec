import { mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import { fail, type Outcome, succeed } from '#model/fault.ts'
import { gangFiles, type GangOrder } from '#model/gang-folder.ts'
import type { CredentialedOrder } from '#model/order.ts'
import type { Shape } from '#model/resources.ts'
import type { Taken } from '#providers/provider.ts'
import { isThere, isToken, wasRetired } from '#providers/kept-folder.ts'

import { type Carrier, carry, chosenIn, lookUp, placesOf, readNote, withdraw } from './carry.ts'
import type { Controller, SlurmNode } from './controller.ts'
import type { SiteFolder } from './site-folder.ts'

/**
 * Writes an order down where its nodes find it, and then has Slurm carry it. The folder appears whole, by a rename that
 * one caller wins; the job follows, by whoever finds none.
 */
export async function launchOrder(
  site: Carrier,
  order: CredentialedOrder,
  signal: AbortSignal,
): Promise<Outcome<Taken>> {
  const carrier = askingOnce(site)
  const { folder } = carrier
  const { token } = order
  if (!isToken(token)) return fail('invalid', 'never', 'the token is not a safe name for a folder')
  if (order.image !== undefined) return fail('invalid', 'elsewhere', 'this cluster runs no container images')
  if (order.ranks.some(({ part }) => part)) return fail('invalid', 'elsewhere', 'this cluster shares no accelerators')
  const over = fail('conflict', 'never', `order ${token} was retired before it was launched`)
  if (await wasRetired(folder, token)) return over
  if (!(await isThere(folder.order(token)))) {
    const fits = await fitting(carrier, order, signal)
    if (!fits.ok) return fits
    await makeFolder(folder, order)
    // Whoever retired it meanwhile saw no folder to remove.
    if (await wasRetired(folder, token)) {
      await rm(folder.order(token), { recursive: true, force: true })
      return over
    }
  }
  const carried = await ensureCarried(carrier, order, signal)
  if (carried.ok) return succeed({ site: order.site, token, inLine: true })
  // Slurm refused it for good: nothing carries it, and nothing will, because the claim is ours.
  if (carried.fault.retry !== 'later' && !(await readNote(folder, token)) && (await withdraw(folder, token)))
    await rm(folder.order(token), { recursive: true, force: true })
  return carried
}

/** For one launch: what its nodes are is asked once. */
function askingOnce(carrier: Carrier): Carrier {
  let known: ReturnType<Controller['partition']> | undefined
  const partition: Controller['partition'] = (...asked) => (known ??= carrier.controller.partition(...asked))
  return { ...carrier, controller: { ...carrier.controller, partition } }
}

async function ensureCarried(carrier: Carrier, order: CredentialedOrder, signal: AbortSignal): Promise<Outcome<null>> {
  const { folder } = carrier
  const path = folder.order(order.token)
  if (await isThere(join(path, gangFiles.claim))) return succeed(null)
  const known = await lookUp(carrier, [order.token], signal)
  if (!known.ok) return known
  if (known.value.get(order.token)) return succeed(null)
  return carry(carrier, gangOrder(order), signal)
}

/** Slurm takes an order that is too large for it, or for a node that is down, and lets it wait for ever: so we look first. */
async function fitting({ controller }: Carrier, order: CredentialedOrder, signal: AbortSignal): Promise<Outcome<null>> {
  const partition = await controller.partition(signal, chosenIn(order))
  if (!partition.ok) return partition
  const usable = new Map(partition.value.nodes.filter((node) => node.usable).map((node) => [node.name, node]))
  const places = placesOf(order)
  const fits = places.every((ranks) => {
    const name = ranks[0]?.node
    const node = name === undefined ? undefined : usable.get(name)
    return name === undefined || (node !== undefined && holds(node, together(ranks)))
  })
  if (!fits) return fail('no-capacity', 'elsewhere', 'a node that was chosen is down, reserved or too small by now')
  const large = [...usable.values()].filter((node) => order.ranks.every(({ shape }) => holds(node, shape))).length
  if (order.ranks.some(({ node }) => node !== undefined) || large >= places.length) return succeed(null)
  const detail = `the partition has ${large} nodes that are up and large enough; the order needs ${places.length}`
  return fail('no-capacity', 'elsewhere', detail)
}

type Needs = Pick<Shape, 'cpuMilli' | 'memoryMiB' | 'accelerators' | 'accelerator'>

const together = (ranks: readonly { shape: Shape }[]): Needs => ({
  cpuMilli: ranks.reduce((sum, { shape }) => sum + shape.cpuMilli, 0),
  memoryMiB: ranks.reduce((sum, { shape }) => sum + shape.memoryMiB, 0),
  accelerators: ranks.reduce((sum, { shape }) => sum + shape.accelerators, 0),
})

/** Without a model the nodes were chosen by it already. */
const holds = ({ cpus, memoryMiB, gpus }: SlurmNode, needs: Needs): boolean =>
  cpus * 1000 >= needs.cpuMilli &&
  memoryMiB >= needs.memoryMiB &&
  (gpus?.count ?? 0) >= needs.accelerators &&
  (needs.accelerator === undefined || (gpus?.type ?? '').toUpperCase() === needs.accelerator.toUpperCase())

const gangOrder = ({
  token,
  workload,
  attempt,
  credential,
  controlPlanes,
  graceMs,
  maximumMs,
  ranks,
}: CredentialedOrder): GangOrder => ({
  token,
  workload,
  attempt,
  credential,
  controlPlanes,
  graceMs,
  ...(maximumMs === undefined ? {} : { maximumMs }),
  ranks: ranks.map(({ rank, shape, node }) => ({ rank, shape, ...(node === undefined ? {} : { node }) })),
})

async function makeFolder(folder: SiteFolder, order: CredentialedOrder): Promise<void> {
  const partial = folder.order(`.${order.token}.${process.pid}.${Math.random().toString(36).slice(2)}`)
  try {
    await mkdir(partial, { mode: 0o700 })
    await writeFile(join(partial, gangFiles.order), JSON.stringify(gangOrder(order)), { mode: 0o600 })
    await writeFile(join(partial, gangFiles.unsent), '', { mode: 0o600 })
    await rename(partial, folder.order(order.token))
  } catch (error) {
    await rm(partial, { recursive: true, force: true }).catch(() => undefined)
    if (!(await isThere(folder.order(order.token)))) throw error // else another caller was first
  }
}
