import type { Asked } from './facts.ts'
import type { Need } from './need.ts'

/** Those that may be placed now: by priority, then first come, first served; no two are ever equal. */
export function inQueueOrder(waiting: Asked[], now: number): Asked[] {
  return waiting
    .filter(({ workload, replica }) => workload.wants === 'run' && replica.notBefore <= now)
    .sort(
      (a, b) =>
        b.workload.priority - a.workload.priority ||
        a.workload.createdAt - b.workload.createdAt ||
        (a.workload.id < b.workload.id ? -1 : a.workload.id > b.workload.id ? 1 : 0) ||
        a.replica.replica - b.replica.replica,
    )
}

/**
 * Who waits in front of whom. A replica that found no room (or no quota) at an offer waits there; a later workload of
 * the same project and priority that wants the same kind of thing (accelerators, or none) does not take that offer
 * before it. So a gang is not starved by a stream of small jobs, while others go around it to offers that it cannot
 * use. Nothing is reserved across projects and priorities yet.
 */
export type Line = Map<string, { id: string; name: string }>

export function standInLine(line: Line, need: Need, offer: string): void {
  const place = placeInLine(need, offer)
  if (!line.has(place)) line.set(place, need.workload)
}

/** The name of the earlier workload that waits for this offer, if one does. */
export function inFrontOf(line: Line, need: Need, offer: string): string | null {
  if (line.size === 0) return null
  const first = line.get(placeInLine(need, offer))
  return first && first.id !== need.workload.id ? first.name : null
}

const placeInLine = ({ workload, resources }: Need, offer: string): string =>
  [workload.project, workload.priority, resources.accelerators.length > 0 ? 'accelerators' : 'cpus', offer].join('\0')
