import type { WorkloadView } from '#api/views.ts'
import { asCalled } from '#cli/as-called.ts'
import type { Call } from '#cli/call.ts'
import { listAll, type Api, type Query } from '#cli/client.ts'
import { eventsOf } from '#cli/event-source.ts'
import { CliFault, exitCodes } from '#cli/fault.ts'
import { interruptible, note, plain, write } from '#cli/io.ts'
import { forPeople } from '#cli/output/format.ts'
import { showList } from '#cli/output/show.ts'
import type { Column } from '#cli/output/table.ts'
import { ago, count, hasEnded, moneyOf, paintOf } from '#cli/output/words.ts'
import { createSession } from '#cli/session.ts'

const tableLimit = 200
const mostReasons = 10

const columns = (items: readonly WorkloadView[], now: number): Column<WorkloadView>[] => [
  { title: 'NAME', cell: ({ name }) => name, text: 16 },
  { title: 'ID', cell: ({ id }) => id, spare: 2 },
  { title: 'KIND', cell: ({ kind }) => kind, spare: 1 },
  { title: 'PROJECT', cell: ({ project }) => project, wide: true },
  { title: 'STATE', cell: ({ state }) => state, paint: ({ state }) => paintOf(state) },
  { title: 'READY', cell: readyOf, right: true },
  { title: 'SITE', cell: ({ sites }) => sites.join(','), text: true },
  { title: 'PRICE/H', cell: moneyOf(items, ({ pricePerHour }) => pricePerHour), right: true },
  { title: 'SPENT', cell: moneyOf(items, ({ spent }) => spent), right: true },
  { title: 'PRIORITY', cell: ({ priority }) => String(priority), right: true, wide: true },
  { title: 'ATTEMPTS', cell: ({ attempts }) => String(attempts), right: true, wide: true },
  { title: 'AGE', cell: ({ createdAt }) => ago(createdAt, now), right: true, spare: 3 },
  { title: 'ENDPOINTS', cell: ({ endpoints }) => endpoints.join(','), wide: true },
  { title: 'REASON', cell: ({ reason }) => reason, wide: true },
]

/** Tasks that are done, or replicas that are ready; what has ended will not be. */
function readyOf(workload: WorkloadView): string {
  const { ready, replicas, tasks } = workload
  if (tasks) return `${tasks.succeeded}/${tasks.total}`
  return hasEnded(workload) ? '' : `${ready}/${replicas}`
}

/** `isobar ps` */
export async function ps(call: Call): Promise<number> {
  const api = await call.api()
  if (!call.flag('watch')) {
    await list(call, api)
    return exitCodes.done
  }
  return interruptible(async (signal) => {
    const session = createSession(call.io, api)
    await list(call, api)
    let last = Date.now()
    for await (const { at } of eventsOf(session, {
      query: { after: await newest(api), project: call.text('project') },
      signal,
    })) {
      // Events come in bursts: one look shows what all of them did.
      if (Date.parse(at) < last - 250) continue
      await new Promise((resolve) => {
        setTimeout(resolve, 250)
      })
      last = Date.now()
      if (call.io.tty.stdout) await write(call.io, '\u001B[H\u001B[2J')
      await session.keep((now) => list(call, now), signal)
    }
    return exitCodes.interrupted
  })
}

async function newest(api: Api): Promise<string | undefined> {
  const page = await api.get<{ next: string | null }>('/v1/events', { pageSize: 1 })
  return page.next ?? undefined
}

async function list(call: Call, api: Api): Promise<void> {
  const people = forPeople(call.format)
  const limit = limitOf(call, people ? tableLimit : Number.MAX_SAFE_INTEGER)
  const { items, more } = await listAll<WorkloadView>(api, '/v1/workloads', { query: queryOf(call), limit })
  await showList(call, {
    data: { items },
    items,
    columns: columns(items, Date.now()),
    name: ({ name }) => name,
    empty: call.flag('all')
      ? 'There are no workloads. next: isobar run -- echo hello'
      : 'Nothing runs or waits. next: isobar ps --all',
  })
  if (call.format.kind === 'table') await write(call.io, asCalled(call.io.env, reasons(items)))
  if (more) note(call.io, `There are more than these ${items.length}. next: isobar ps --limit ${items.length * 10}`)
}

function queryOf(call: Call): Query {
  return {
    state: call.text('state') ?? (call.flag('all') ? 'all' : 'active'),
    kind: call.text('kind'),
    project: call.text('project'),
    label: call.text('label'),
    orderBy: call.text('order-by'),
  }
}

function limitOf(call: Call, otherwise: number): number {
  const text = call.text('limit')
  if (text === undefined) return otherwise
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text)
  throw new CliFault(`--limit ${text} is not a number from 1 on`, { code: exitCodes.usage, next: ['isobar ps --help'] })
}

/** Why the waiting ones wait: each reason once, with whom it keeps waiting. */
function reasons(items: readonly WorkloadView[]): string {
  const waiting = items.filter((one) => !hasEnded(one) && one.state !== 'running' && one.reason)
  const groups = [...Map.groupBy(waiting, ({ reason }) => reason)]
  if (groups.length === 0) return ''
  const lines = groups.slice(0, mostReasons).map(([reason, [first, ...others]]) => {
    const who = others.length > 0 ? `${first?.name} and ${count(others.length, 'other')}` : first?.name
    return `  ${who}: ${plain(reason)}`
  })
  const rest =
    groups.length > mostReasons ? [`  and ${groups.length - mostReasons} more reasons: isobar ps -o wide`] : []
  return ['', ...lines, ...rest, ''].join('\n')
}
