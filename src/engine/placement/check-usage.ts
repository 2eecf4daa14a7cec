import type { Decision } from '#model/plan.ts'
import type { Project } from '#model/project.ts'

import type { Asked } from './facts.ts'
import type { PlaceInput } from './place.ts'

const amounts = ['accelerators', 'cpuMilli', 'memoryMiB'] as const

/**
 * Of two projects that hold nothing and want the same, the one goes first that used less of everything of late. It is told
 * where nothing else can come before that: neither has limits or rules of its own, or was promised a start.
 */
export function* usageHolds({ snapshot }: PlaceInput, decisions: readonly Decision[]): Iterable<string> {
  const { usage, leases, projects } = snapshot
  if (!usage || usage.size === 0) return
  const holds = new Set(leases.map(({ project }) => project))
  const isPlain = ({ name, parent, quota, policy, weight }: Project): boolean =>
    !holds.has(name) &&
    parent === null &&
    weight === 1 &&
    projects.every((other) => other.parent !== name) &&
    [...Object.values(quota), ...Object.values(policy)].every((each) => each === undefined)
  const plain = new Set(projects.flatMap((project) => (isPlain(project) ? project.name : [])))
  const askedOf = new Map(snapshot.waiting.map((each) => [`${each.workload.id}/${each.replica.replica}`, each]))
  const asking = decisions.flatMap((decision) => {
    const asked = askedOf.get(`${decision.workload}/${decision.replica}`)
    return asked && plain.has(asked.workload.project) && !asked.start && !decision.repair ? [{ asked, decision }] : []
  })
  const taken = Map.groupBy(
    asking.filter(({ decision }) => decision.placement),
    ({ asked }) => asked.workload.project,
  )
  // What a project was given in this round counts for it, so only the first of each can be compared.
  const firsts = [...taken.values()].flatMap(([first, ...others]) =>
    first && others.length === 0 ? [first.asked] : [],
  )
  const byWish = Map.groupBy(firsts, wishOf)
  for (const { asked, decision } of asking) {
    const { project } = asked.workload
    if (decision.refusal?.cause !== 'capacity' || taken.has(project)) continue
    for (const other of byWish.get(wishOf(asked)) ?? []) {
      const used = (name: string, amount: string) => usage.get(name)?.[amount] ?? 0
      if (amounts.every((amount) => used(project, amount) < used(other.workload.project, amount)))
        yield `${other.workload.id} goes before ${asked.workload.id}, whose project used less of late`
    }
  }
}

/** Equal for those who want the same, whoever they are. */
function wishOf({ workload: { spec, priority }, replica: { avoid } }: Asked): string {
  const { name: _, project: __, labels: ___, ...wish } = spec
  return JSON.stringify([wish, priority, avoid])
}
