import { occupyingStates } from '#model/lease.ts'
import type { Invariant, Seen } from './invariant.ts'
import { takenTogether } from './owner.ts'
import type { LeaseRow, Tables } from './tables.ts'

/** What ended so long ago may still have been there when somebody decided. */
const decidedMs = 120_000

/**
 * No provider gets more of the nodes of a project when it has its share of them: of the gangs that it has, all but the last
 * were below that share when the last came. Written down here anew (decision 10), and not as the engine counts it.
 */
export function sharesHold(): Invariant {
  let before: Tables['projects'] | undefined
  return {
    name: 'no provider gets more of a project than its share',
    rule: 9,
    when: 'always',
    check(seen) {
      const { changes, tables } = seen
      const earlier = before ?? tables.projects
      if (changes.projects.length > 0 || before === undefined) before = new Map(tables.projects)
      return changes.leases.flatMap(({ before: was, after }) => {
        if (was !== null || !after) return []
        // It may have been decided on the policy at the look before.
        const [now, then] = [tables.projects, earlier].map((all) => all.get(after.project)?.policy.maxProviderShare)
        return now === undefined || then === undefined ? [] : above(after, Math.max(now, then), seen)
      })
    },
  }
}

function above({ id, project, provider }: LeaseRow, share: number, seen: Seen): string[] {
  const its = [...seen.tables.leases.values()].filter((lease) => lease.project === project)
  const isThere = ({ state, endedAt }: LeaseRow): boolean =>
    occupyingStates.some((one) => one === state) || (endedAt !== null && endedAt > seen.now - decidedMs)
  const all = nodesOf(its.filter(isThere))
  return takenTogether(seen).flatMap((taken) => {
    const here = taken.filter((lease) => lease.project === project && lease.provider === provider)
    if (!here.some((lease) => lease.id === id)) return []
    // Of those that may have come last the largest leaves the most room to the others.
    const rest = nodesOf(here) - Math.max(...here.map(({ ranks }) => ranks.length))
    if (rest === 0 ? share > 0 : rest < share * all) return []
    return [
      `${provider} has ${rest} nodes of ${project} beside a gang like ${id}, of ${all}, and may have ${share} of them`,
    ]
  })
}

const nodesOf = (leases: readonly LeaseRow[]): number => leases.reduce((sum, { ranks }) => sum + ranks.length, 0)
