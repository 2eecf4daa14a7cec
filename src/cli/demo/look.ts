import { workloadPath, type Api } from '#cli/client.ts'
import type { AttemptView, WorkloadDetail, WorkloadPage } from '#api/views.ts'

/** What the demo wants to know of an attempt. */
export type Seen = { workload: string; at: string; lease: string; live: boolean; attempt: AttemptView }

export const detailOf = (api: Api, workload: string): Promise<WorkloadDetail> => api.get(workloadPath(workload))

/** All attempts of all workloads, with the workload's name. */
export async function attemptsOf(api: Api): Promise<Seen[]> {
  const page = await api.get<WorkloadPage>('/v1/workloads', { state: 'all' })
  const details = await Promise.all(page.items.map(({ id }) => detailOf(api, id)))
  return details.flatMap(({ name, attemptList }) =>
    attemptList.map((attempt) => ({
      workload: name,
      at: attempt.site ?? '',
      lease: attempt.lease?.id ?? '',
      live: ['wanted', 'starting', 'held', 'stopping'].includes(attempt.lease?.state ?? ''),
      attempt,
    })),
  )
}
