import { randomUUID } from 'node:crypto'
import { rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import { removeTree } from '#kit/remove-tree.ts'
import type { StopOrder } from '#model/agent-folder.ts'
import { type Outcome, succeed } from '#model/fault.ts'
import { gangFiles, leaderDeadMs } from '#model/gang-folder.ts'
import { forgetOld, isThere, readJson, rememberRetired } from '#providers/kept-folder.ts'

import { carriedFor, type Carrier, findNamed, lookUp, readNote, withdraw } from './carry.ts'
import type { SlurmJob } from './controller.ts'
import type { SiteFolder } from './site-folder.ts'
import { takeUnsent } from './unsent.ts'

/**
 * A controller writes its state every 5 s: until then it may forget a job and give its number to somebody else's. So
 * long we cancel nothing by number, not even what bore our name a moment ago.
 */
const safeNumberMs = 12_000
/** What was told to stop and has not ended this long after its grace is ended by Slurm. */
const mostEndMs = 5_000

/**
 * Ends an order. A job that has not begun never will, because we take its claim; one that has is told to stop by its
 * folder, and ended by Slurm if that does not help. What is over is removed.
 */
export async function retireOrder(
  carrier: Carrier,
  { token, graceMs }: { token: string; graceMs: number },
  signal: AbortSignal,
): Promise<Outcome<'retiring' | 'gone'>> {
  const { folder } = carrier
  await rememberRetired(folder, token)
  const path = folder.order(token)
  if (!(await isThere(path))) return succeed('gone')
  const stop = (await withdraw(folder, token)) ? null : await tell(path, graceMs)
  const job = await jobOf(carrier, token, signal)
  if (!job.ok) return job
  if (job.value !== null && job.value.phase !== 'ended') {
    const late = stop === null || (await toldMs(carrier, path)) > stop.graceMs + mostEndMs
    return late ? cancel(carrier, { token, job: job.value }, signal) : succeed('retiring')
  }
  // Slurm forgot it, but who leads it does not know that yet: its node is told to end it when it calls.
  if (job.value === null && stop !== null && !(await isDead(carrier, path))) return succeed('retiring')
  await remove(folder, path)
  await forgetOld(folder)
  return succeed('gone')
}

/**
 * The job that carries an order; by its name where its number was never told to us. One that nobody has submitted yet has
 * none, and nobody will be the first any more.
 */
async function jobOf(carrier: Carrier, token: string, signal: AbortSignal): Promise<Outcome<SlurmJob | null>> {
  const looked = await lookUp(carrier, [token], signal)
  if (!looked.ok) return looked
  const job = looked.value.get(token) ?? null
  if (job !== null || (await readNote(carrier.folder, token))) return succeed(job)
  return (await takeUnsent(carrier.folder, token)) ? succeed(null) : findNamed(carrier.controller, token, signal)
}

async function cancel(
  carrier: Carrier,
  { token, job }: { token: string; job: SlurmJob },
  signal: AbortSignal,
): Promise<Outcome<'retiring'>> {
  if (((await carriedFor(carrier, token)) ?? Infinity) < safeNumberMs) return succeed('retiring')
  const cancelled = await carrier.controller.cancel(job.id, signal)
  return cancelled.ok ? succeed('retiring') : cancelled
}

/** For how long its leader has had the stop order, as far as we have watched. */
const toldMs = async ({ watch }: Carrier, path: string): Promise<number> =>
  (await watch(join(path, gangFiles.stop))) ?? 0

async function isDead({ watch }: Carrier, path: string): Promise<boolean> {
  if (await isThere(join(path, gangFiles.over))) return true
  const silentMs = await watch(join(path, gangFiles.claim))
  return silentMs === undefined || silentMs >= leaderDeadMs
}

/** Writes the stop order, unless one that ends sooner is there. Gives the one that holds; null where another caller was done. */
async function tell(path: string, graceMs: number): Promise<StopOrder | null> {
  const file = join(path, gangFiles.stop)
  const before = await readJson<StopOrder>(file)
  const order: StopOrder = { graceMs, askedAt: Date.now() }
  if (before && order.askedAt + graceMs >= before.askedAt + before.graceMs) return before
  const partial = `${file}.${randomUUID()}`
  try {
    await writeFile(partial, JSON.stringify(order), { mode: 0o600 })
    await rename(partial, file)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw error
  }
  return order
}

/** Renamed first, so that nobody ever sees half an order. */
async function remove(folder: SiteFolder, path: string): Promise<void> {
  const going = folder.order(`.${randomUUID()}.${process.pid}.going`)
  try {
    await rename(path, going)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return // another caller is at it
    throw error
  }
  await removeTree(going)
}
