import type { WorkloadView } from '#api/views.ts'
import type { Call } from '#cli/call.ts'
import { write } from '#cli/io.ts'
import { forPeople } from '#cli/output/format.ts'
import { showList } from '#cli/output/show.ts'

/** What was started: only the ids for people and `-o name`, all that is known otherwise. */
export async function showStarted(call: Call, workloads: WorkloadView[]): Promise<void> {
  if (forPeople(call.format)) return write(call.io, workloads.map(({ id }) => `${id}\n`).join(''))
  return showList(call, {
    data: { workloads },
    items: workloads,
    columns: [],
    name: ({ id }) => id,
    empty: 'Nothing was started.',
  })
}
