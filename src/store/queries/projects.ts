import { sql } from 'kysely'

import type { Project } from '#model/project.ts'
import type { Database, Executor } from '#store/database.ts'
import type { Projects } from '#store/store.ts'
import { nudge } from './nudge.ts'

export const createProjects = (database: Database): Projects => ({
  list: () => database.read(listProjects),
  put: ({ name, weight, quota, budgetMicros, policy }) =>
    database.write(async (on) => {
      // Another budget is warned of anew.
      await sql`
        update spent s set warned_at = null from projects p
        where s.kind = 'project' and s.name = ${name} and p.name = ${name} and p.budget_micros is distinct from ${budgetMicros}::bigint
      `.execute(on)
      await sql`
        insert into projects (name, weight, quota, budget_micros, policy)
        values (${name}, ${weight}, ${JSON.stringify(quota)}::jsonb, ${budgetMicros}::bigint, ${JSON.stringify(policy)}::jsonb)
        on conflict (name) do update set weight = excluded.weight, quota = excluded.quota,
          budget_micros = excluded.budget_micros, policy = excluded.policy
      `.execute(on)
      await nudge(on, ['admit'])
    }),
})

export async function listProjects(on: Executor): Promise<Project[]> {
  const { rows } = await sql<Project>`
    select name, weight, quota, budget_micros as "budgetMicros", policy from projects order by name
  `.execute(on)
  return rows
}
