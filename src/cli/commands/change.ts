import type { WorkloadDetail, WorkloadView } from '#api/views.ts'
import type { Call } from '#cli/call.ts'
import { workloadPath, type Api } from '#cli/client.ts'
import { CliFault, exitCodes } from '#cli/fault.ts'
import { faultFor } from '#cli/fault-data.ts'
import { waitOnce } from '#cli/follow.ts'
import { interruptible, note, progress } from '#cli/io.ts'
import { bill } from '#cli/outcome.ts'
import { forPeople } from '#cli/output/format.ts'
import { showList } from '#cli/output/show.ts'
import { hasEnded, moneyOf, spentSoFar } from '#cli/output/words.ts'

const mostPriority = 1000

/** `isobar stop` */
export async function stop(call: Call): Promise<number> {
  const { code, changed, refused } = await change(call, 'stop')
  const api = await call.api()
  if (call.flag('wait')) await untilEnded(call, api, changed)
  const now: WorkloadDetail[] = []
  for (const { id } of changed) now.push(await api.get<WorkloadDetail>(workloadPath(id)))
  await show(call, now)
  if (forPeople(call.format))
    for (const one of now)
      note(
        call.io,
        hasEnded(one) ? bill(one, Date.now()) : `${bill(one, Date.now())} so far; see its end: isobar wait ${one.id}`,
      )
  for (const fault of refused) note(call.io, fault)
  return code
}

async function untilEnded({ io }: Call, api: Api, workloads: WorkloadView[]): Promise<void> {
  const done = progress(io, () => `waiting for the end of ${workloads.map(({ name }) => name).join(', ')} …`)
  try {
    await interruptible(async (signal) => {
      for (const { id } of workloads)
        while (!(await waitOnce(api, { workload: id, goal: { for: 'ended', timeoutSeconds: 30 }, signal })));
    })
  } finally {
    done()
  }
}

/** `isobar hold` */
export const hold = (call: Call): Promise<number> => changeAndShow(call, 'hold')

/** `isobar release` */
export const release = (call: Call): Promise<number> => changeAndShow(call, 'release')

async function changeAndShow(call: Call, verb: string): Promise<number> {
  const { code, changed, refused } = await change(call, verb)
  await show(call, changed)
  for (const fault of refused) note(call.io, fault)
  return code
}

/** What came of it; `refused` is what is told of each that was refused, last, since it ends with the fix. */
type Changed = { code: number; changed: WorkloadView[]; refused: string[] }

/** Asks for the same of several workloads; what is refused of one does not keep the others. */
async function change(call: Call, verb: string): Promise<Changed> {
  const api = await call.api()
  const query = projectQuery(call)
  const changed: WorkloadView[] = []
  const refused: string[] = []
  let code: number = exitCodes.done
  for (const name of new Set(call.args)) {
    try {
      changed.push(await api.send<WorkloadView>('POST', workloadPath(name, `/${verb}${query}`)))
    } catch (error) {
      if (!(error instanceof CliFault) || error.problem === undefined) throw error
      refused.push(faultFor(error, call.format.kind).trimEnd())
      code = error.code
    }
  }
  return { code, changed, refused }
}

/** `isobar priority` */
export async function priority(call: Call): Promise<void> {
  const [name = '', text = ''] = call.args
  if (!/^-?\d{1,4}$/.test(text) || Math.abs(Number(text)) > mostPriority)
    throw new CliFault(`"${text}" is not a priority`, {
      code: exitCodes.usage,
      why: `It is a whole number from -${mostPriority} to ${mostPriority}; higher goes first.`,
      next: [`isobar priority ${name} 10`],
    })
  const api: Api = await call.api()
  const path = workloadPath(name, `/priority${projectQuery(call)}`)
  await show(call, [await api.send<WorkloadView>('PUT', path, { priority: Number(text) })])
}

function projectQuery(call: Call): string {
  const project = call.text('project')
  return project === undefined ? '' : `?project=${encodeURIComponent(project)}`
}

const show = (call: Call, items: WorkloadView[]): Promise<void> =>
  showList(call, {
    data: { items },
    items,
    columns: [
      { title: 'NAME', cell: ({ name }) => name },
      { title: 'ID', cell: ({ id }) => id, spare: 3 },
      { title: 'STATE', cell: ({ state }) => state },
      { title: 'WANTS', cell: ({ wants }) => wants, spare: 2 },
      { title: 'PRIORITY', cell: (one) => String(one.priority), right: true, spare: 1 },
      { title: 'SPENT', cell: moneyOf(items, spentSoFar), right: true },
    ],
    name: ({ name }) => name,
    empty: 'Nothing was changed.',
  })
