import type { ProjectList, ProjectRequest, ProjectView } from '#api/views.ts'
import type { Call } from '#cli/call.ts'
import { CliFault, exitCodes } from '#cli/fault.ts'
import { showList } from '#cli/output/show.ts'
import { parseMoney } from '#kit/money.ts'

/** `isobar projects` */
export async function list(call: Call): Promise<void> {
  const api = await call.api()
  const { items } = await api.get<ProjectList>('/v1/projects')
  await show(call, items)
}

/** `isobar projects set`: what is not named stays as it is. */
export async function set(call: Call): Promise<void> {
  const [name = ''] = call.args
  const api = await call.api()
  const before = (await api.get<ProjectList>('/v1/projects')).items.find((one) => one.name === name)
  const request: ProjectRequest = { quota: { ...before?.quota } }
  const weight = wholeOf(call, 'weight')
  if (weight !== undefined && weight !== null) request.weight = weight
  const budget = budgetOf(call)
  if (budget !== undefined) request.budgetMicros = budget
  limit(request, 'cpuMilli', wholeOf(call, 'cpus'), 1000)
  limit(request, 'accelerators', wholeOf(call, 'accelerators'))
  limit(request, 'nodes', wholeOf(call, 'nodes'))
  await show(call, [await api.send<ProjectView>('PUT', `/v1/projects/${encodeURIComponent(name)}`, request)])
}

function limit(
  request: ProjectRequest,
  key: 'cpuMilli' | 'accelerators' | 'nodes',
  ...[value, unit = 1]: [number | null | undefined, number?]
): void {
  if (value === undefined) return
  const { [key]: _, ...others } = request.quota ?? {}
  request.quota = value === null ? others : { ...others, [key]: value * unit }
}

/** A whole number, `none`, or nothing when the option was not given. */
function wholeOf(call: Call, name: string): number | null | undefined {
  const text = call.text(name)
  if (text === undefined) return undefined
  if (text === 'none') return null
  if (/^\d{1,9}$/.test(text)) return Number(text)
  throw wrong(`--${name} ${text} is neither a whole number nor none`)
}

function budgetOf(call: Call): number | null | undefined {
  const text = call.text('budget')
  if (text === undefined) return undefined
  if (text === 'none') return null
  const micros = parseMoney(text)
  if (typeof micros !== 'bigint') throw wrong(`--budget: ${micros.problem}`)
  if (micros > BigInt(Number.MAX_SAFE_INTEGER)) throw wrong(`--budget ${text} is more than nine billion dollars`)
  return Number(micros)
}

const wrong = (what: string): CliFault =>
  new CliFault(what, { code: exitCodes.usage, next: ['isobar projects set --help'] })

const show = (call: Call, items: ProjectView[]): Promise<void> =>
  showList(call, {
    data: { items },
    items,
    columns: [
      { title: 'NAME', cell: ({ name }) => name },
      { title: 'WEIGHT', cell: ({ weight }) => String(weight), right: true },
      { title: 'SPENT', cell: ({ spent }) => spent.text, right: true },
      { title: 'BUDGET', cell: ({ budget }) => budget?.text ?? 'none', right: true },
      {
        title: 'CPUS',
        cell: ({ quota }) => (quota.cpuMilli === undefined ? 'any' : String(quota.cpuMilli / 1000)),
        right: true,
      },
      { title: 'ACCELERATORS', cell: ({ quota }) => String(quota.accelerators ?? 'any'), right: true },
      { title: 'NODES', cell: ({ quota }) => String(quota.nodes ?? 'any'), right: true },
    ],
    name: ({ name }) => name,
    empty: 'There are no projects.',
  })
