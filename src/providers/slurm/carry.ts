import { randomUUID } from 'node:crypto'
import { link, rename, rm, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'

import { fail, type Outcome, succeed } from '#model/fault.ts'
import { type GangClaim, gangFiles, type GangJob, type GangOrder } from '#model/gang-folder.ts'
import type { Shape } from '#model/resources.ts'
import { readJson, wasRetired } from '#providers/kept-folder.ts'

import { agentEntry, installAgent } from './agent-program.ts'
import type { BatchJob, Controller, Partition, SlurmJob } from './controller.ts'
import { type AskLimits, patience, withinLimits } from './limits.ts'
import type { SiteFolder } from './site-folder.ts'
import { scriptAfar } from './start-afar.ts'
import { minutesFor } from './time-limit.ts'
import { isUnsent, takeUnsent } from './unsent.ts'
import type { Watch } from './watch.ts'

/** What carries an order at a site. */
export type Carrier = { folder: SiteFolder; controller: Controller; limits: AskLimits; watch: Watch }

/** The tag: the name of the job, and its comment. */
export const jobName = (token: string): string => `isobar-${token}`

export const isOurs = (job: SlurmJob, token: string): boolean =>
  job.name === jobName(token) && job.comment === jobName(token)

/** Jobs as Slurm shows them, by the tokens of their orders; null where it answers and has none. */
export async function lookUp(
  { folder, controller }: Carrier,
  tokens: readonly string[],
  signal: AbortSignal,
): Promise<Outcome<Map<string, SlurmJob | null>>> {
  const notes = new Map<string, GangJob | undefined>()
  for (const token of tokens) notes.set(token, await readNote(folder, token))
  const ids = [...notes.values()].flatMap((note) => (note ? [note.id] : []))
  const found = await controller.jobs(ids, signal)
  if (!found.ok) return found
  const byId = new Map(found.value.map((job) => [job.id, job]))
  const jobs = new Map<string, SlurmJob | null>()
  for (const [token, note] of notes) {
    const job = note && byId.get(note.id)
    // A controller that was killed soon after it took a job forgets it, and its number goes to somebody else's.
    if (job && isOurs(job, token)) jobs.set(token, job)
    else jobs.set(token, note ? await endedBefore(controller, { token, id: note.id }, signal) : null)
  }
  return succeed(jobs)
}

/** A job that ended so long ago that the controller forgot it, where there is accounting and it is well. */
async function endedBefore(
  controller: Controller,
  { token, id }: { token: string; id: number },
  signal: AbortSignal,
): Promise<SlurmJob | null> {
  const found = await controller.remembered(id, patience(signal))
  const job = found.ok ? found.value : null
  return job && isOurs(job, token) && job.phase === 'ended' ? job : null
}

const notePath = (folder: SiteFolder, token: string): string => join(folder.order(token), gangFiles.job)

export const readNote = (folder: SiteFolder, token: string): Promise<GangJob | undefined> =>
  readJson<GangJob>(notePath(folder, token))

/** For how long an order has been carried by the same job, in ms, as far as we have watched; nothing where no job is noted. */
export const carriedFor = ({ folder, watch }: Carrier, token: string): Promise<number | undefined> =>
  watch(notePath(folder, token))

/** Notes which job carries an order now. */
async function writeNote(carrier: Carrier, token: string, job: GangJob): Promise<void> {
  const path = notePath(carrier.folder, token)
  const partial = `${path}.${randomUUID()}`
  await writeFile(partial, JSON.stringify(job), { mode: 0o600 })
  await rename(partial, path)
  await carriedFor(carrier, token)
}

/**
 * Has Slurm carry an order that no job carries, as far as its number tells. Who is the first to submit it looks for
 * nothing. After that, one whose submission was not answered is looked for by its name. Should that come too late and two
 * jobs carry the order, then only the one that has the claim runs it, and the other waits for it by its name and then ends
 * without having done anything.
 */
export async function carry(carrier: Carrier, order: GangOrder, signal: AbortSignal): Promise<Outcome<null>> {
  const { folder, controller } = carrier
  const { token } = order
  const isFirst = await isUnsent(folder, token)
  if (!isFirst) {
    const before = await findNamed(controller, token, signal)
    if (!before.ok) return before
    if (before.value) {
      await writeNote(carrier, token, { id: before.value.id })
      return succeed(null)
    }
  }
  const job = await jobFor(carrier, order, signal)
  if (!job.ok) return job
  if (isFirst) {
    const taken = await takeUnsent(folder, token)
    if (await wasRetired(folder, token)) return fail('conflict', 'later', `order ${token} was retired meanwhile`)
    if (!taken) return carry(carrier, order, signal) // another control plane was faster
  }
  const submitted = await controller.submit(job.value, signal)
  if (!submitted.ok) return submitted
  await writeNote(carrier, token, { id: submitted.value })
  return succeed(null)
}

/** The youngest job that carries an order by its name: a costly question. */
export async function findNamed(
  controller: Controller,
  token: string,
  signal: AbortSignal,
): Promise<Outcome<SlurmJob | null>> {
  const named = await controller.named(jobName(token), signal)
  if (!named.ok) return named
  const [youngest] = named.value.filter((job) => isOurs(job, token)).sort((a, b) => b.id - a.id)
  return succeed(youngest ?? null)
}

/** The job that is to carry an order, within what its partition and our account allow. */
async function jobFor(carrier: Carrier, order: GangOrder, signal: AbortSignal): Promise<Outcome<BatchJob>> {
  const { folder, controller } = carrier
  const partition = await controller.partition(signal, chosenIn(order))
  if (!partition.ok) return partition
  const standing = await carrier.limits(signal)
  const mostMinutes = least(partition.value.mostMinutes, standing?.mostMinutes ?? null)
  const start = folder.afar ? startAfar(order) : await startBeside(folder, order)
  const job = batchJob(order, { ...partition.value, mostMinutes }, start)
  const within = withinLimits(job, standing)
  return within.ok ? succeed(job) : within
}

const least = (a: number | null, b: number | null): number | null => (a === null ? b : b === null ? a : Math.min(a, b))

/** How a job begins, and where. */
type Start = Pick<BatchJob, 'script' | 'environment' | 'folder' | 'output'>

const ownEnvironment = (): Record<string, string> => ({ PATH: '/usr/local/bin:/usr/bin:/bin', HOME: homedir() })

/** On nodes that see the folder of the gang. Nothing is put into the script: what it needs to know is in its environment. */
async function startBeside(folder: SiteFolder, { token }: GangOrder): Promise<Start> {
  const path = folder.order(token)
  return {
    script: '#!/bin/sh\nexec "$ISOBAR_PROGRAM/node" "$ISOBAR_PROGRAM/$ISOBAR_ENTRY" lead "$ISOBAR_GANG"\n',
    environment: {
      ...ownEnvironment(),
      ISOBAR_PROGRAM: await installAgent(folder.programs),
      ISOBAR_ENTRY: agentEntry,
      ISOBAR_GANG: path,
    },
    folder: path,
    output: join(path, gangFiles.output),
  }
}

/** On nodes that see nothing of ours. What it prints it tells us itself. */
const startAfar = (order: GangOrder): Start => ({
  script: scriptAfar(order),
  environment: ownEnvironment(),
  folder: '/',
  output: '/dev/null',
})

function batchJob(order: GangOrder, partition: Partition, start: Start): BatchJob {
  const places = placesOf(order)
  // A job has as much of each node as of the others: as the fullest needs.
  const most = (of: (shape: Shape) => number) =>
    Math.max(...places.map((ranks) => ranks.reduce((sum, { shape }) => sum + of(shape), 0)))
  const gpus = most(({ accelerators }) => accelerators)
  return {
    name: jobName(order.token),
    comment: jobName(order.token),
    nodes: places.length,
    nodelist: chosenIn(order) ?? null,
    cpusPerNode: Math.max(1, Math.ceil(most(({ cpuMilli }) => cpuMilli) / 1000)),
    memoryMiB: Math.max(
      1,
      most(({ memoryMiB }) => memoryMiB),
    ),
    gpus: gpus === 0 ? null : { type: gpuType(partition, order), count: gpus },
    minutes: minutesFor(order, partition.mostMinutes),
    graceSeconds: Math.min(65_535, Math.max(1, Math.ceil(order.graceMs / 1000))),
    ...start,
  }
}

/** Ranks by their nodes; where Slurm chooses those, each has one of its own. */
export const placesOf = ({ ranks }: Pick<GangOrder, 'ranks'>): GangOrder['ranks'][] => [
  ...Map.groupBy(ranks, ({ node, rank }) => node ?? rank).values(),
]

/** The nodes that were chosen; nothing where Slurm chooses them. */
export function chosenIn({ ranks }: Pick<GangOrder, 'ranks'>): string[] | undefined {
  const nodes = ranks.flatMap(({ node }) => node ?? [])
  return nodes.length === ranks.length ? [...new Set(nodes)] : undefined
}

/** What Slurm calls the accelerators of the nodes that are asked for. */
function gpuType({ nodes }: Partition, { ranks }: GangOrder): string | null {
  const [first] = ranks
  const types = nodes.flatMap(({ name, gpus }) => (gpus?.type ? [{ name, type: gpus.type }] : []))
  const chosen = types.find(({ name }) => name === first?.node)
  const model = first?.shape.accelerator?.toUpperCase()
  return (chosen ?? types.find(({ type }) => type.toUpperCase() === model))?.type ?? null
}

/** Takes the claim of an order that no job has: none will ever run it. False when a job was first. */
export async function withdraw(folder: SiteFolder, token: string): Promise<boolean> {
  const path = join(folder.order(token), gangFiles.claim)
  const mine = `${path}.${randomUUID()}`
  try {
    await writeFile(mine, JSON.stringify({ job: null } satisfies GangClaim), { mode: 0o600 })
    await link(mine, path)
    return true
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException // of the file system
    if (code === 'ENOENT') return true // whoever retires it as well was done with it
    if (code !== 'EEXIST') throw error
    return (await readJson<GangClaim>(path))?.job === null
  } finally {
    await rm(mine, { force: true })
  }
}
