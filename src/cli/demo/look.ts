import { readText, workloadPath, type Api, type Query } from '#cli/client.ts'
import type { AttemptView, WhyView, WorkloadDetail, WorkloadPage } from '#api/views.ts'

/** What the demo wants to know of an attempt. */
export type Seen = { workload: string; at: string; lease: string; live: boolean; attempt: AttemptView }

export const detailOf = (api: Api, workload: string): Promise<WorkloadDetail> => api.get(workloadPath(workload))

/** What a workload wrote: its newest attempt, unless the query names another. */
export const logOf = async (api: Api, workload: string, query: Query = {}): Promise<string> =>
  readText(await api.open('GET', workloadPath(workload, '/logs'), { query }))

/** Why an attempt went where it went. */
export async function whyOf(api: Api, workload: string, attempt: number): Promise<string> {
  const { text } = await api.get<WhyView>(workloadPath(workload, '/why'))
  const line = text.split('\n').find((one) => one.startsWith(`Attempt ${attempt}`))
  return line ?? (await detailOf(api, workload)).summary
}

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
