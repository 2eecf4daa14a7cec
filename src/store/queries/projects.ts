import { sql } from 'kysely'

import { treeProblem, type TreeProblem } from '#model/project-tree.ts'
import type { Project } from '#model/project.ts'
import type { Database, Executor } from '#store/database.ts'
import type { Projects } from '#store/store.ts'
import { nudge } from './nudge.ts'

export const createProjects = (database: Database): Projects => ({
  list: () => database.read(listProjects),
  put: (project) => database.write((on) => put(on, project)),
})

async function put(on: Executor, project: Project): Promise<TreeProblem | null> {
  // Two changes that are right alone may close a circle together.
  await sql`lock table projects in share row exclusive mode`.execute(on)
  const others = (await listProjects(on)).filter(({ name }) => name !== project.name)
  const problem = treeProblem([...others, project])
  if (problem) return problem
  const { name, parent, weight, quota, borrowing, lending, budgetMicros, policy, preemption } = project
  // Another budget is warned of anew.
  await sql`
    update spent s set warned_at = null from projects p
    where s.kind = 'project' and s.name = ${name} and p.name = ${name} and p.budget_micros is distinct from ${budgetMicros}::bigint
  `.execute(on)
  await sql`
    insert into projects (name, parent, weight, quota, borrowing, lending, budget_micros, policy, preemption)
    values (
      ${name}, ${parent}, ${weight}, ${json(quota)}, ${json(borrowing)}, ${json(lending)}, ${budgetMicros}::bigint,
      ${json(policy)}, ${json(preemption)}
    )
    on conflict (name) do update set parent = excluded.parent, weight = excluded.weight, quota = excluded.quota,
      borrowing = excluded.borrowing, lending = excluded.lending, budget_micros = excluded.budget_micros,
      policy = excluded.policy, preemption = excluded.preemption
  `.execute(on)
  await nudge(on, ['admit'])
  return null
}

const json = (value: object) => sql`${JSON.stringify(value)}::jsonb`

export async function listProjects(on: Executor): Promise<Project[]> {
  const { rows } = await sql<Project>`
    select name, parent, weight, quota, borrowing, lending, budget_micros as "budgetMicros", policy, preemption
    from projects order by name
  `.execute(on)
  return rows
}
