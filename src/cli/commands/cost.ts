import type { CostView, WorkloadView } from '#api/views.ts'
import type { Call } from '#cli/call.ts'
import { listAll, type Api } from '#cli/client.ts'
import { CliFault, exitCodes } from '#cli/fault.ts'
import { note } from '#cli/io.ts'
import { forPeople } from '#cli/output/format.ts'
import { showList } from '#cli/output/show.ts'
import { exactInColumn } from '#cli/output/words.ts'
import { parseDuration } from '#kit/duration.ts'

/** So many of the newest workloads are shown by name. */
const mostNames = 1000

/** `isobar cost` */
export async function cost(call: Call): Promise<void> {
  const api = await call.api()
  const answer = await api.get<CostView>('/v1/cost', {
    by: call.text('by'),
    from: timeOf(call.text('from'), '--from'),
    to: timeOf(call.text('to'), '--to'),
    project: call.text('project'),
  })
  const names =
    forPeople(call.format) && answer.by.includes('workload') ? await namesOf(api) : new Map<string, string>()
  const exact = exactInColumn(answer.rows.map(({ amount }) => amount))
  await showList(call, {
    data: answer,
    items: forPeople(call.format) ? dearestFirst(answer) : answer.rows,
    columns: [
      ...answer.by.map((group, i) => ({
        title: group.toUpperCase(),
        cell: ({ keys }: CostView['rows'][number]) => named(names, keys[i] ?? ''),
        text: true as const,
        wrap: true as const,
      })),
      { title: 'AMOUNT', cell: ({ amount }) => exact(amount), right: true },
      { title: 'HOURS', cell: ({ leaseHours }) => leaseHours.toFixed(3), right: true },
    ],
    name: ({ keys }) => keys.join('/'),
    empty: 'Nothing was spent.',
  })
  if (forPeople(call.format)) note(call.io, `in all ${answer.total.text}`)
}

/** What people look for; but times stay in their order. */
function dearestFirst({ by, rows }: CostView): CostView['rows'] {
  if (by.includes('day') || by.includes('hour')) return rows
  return rows.toSorted((a, b) => Number(BigInt(b.amount.micros) - BigInt(a.amount.micros)))
}

/** Names of workloads by id; the ledger knows only ids. */
async function namesOf(api: Api): Promise<Map<string, string>> {
  const query = { query: { state: 'all' }, limit: mostNames }
  const { items } = await listAll<WorkloadView>(api, '/v1/workloads', query)
  return new Map(items.map(({ id, name }) => [id, name]))
}

function named(names: Map<string, string>, key: string): string {
  const name = names.get(key)
  return name === undefined ? key : `${name} (${key})`
}

/** Reads a time, or how long ago it was. */
function timeOf(text: string | undefined, flag: string): string | undefined {
  if (text === undefined) return undefined
  const back = parseDuration(text)
  if (typeof back === 'number') return new Date(Date.now() - back).toISOString()
  const time = Date.parse(text)
  if (!Number.isNaN(time)) return new Date(time).toISOString()
  throw new CliFault(`${flag} ${text} is neither a time nor a duration`, {
    code: exitCodes.usage,
    why: 'Write for example 2026-12-01T09:00:00Z, or 7d for seven days back.',
    next: ['isobar cost --help'],
  })
}
