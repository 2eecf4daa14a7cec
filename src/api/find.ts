import { z } from 'zod'

import { didYouMean } from '#kit/did-you-mean.ts'
import { Name } from '#model/names.ts'
import type { ListedWorkload } from '#store/store.ts'
import type { ApiHouse } from './house.ts'
import { notFound } from './problem.ts'

/** How requests name a workload: by its id, or by its name within a project. */
export const workloadParams = z.object({
  workload: z.string().min(1).max(100).meta({ description: 'Its id, or its name: the newest of that name.' }),
})
export const projectQuery = { project: Name.optional().meta({ description: 'Where to look for a name.' }) }

export const ended = ['succeeded', 'failed', 'stopped'] as const

export const hasEnded = (row: Pick<ListedWorkload, 'state'>): boolean =>
  (ended as readonly string[]).includes(row.state)

/** The workload that a request names. Throws `not-found` with the project that has it, or the nearest name. */
export async function findWorkload(house: ApiHouse, wanted: string, project = 'default'): Promise<ListedWorkload> {
  const row =
    (wanted.startsWith('w-') ? await house.store.workloads.get(wanted) : null) ??
    (await house.store.workloads.find(project, wanted))
  if (row) return row
  const [elsewhere] = await house.store.workloads.list({ name: wanted }, { size: 1 })
  if (elsewhere)
    throw notFound(
      `There is no workload "${wanted}" in project "${project}"; there is one in project "${elsewhere.project}".`,
      `isobar describe ${wanted} --project ${elsewhere.project}`,
    )
  const others = await house.store.workloads.list({ project }, { size: 200 })
  const near = didYouMean(
    wanted,
    others.map(({ name }) => name),
  )
  throw notFound(
    `There is no workload "${wanted}" in project "${project}"${near ? `; did you mean "${near}"?` : '.'}`,
    'isobar ps --all',
  )
}
