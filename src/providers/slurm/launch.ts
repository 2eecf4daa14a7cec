import { mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import { fail, type Outcome, succeed } from '#model/fault.ts'
import { gangFiles, type GangOrder } from '#model/gang-folder.ts'
import type { CredentialedOrder } from '#model/order.ts'
import type { Shape } from '#model/resources.ts'
import type { Handle } from '#providers/provider.ts'
import { isThere, isToken, wasRetired } from '#providers/kept-folder.ts'

import { type Carrier, carry, lookUp, readNote, withdraw } from './carry.ts'
import type { NodeGroup } from './controller.ts'
import type { SiteFolder } from './site-folder.ts'

/**
 * Writes an order down where its nodes find it, and then has Slurm carry it. The folder appears whole, by a rename that
 * one caller wins; the job follows, by whoever finds none.
 */
export async function launchOrder(
  carrier: Carrier,
  order: CredentialedOrder,
  signal: AbortSignal,
): Promise<Outcome<Handle>> {
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
  if (carried.ok) return succeed({ site: order.site, token })
  // Slurm refused it for good: nothing carries it, and nothing will, because the claim is ours.
  if (carried.fault.retry !== 'later' && !(await readNote(folder, token)) && (await withdraw(folder, token)))
    await rm(folder.order(token), { recursive: true, force: true })
  return carried
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

/** Slurm takes an order that is too large for it and lets it wait for ever: so we look first. */
async function fitting({ controller }: Carrier, order: CredentialedOrder, signal: AbortSignal): Promise<Outcome<null>> {
  const partition = await controller.partition(signal)
  if (!partition.ok) return partition
  const fit = partition.value.groups
    .filter((group) => group.usable && order.ranks.every(({ shape }) => holds(group, shape)))
    .reduce((sum, { count }) => sum + count, 0)
  if (fit >= order.ranks.length) return succeed(null)
  const detail = `the partition has ${fit} nodes that are up and large enough; the order needs ${order.ranks.length}`
  return fail('no-capacity', 'elsewhere', detail)
}

const holds = ({ cpus, memoryMiB, gpus }: NodeGroup, shape: Shape): boolean =>
  cpus * 1000 >= shape.cpuMilli &&
  memoryMiB >= shape.memoryMiB &&
  (gpus?.count ?? 0) >= shape.accelerators &&
  (shape.accelerators === 0 || (gpus?.type ?? '').toUpperCase() === (shape.accelerator ?? '').toUpperCase())

const gangOrder = ({
  token,
  workload,
  attempt,
  credential,
  controlPlanes,
  graceMs,
  ranks,
}: CredentialedOrder): GangOrder => ({
  token,
  workload,
  attempt,
  credential,
  controlPlanes,
  graceMs,
  ranks: ranks.map(({ rank, shape }) => ({ rank, shape })),
})

async function makeFolder(folder: SiteFolder, order: CredentialedOrder): Promise<void> {
  const partial = folder.order(`.${order.token}.${process.pid}.${Math.random().toString(36).slice(2)}`)
  try {
    await mkdir(partial, { mode: 0o700 })
    await writeFile(join(partial, gangFiles.order), JSON.stringify(gangOrder(order)), { mode: 0o600 })
    await rename(partial, folder.order(order.token))
  } catch (error) {
    await rm(partial, { recursive: true, force: true }).catch(() => undefined)
    if (!(await isThere(folder.order(order.token)))) throw error // else another caller was first
  }
}
