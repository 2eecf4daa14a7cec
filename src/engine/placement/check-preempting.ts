import type { Decision } from '#model/plan.ts'
import type { Project } from '#model/project.ts'

import type { LiveLease } from '#model/live-lease.ts'
import type { Asked } from './facts.ts'
import type { PlaceInput } from './place.ts'

const hourMs = 3_600_000

/**
 * Who has to leave for whom: whole leases that are there and are not leaving already, each for one only; of lower priority
 * in the same project, or of another project of the same tree from which the project may reclaim; not so often in an hour
 * that their project says no; and nobody for whom the one that asks had to leave itself, in one step or several. Who only
 * moves may be anybody who is no more urgent, saves its work, and did not have to leave in this hour.
 */
export function* preemptsHold(
  { snapshot, now, movesPerHour = 0 }: PlaceInput,
  decisions: Decision[],
): Iterable<string> {
  const { leases, waiting, projects, preemptions = [] } = snapshot
  const projectOf = new Map(projects.map((project) => [project.name, project]))
  const pairs = preemptions.map(({ by, victim }) => ({ by, victim }))
  const lately = new Map<string, number>()
  const recent = preemptions.filter(({ at }) => at > now - hourMs)
  for (const { project } of recent) lately.set(project, (lately.get(project) ?? 0) + 1)
  let moves = recent.filter(({ isMove }) => isMove).length
  const gone = new Set<string>()
  for (const { workload, replica, preempts = [], placement, moves: areMoved = false } of decisions) {
    if (preempts.length === 0) continue
    const by = waiting.find((each) => each.workload.id === workload && each.replica.replica === replica)
    const name = `${workload}/${replica}`
    if (!by || placement) yield `${name} preempts and does not wait`
    for (const { lease: id } of preempts) {
      const lease = leases.find((each) => each.id === id)
      if (!lease || lease.leaves || gone.has(id)) yield `${name} preempts ${id}, which is not there or leaves already`
      gone.add(id)
      if (!lease || !by) continue
      if (areMoved) {
        const isDisturbed = recent.some(({ victim }) => victim === lease.workload)
        if (++moves > movesPerHour) yield `${id} is moved, and too many were in this hour`
        if (!lease.movable || isDisturbed || (lease.priority ?? 0) > by.workload.priority)
          yield `${id} may not be moved for ${name}`
      } else if (!mayLeaveFor(by, lease, projectOf)) yield `${name} may not preempt ${id}`
      if (leadsTo(pairs, { from: lease.workload, to: workload }))
        yield `${name} preempts ${id} for which it had to leave`
      pairs.push({ by: workload, victim: lease.workload })
      const times = (lately.get(lease.project) ?? 0) + 1
      lately.set(lease.project, times)
      if (times > (projectOf.get(lease.project)?.preemption.perHour ?? Infinity))
        yield `work of ${lease.project} is preempted too often`
    }
  }
}

function mayLeaveFor({ workload }: Asked, lease: LiveLease, projects: ReadonlyMap<string, Project>): boolean {
  const terms = projects.get(workload.project)?.preemption
  const isLower = (lease.priority ?? 0) < workload.priority
  if (lease.project === workload.project) return terms?.within === 'lower-priority' && isLower
  const may = terms?.reclaim === 'any' || (terms?.reclaim === 'lower-priority' && isLower)
  return may && rootOf(lease.project, projects) === rootOf(workload.project, projects)
}

function rootOf(name: string, projects: ReadonlyMap<string, Project>): string {
  let root = name
  for (let parent = projects.get(root)?.parent; parent; parent = projects.get(root)?.parent) root = parent
  return root
}

/** Whether `from` made somebody leave who made somebody leave … who is `to`. */
function leadsTo(pairs: { by: string; victim: string }[], { from, to }: { from: string; to: string }): boolean {
  const reached = new Set([from])
  for (const one of reached) for (const { by, victim } of pairs) if (by === one) reached.add(victim)
  return reached.has(to)
}
