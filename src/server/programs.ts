import { makePrograms, type ProgramHouse } from '#api/agent-answer.ts'
import { Problem } from '#api/problem.ts'
import { fail, succeed } from '#model/fault.ts'
import type { House } from '#reconcilers/reconciler.ts'

/** What ranks do, for orders to engines that run them; a secret that cannot be opened may be put right. */
export const programsOf =
  (house: ProgramHouse): NonNullable<House['programs']> =>
  async ({ workload, attempt, leaseRow: lease }, ranks) => {
    try {
      return succeed(await makePrograms(house, { workload, attempt, lease, ranks }))
    } catch (error) {
      if (error instanceof Problem) return fail('denied', 'later', error.message)
      throw error
    }
  }
