import type { Plans, StoredPlan } from '#store/store.ts'
import { jsonb } from './jsonb.ts'
import type { Memory } from './memory.ts'
import type { PlanRow } from './rows.ts'

export const createPlans = ({ plans, read, write }: Memory): Plans => ({
  add: ({ id, decisions, submission, createdAt, expiresAt }) =>
    write(() =>
      plans.insert({
        id,
        workload: null,
        decisions: jsonb(decisions),
        submission: jsonb(submission ?? null),
        createdAt,
        expiresAt,
        appliedAt: null,
      }),
    ),
  get: (id) =>
    read(() => {
      const row = plans.get(id)
      return row ? planOf(row) : null
    }),
  applied: (id, now) =>
    write(() => {
      const row = plans.get(id)
      if (row?.appliedAt !== null) return false
      plans.update(row, { appliedAt: now })
      return true
    }),
  ofWorkload: (workload) => read(() => plans.byWorkload.get(workload).map(planOf)),
})

const planOf = ({ workload: _workload, ...plan }: PlanRow): StoredPlan => plan
