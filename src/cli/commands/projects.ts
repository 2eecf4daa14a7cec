import type { ProjectList, ProjectRequest, ProjectView } from '#api/project-views.ts'
import type { Call } from '#cli/call.ts'
import { CliFault, exitCodes } from '#cli/fault.ts'
import { readJson, type Api } from '#cli/client.ts'
import { showList, showOne } from '#cli/output/show.ts'
import { readSpec } from '#cli/submission.ts'
import { parseMoney } from '#kit/money.ts'
import type { Project, Quota } from '#model/project.ts'

/** `isobar projects` */
export async function list(call: Call): Promise<void> {
  const api = await call.api()
  const { items } = await api.get<ProjectList>('/v1/projects')
  await tell(call, items)
}

/** `isobar projects show`: as a file that `set --file` takes. */
export async function show(call: Call): Promise<void> {
  const [name = ''] = call.args
  const api = await call.api()
  const found = await api.get<ProjectView>(pathOf(name))
  const { stringify } = await import('yaml')
  const { writtenProject } = await import('#model/project-document.ts')
  await showOne(call, {
    data: found,
    name: () => name,
    people: () => stringify(writtenProject(projectOf(found))),
  })
}

const projectOf = ({ budget, spent: _spent, ...view }: ProjectView): Project => ({
  ...view,
  budgetMicros: budget && Number(budget.micros),
})

/** `isobar projects set`: of a project by its name, what is not named stays as it is; a file says all of its projects. */
export async function set(call: Call): Promise<void> {
  const [name] = call.args
  const file = call.text('file')
  if (file !== undefined) return setAll(call, file)
  if (name === undefined) throw wrong('a project is set by its name, or from a file')
  const api = await call.api()
  const request: ProjectRequest = {}
  const weight = wholeOf(call, 'weight')
  if (weight !== undefined && weight !== null) request.weight = weight
  const budget = budgetOf(call)
  if (budget !== undefined) request.budgetMicros = budget
  const parent = call.text('parent')
  if (parent !== undefined) request.parent = parent === 'none' ? null : parent
  const limits = Object.entries({
    cpuMilli: wholeOf(call, 'cpus', 1000),
    accelerators: wholeOf(call, 'accelerators'),
    nodes: wholeOf(call, 'nodes'),
  }).filter(([, limit]) => limit !== undefined)
  const { tag, ...quota } = limits.length === 0 ? {} : await withLimits(api, name, limits)
  await tell(call, [await put(api, { name, request: { ...request, ...quota }, tag })])
}

type Limits = [string, number | null | undefined][]

/** The quota of a project with other limits, and the tag of what it was read from: a quota is written as a whole. */
async function withLimits(api: Api, name: string, limits: Limits): Promise<Pick<Put, 'tag'> & { quota: Quota }> {
  const { tag, quota } = await quotaOf(api, name)
  const changed = Object.entries({ ...quota, ...Object.fromEntries(limits) }).filter(([, limit]) => limit !== null)
  return { tag, quota: Object.fromEntries(changed) }
}

async function quotaOf(api: Api, name: string): Promise<Pick<Put, 'tag'> & { quota: Quota }> {
  try {
    const response = await api.open('GET', pathOf(name))
    return { quota: (await readJson<ProjectView>(response)).quota, tag: response.headers.etag }
  } catch (error) {
    if (error instanceof CliFault && error.code === exitCodes.notFound) return { quota: {}, tag: undefined }
    throw error
  }
}

async function setAll(call: Call, file: string): Promise<void> {
  const also = [...call.args, ...valued.filter((option) => call.text(option) !== undefined).map((one) => `--${one}`)]
  if (also.length > 0) throw wrong(`the file says all of its projects, and ${also.join(', ')} stands beside it`)
  const { readProjects } = await import('#model/project-document.ts')
  const { renderProblems } = await import('#model/spec/problem.ts')
  const { text, filename } = await readSpec(call.io, file)
  const read = readProjects(text, filename)
  if ('problems' in read)
    throw new CliFault('The projects are not right', {
      code: exitCodes.usage,
      why: renderProblems(read.problems).trimEnd(),
      next: [`isobar projects set --file ${file}`],
    })
  const api = await call.api()
  const views: ProjectView[] = []
  for (const { name, ...request } of parentsFirst(read.projects)) views.push(await put(api, { name, request }))
  await tell(call, views)
}

const valued = ['weight', 'budget', 'parent', 'cpus', 'accelerators', 'nodes']

/** In the order of the file, but for parents that stand behind what is part of them. */
function parentsFirst(projects: readonly Project[]): Project[] {
  const byName = new Map(projects.map((project) => [project.name, project]))
  const sorted = new Set<Project>()
  const add = (project: Project, below: readonly Project[]): void => {
    const parent = byName.get(project.parent ?? '')
    if (parent && !below.includes(parent)) add(parent, [...below, project])
    sorted.add(project)
  }
  for (const project of projects) add(project, [])
  return [...sorted]
}

const pathOf = (name: string): string => `/v1/projects/${encodeURIComponent(name)}`

type Put = { name: string; request: ProjectRequest; tag?: string | undefined }

/** With a tag only if the project is still as it was when it was read. */
async function put(api: Api, { name, request, tag }: Put): Promise<ProjectView> {
  if (tag === undefined) return api.send<ProjectView>('PUT', pathOf(name), request)
  const headers = { 'content-type': 'application/json', 'if-match': tag }
  return readJson(await api.open('PUT', pathOf(name), { headers, body: JSON.stringify(request) }))
}

/** A whole number of a unit, `none`, or nothing when the option was not given. */
function wholeOf(call: Call, name: string, unit = 1): number | null | undefined {
  const text = call.text(name)
  if (text === undefined) return undefined
  if (text === 'none') return null
  if (/^\d{1,9}$/.test(text)) return Number(text) * unit
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

const tell = (call: Call, items: ProjectView[]): Promise<void> =>
  showList(call, {
    data: { items },
    items,
    columns: [
      { title: 'NAME', cell: ({ name }) => name },
      { title: 'PARENT', cell: ({ parent }) => parent ?? '', wide: true },
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
