import { sql } from 'kysely'

import { treeProblem, type TreeProblem } from '#model/project-tree.ts'
import type { Project } from '#model/project.ts'
import type { Database, Executor } from '#store/database.ts'
import type { Projects } from '#store/settings.ts'
import { nudge } from './nudge.ts'

export const createProjects = (database: Database): Projects => ({
  list: () => database.read(listProjects),
  async put(project) {
    const done = await database.write((on) => change(on, project.name, () => project))
    return 'problem' in done ? done : null
  },
  change: (name, decide) => database.write((on) => change(on, name, decide)),
})

type Decide = Parameters<Projects['change']>[1]

async function change(on: Executor, name: string, decide: Decide): Promise<Project | TreeProblem> {
  // Two changes that are right alone may close a circle together.
  await sql`lock table projects in share row exclusive mode`.execute(on)
  const all = await listProjects(on)
  const project = decide(all.find((one) => one.name === name) ?? null)
  const problem = treeProblem([...all.filter((one) => one.name !== name), project])
  if (problem) return problem
  return write(on, project)
}

async function write(on: Executor, project: Project): Promise<Project> {
  const { name, parent, weight, quota, borrowing, lending, budgetMicros, policy, preemption } = project
  // Another budget is warned of anew.
  await sql`
    update spent s set warned_at = null from projects p
    where s.kind = 'project' and s.name = ${name} and p.name = ${name} and p.budget_micros is distinct from ${budgetMicros}::bigint
  `.execute(on)
  const { rows } = await sql<Project>`
    insert into projects (name, parent, weight, quota, borrowing, lending, budget_micros, policy, preemption)
    values (
      ${name}, ${parent}, ${weight}, ${json(quota)}, ${json(borrowing)}, ${json(lending)}, ${budgetMicros}::bigint,
      ${json(policy)}, ${json(preemption)}
    )
    on conflict (name) do update set parent = excluded.parent, weight = excluded.weight, quota = excluded.quota,
      borrowing = excluded.borrowing, lending = excluded.lending, budget_micros = excluded.budget_micros,
      policy = excluded.policy, preemption = excluded.preemption
    returning ${columns}
  `.execute(on)
  await nudge(on, ['admit'])
  return rows[0] ?? project
}

const columns = sql`
  name, parent, weight, quota, borrowing, lending, budget_micros as "budgetMicros", policy, preemption
`

const json = (value: object) => sql`${JSON.stringify(value)}::jsonb`

export async function listProjects(on: Executor): Promise<Project[]> {
  const { rows } = await sql<Project>`select ${columns} from projects order by name`.execute(on)
  return rows
}
