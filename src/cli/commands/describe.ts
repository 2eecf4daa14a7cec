import type { AttemptView, EventPage, WorkloadDetail } from '#api/views.ts'
import type { Call } from '#cli/call.ts'
import { workloadPath } from '#cli/client.ts'
import { gatewayUrl, homeOf } from '#cli/home.ts'
import { colours, paint, plain } from '#cli/io.ts'
import { forPeople } from '#cli/output/format.ts'
import { showOne } from '#cli/output/show.ts'
import { renderFacts, renderTable, type Column } from '#cli/output/table.ts'
import { ago, hasEnded, moneyOf, paintOf, spentSoFar, took } from '#cli/output/words.ts'

const mostRanks = 16
const mostAttempts = 50

/** `isobar describe` */
export async function describe(call: Call): Promise<void> {
  const api = await call.api()
  const query = { project: call.text('project') }
  const workload = await api.get<WorkloadDetail>(workloadPath(call.args[0] ?? ''), query)
  const events = forPeople(call.format)
    ? await api.get<EventPage>('/v1/events', { workload: workload.id, pageSize: 20 })
    : { items: [], next: null }
  await showOne(call, {
    data: workload,
    name: () => workload.name,
    people: () => text(call, workload, events),
  })
}

function text(call: Call, workload: WorkloadDetail, events: EventPage): string {
  const now = Date.now()
  const colour = colours(call.io, 'stdout')
  const style = { width: call.io.width, wide: call.format.kind === 'wide', colour }
  const section = (title: string, body: string): string =>
    body === '' ? '' : `\n${paint(title, 'bold', colour)}\n${body}`
  return [
    renderFacts([...facts(workload, now), ...gatewayFact(call, workload)], colour),
    section('Conditions', conditions(workload)),
    section('Attempts', attempts(workload, now, style)),
    section('Ranks of the latest attempt', ranks(workload.attemptList[0], style)),
    section('Events', events.items.map(({ at, message }) => `${at.slice(0, 19)}Z  ${plain(message)}\n`).join('')),
  ].join('')
}

/** Where the gateway of this machine has a service; what gives it one address, where none runs. */
function gatewayFact({ io }: Call, workload: WorkloadDetail): [string, string][] {
  if (workload.kind !== 'service' || hasEnded(workload) || io.env.ISOBAR_SERVER) return []
  const url = gatewayUrl(homeOf(io))
  return [
    ['Gateway', url ? `${url}/${workload.project}/${workload.name}/` : 'none runs here; one address: isobar gateway'],
  ]
}

/** Which tasks failed, with what, as far as the server tells. */
function failedTasks({ tasks, failedTasks: told = [] }: WorkloadDetail): string | undefined {
  if (told.length === 0) return undefined
  const list = told.map(({ index, exitCode }) => `${index} (exited with ${exitCode})`).join(', ')
  const more = (tasks?.failed ?? 0) - told.length
  return `task ${list}${more > 0 ? `, and ${more} more` : ''}`
}

function facts(workload: WorkloadDetail, now: number): [string, string][] {
  const { tasks, labels } = workload
  const optional: [string, string | undefined][] = [
    ['Why', workload.reason],
    ['Exit code', workload.exitCode === null ? undefined : String(workload.exitCode)],
    [
      'Tasks',
      tasks ? `${tasks.succeeded} of ${tasks.total} done, ${tasks.failed} failed, ${tasks.leased} running` : undefined,
    ],
    ['Failed', failedTasks(workload)],
    ['Sites', workload.sites.join(', ')],
    ['Endpoints', workload.endpoints.join(', ')],
    ['Ran', workload.startedAt ? took(workload.startedAt, workload.endedAt, now) : undefined],
    ['Expires', hasEnded(workload) ? undefined : (workload.expiresAt ?? undefined)],
    [
      'Labels',
      Object.entries(labels)
        .map(([key, value]) => `${key}=${value}`)
        .join(', '),
    ],
  ]
  return [
    ['Name', `${workload.name} (${workload.id})`],
    ['Kind', `${workload.kind} in project ${workload.project}, priority ${workload.priority}`],
    ['State', workload.summary || workload.state],
    ...optional.flatMap(([key, value]): [string, string][] => (value ? [[key, value]] : [])),
    ...(hasEnded(workload) ? [] : [['Ready', `${workload.ready} of ${workload.replicas}`] satisfies [string, string]]),
    ['Price', hasEnded(workload) ? `${spentSoFar(workload).text} in all` : priceNow(workload)],
    ['Submitted', `${workload.createdAt} (${ago(workload.createdAt, now)} ago) by ${workload.submittedBy}`],
  ]
}

const priceNow = (workload: WorkloadDetail): string =>
  `${workload.pricePerHour.text}/h, ${spentSoFar(workload).text} so far`

const conditions = (workload: WorkloadDetail): string =>
  workload.conditions
    .map(({ type, status, message }) => `${type.padEnd(10)} ${status.padEnd(8)} ${plain(message)}`.trimEnd() + '\n')
    .join('')

type RankView = AttemptView['ranks'][number]
type Style = { width: number; wide: boolean; colour: boolean }

function attempts({ attemptList, kind }: WorkloadDetail, now: number, style: Style): string {
  const columns: Column<AttemptView>[] = [
    { title: 'NO', cell: ({ number }) => String(number), right: true },
    ...(kind === 'job'
      ? []
      : [{ title: 'REPLICA', cell: (one: AttemptView) => String(one.replica), right: true as const }]),
    { title: 'STATE', cell: ({ state }) => state, paint: ({ state }) => paintOf(state) },
    { title: 'SITE', cell: ({ site }) => site ?? '' },
    { title: 'TIER', cell: ({ tier }) => tier ?? '', spare: 1 },
    { title: 'WAITED', cell: (one) => took(one.createdAt, one.startedAt ?? one.endedAt, now), right: true, spare: 2 },
    { title: 'RAN', cell: (one) => took(one.startedAt, one.endedAt, now), right: true },
    { title: 'PRICE/H', cell: moneyOf(attemptList, ({ pricePerHour }) => pricePerHour), right: true, spare: 3 },
    { title: 'SPENT', cell: moneyOf(attemptList, ({ spent }) => spent), right: true },
    { title: 'EXIT', cell: ({ exitCode }) => (exitCode === null ? '' : String(exitCode)), right: true },
    { title: 'WHY', cell: ({ reason }) => reason, text: true },
  ]
  const shown = style.wide ? attemptList : attemptList.slice(0, mostAttempts)
  if (shown.length === 0) return ''
  const rest = attemptList.length - shown.length
  return renderTable(shown, columns, style) + (rest > 0 ? `and ${rest} earlier ones: -o wide\n` : '')
}

function ranks(attempt: AttemptView | undefined, style: Style): string {
  if (!attempt || attempt.ranks.length === 0) return ''
  const shown = style.wide ? attempt.ranks : attempt.ranks.slice(0, mostRanks)
  const rest = attempt.ranks.length - shown.length
  const table = renderTable(
    shown,
    [
      { title: 'RANK', cell: ({ rank }) => String(rank), right: true },
      ...(shown.some(({ role }) => role) ? [{ title: 'ROLE', cell: (one: RankView) => one.role ?? '' }] : []),
      { title: 'STATE', cell: ({ state }) => state, paint: ({ state }) => paintOf(state) },
      ...(shown.some(({ node }) => node) ? [{ title: 'NODE', cell: (one: RankView) => one.node ?? '' }] : []),
      { title: 'ADDRESS', cell: ({ address }) => address ?? '' },
      { title: 'EXIT', cell: ({ exitCode }) => (exitCode === null ? '' : String(exitCode)), right: true },
    ],
    style,
  )
  return table + (rest > 0 ? `and ${rest} more: -o wide\n` : '')
}
