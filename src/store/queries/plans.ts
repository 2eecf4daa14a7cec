import { sql } from 'kysely'

import type { Database } from '#store/database.ts'
import type { Plans, StoredPlan } from '#store/store.ts'

const columns = sql`
  p.id, p.decisions, p.submission, p.created_at as "createdAt", p.expires_at as "expiresAt", p.applied_at as "appliedAt"
`

export const createPlans = (database: Database): Plans => ({
  add: ({ id, decisions, submission, createdAt, expiresAt }) =>
    database.write(async (on) => {
      await sql`
        insert into plans (id, decisions, submission, created_at, expires_at) values (
          ${id}, ${JSON.stringify(decisions)}::json, ${JSON.stringify(submission ?? null)}::jsonb,
          ${createdAt}::bigint, ${expiresAt}::bigint
        )
      `.execute(on)
    }),
  get: (id) =>
    database.read(async (on) => {
      const { rows } = await sql<StoredPlan>`select ${columns} from plans p where p.id = ${id}`.execute(on)
      return rows[0] ?? null
    }),
  applied: (id, now) =>
    database.write(async (on) => {
      const { rows } = await sql`
        update plans set applied_at = ${now}::bigint where id = ${id} and applied_at is null returning id
      `.execute(on)
      return rows.length > 0
    }),
  ofWorkload: (workload) =>
    database.read(async (on) => {
      const { rows } = await sql<StoredPlan>`
        select ${columns} from plans p where p.workload = ${workload} order by p.created_at, p.id
      `.execute(on)
      return rows
    }),
})
