import { createHash } from 'node:crypto'

import type { Clock } from '#kit/clock.ts'
import { didYouMean } from '#kit/did-you-mean.ts'
import type { Spec } from '#model/spec/spec.ts'
import { wantedReplicas } from '#model/workload.ts'
import { contentName } from '#providers/blobs/blobs.ts'
import type { ListedWorkload, NewWorkload, Store } from '#store/store.ts'
import type { ApiHouse } from './house.ts'
import { notFound, Problem } from './problem.ts'
import { freshRow } from './show-workload.ts'

/** A document of a spec file that was read, with the bundle of its workdir. */
export type Document = { spec: Spec; bundle: string | null }

/** Submits workloads and gives them back as rows. Either all documents of a call are taken, or none. */
export type Submit = (workloads: NewWorkload[]) => Promise<ListedWorkload[]>

type Waiting = {
  workloads: NewWorkload[]
  resolve: (rows: ListedWorkload[]) => void
  reject: (reason: unknown) => void
}

/** Most workloads of one transaction. */
const mostOfBatch = 2000

/**
 * Gathers the submits that arrive while a transaction is under way (or in one turn of the event loop) and commits them
 * as one, so that a flood of small requests costs the database few commits. A batch that fails is tried again one by
 * one: nobody's mistake fails another's request.
 */
export function createSubmit(store: Store, clock: Clock): Submit {
  const queue: Waiting[] = []
  let busy = false

  async function commit(batch: Waiting[]): Promise<void> {
    const at = clock.now()
    await store.workloads.submit(
      batch.flatMap(({ workloads }) => workloads),
      at,
    )
    for (const { workloads, resolve } of batch)
      resolve(workloads.map((one) => freshRow(one, { now: at, replicas: wantedReplicas(one.spec) })))
  }

  async function drain(): Promise<void> {
    for (let batch = takeBatch(queue); batch.length > 0; batch = takeBatch(queue)) {
      try {
        await commit(batch)
      } catch (error) {
        if (batch.length === 1 || isUnavailable(error)) for (const { reject } of batch) reject(error)
        else for (const one of batch) await commit([one]).catch(one.reject)
      }
    }
    busy = false
  }

  return (workloads) =>
    new Promise((resolve, reject) => {
      queue.push({ workloads, resolve, reject })
      if (busy) return
      busy = true
      void clock.giveWay().then(drain)
    })
}

function takeBatch(queue: Waiting[]): Waiting[] {
  let size = 0
  const end = queue.findIndex(({ workloads }) => (size += workloads.length) > mostOfBatch)
  return queue.splice(0, end === -1 ? queue.length : Math.max(1, end))
}

const isUnavailable = (error: unknown): boolean => error instanceof Error && error.name === 'StoreUnavailable'

/** Rows for the store out of documents. With a seed the ids are derived from it, so that a repeated request makes none twice. */
export const newWorkloads = (house: ApiHouse, documents: Document[], seed: string | null): NewWorkload[] =>
  documents.map(({ spec, bundle }, index) => ({
    id: seed === null ? house.ids('w') : seededId(seed, index),
    name: spec.name,
    project: spec.project,
    kind: spec.kind,
    spec,
    bundle,
    priority: spec.priority,
    submittedBy: house.self.user,
  }))

const alphabet = '0123456789abcdefghjkmnpqrstvwxyz'

function seededId(seed: string, index: number): string {
  const bytes = createHash('sha256').update(`${seed} ${index}`).digest().subarray(0, 16)
  return `w-${Array.from(bytes, (byte) => alphabet.charAt(byte % 32)).join('')}`
}

/** What was made by an earlier run of the same request that was cut off before it answered; null when nothing was. */
export async function madeBefore(house: ApiHouse, workloads: NewWorkload[]): Promise<ListedWorkload[] | null> {
  const rows = await Promise.all(workloads.map(({ id }) => house.store.workloads.get(id)))
  const found = rows.filter((row) => row !== null)
  return found.length === workloads.length && found.length > 0 ? found : null
}

/** Refuses documents that name what does not exist: a project, a secret, a bundle. */
export async function checkNames(house: ApiHouse, documents: Document[]): Promise<void> {
  for (const document of documents) {
    await checkProject(house, document.spec.project)
    await checkSecrets(house, document.spec)
    await checkBundle(house, document)
  }
}

/** Projects that were there at some time: none is ever removed, so that a flood of submits need not ask for each. */
const knownProjects = new WeakMap<Store, Set<string>>()

export async function checkProject(house: ApiHouse, name: string): Promise<void> {
  if (knownProjects.get(house.store)?.has(name)) return
  const projects = (await house.store.projects.list()).map((project) => project.name)
  knownProjects.set(house.store, new Set(projects))
  if (projects.includes(name)) return
  const near = didYouMean(name, projects)
  throw notFound(
    `There is no project "${name}"${near ? `; did you mean "${near}"?` : '.'}`,
    `echo '{}' | isobar api put v1/projects/${name}`,
  )
}

async function checkSecrets(house: ApiHouse, spec: Spec): Promise<void> {
  if (spec.secrets.length === 0) return
  const found = await house.store.secrets.get(spec.project, spec.secrets)
  const missing = spec.secrets.find((name) => !found.has(name))
  if (missing === undefined) return
  const flag = spec.project === 'default' ? '' : ` --project ${spec.project}`
  throw notFound(
    `"${spec.name}" names the secret ${missing}, which project "${spec.project}" does not have.`,
    `isobar secret set ${missing}${flag}`,
  )
}

async function checkBundle(house: ApiHouse, { spec, bundle }: Document): Promise<void> {
  if (bundle === null) {
    if (spec.workdir === undefined) return
    throw new Problem('usage', `"${spec.name}" has a workdir, and the request names no bundle for it.`, {
      next: ['isobar run <file>'],
    })
  }
  // Touched, it outlives the time until the workload, or the plan, is written down.
  if ((await house.blobs.touch(contentName(bundle))) === null)
    throw notFound(`The bundle ${bundle} of "${spec.name}" has not been uploaded.`, 'isobar run <file>')
}
