import type { SubmittedView, WorkloadView } from '#api/views.ts'
import type { Api } from '#cli/client.ts'
import type { Io } from '#cli/io.ts'
import { prepare } from '#cli/submission.ts'

/** Submits the text of a spec without a plan. Its paths start from the current folder. */
export async function submit(given: { io: Io; api: Api; text: string; filename: string }): Promise<WorkloadView[]> {
  const { io, api, text, filename } = given
  const request = await prepare({ io, api }, { text, filename, folder: io.cwd })
  return (await api.send<SubmittedView>('POST', '/v1/workloads', request)).workloads
}
