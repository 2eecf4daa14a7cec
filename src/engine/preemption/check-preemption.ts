import { overfull, overQuota, type Run, type World } from '#engine/queue/check-line.ts'
import type { QuotaNode } from '#engine/queue/quota.ts'
import type { Request } from '#engine/queue/request.ts'
import type { Preemption } from '#model/project.ts'

/** All that happened in a queue that preempts, in order. */
export type Event =
  | { at: number; submitted: Request }
  | { at: number; started: string; option: number; ranks: number[] }
  | { at: number; preempts: string; option: number; victims: string[] }
  | { at: number; ended: string }

type Rules = Omit<World, 'overdueMs'> & { terms: ReadonlyMap<string, Preemption> }

/**
 * Looks at all that happened and tells what must not have: a victim that did not run, or was told twice; one that the rules
 * do not allow; more than the budget of an hour; somebody who preempted and did not start as soon as all had left; a circle
 * of preemptions. And a node used twice, a gang not whole, a quota broken. It shares no code with what preempts.
 */
export function checkPreemption(history: readonly Event[], world: Rules): string[] {
  const wrong: string[] = []
  const requests = new Map<string, Request>()
  const running = new Map<string, Run>()
  /** For whom each of those who have to leave does, and for how many each of these still waits. */
  const leaving = new Map<string, string>()
  const due = new Map<string, number>()
  /** Who is to start when others have left for it. */
  const coming = new Map<string, Run>()
  const edges = new Map<string, Set<string>>()
  const times: { project: string; at: number }[] = []
  for (const event of history) {
    for (const [id, at] of due) if (event.at > at) wrong.push(`${id} did not start when all had left for it`)
    for (const [id, at] of due) if (event.at > at) due.delete(id)
    if ('submitted' in event) requests.set(event.submitted.id, event.submitted)
    else if ('started' in event) {
      const request = requests.get(event.started)
      const option = request?.want.options[event.option]
      if (!request || !option) continue
      // Who came first of those who want the same may have it instead.
      for (const id of coming.keys())
        if (requests.get(id)?.want.key === request.want.key) {
          due.delete(id)
          coming.delete(id)
        }
      running.set(event.started, { request, option, ranks: event.ranks })
      wrong.push(...overfull([...running.values()], { ...world, overdueMs: 0 }))
      wrong.push(...overQuota([...running.values()], world.quotas))
    } else if ('ended' in event) {
      const by = leaving.get(event.ended)
      if (!by) edges.delete(event.ended)
      leaving.delete(event.ended)
      running.delete(event.ended)
      if (by && !running.has(by) && ![...leaving.values()].includes(by)) due.set(by, event.at)
    } else {
      const request = requests.get(event.preempts)
      const option = request?.want.options[event.option]
      const stay = [...running.values()].filter((run) => !leaving.has(run.request.id))
      const soon = [...stay, ...coming.values()]
      const victims = event.victims.flatMap((id) => running.get(id) ?? [])
      if (!request || !option || victims.length < event.victims.length || victims.length === 0)
        wrong.push(`${event.preempts} preempts somebody who does not run`)
      else wrong.push(...brokenRules({ request, option, ranks: [] }, victims, { ...world, running: soon }))
      if (request && option) coming.set(request.id, { request, option, ranks: [] })
      for (const { request: victim } of victims) {
        if (leaving.has(victim.id)) wrong.push(`${victim.id} was told twice to leave`)
        leaving.set(victim.id, event.preempts)
        edges.set(event.preempts, (edges.get(event.preempts) ?? new Set()).add(victim.id))
        const { project } = victim.want
        times.push({ project, at: event.at })
        const lately = times.filter((one) => one.project === project && one.at > event.at - 3_600_000).length
        if (lately > (world.terms.get(project)?.perHour ?? Infinity)) wrong.push(`too much of ${project} was preempted`)
      }
      if (reaches(edges, event.preempts, event.preempts)) wrong.push(`${event.preempts} preempts in a circle`)
    }
  }
  return wrong
}

function brokenRules(by: Run, victims: Run[], { quotas, terms, running }: Rules & { running: Run[] }): string[] {
  const { request } = by
  const { project, priority } = request.want
  const own = terms.get(project)
  return victims.flatMap(({ request: { id, want } }, i) => {
    const isLower = want.priority < priority
    if (want.project === project)
      return own?.within === 'lower-priority' && isLower
        ? []
        : [`${request.id} may not preempt ${id} of its own project`]
    const before = running.filter((run) => !victims.slice(0, i).includes(run))
    const after = [...running.filter((run) => !victims.includes(run)), by]
    const may = own?.reclaim === 'any' || (own?.reclaim === 'lower-priority' && isLower)
    const isSameTree = quotas.some(
      ({ name, parent }) =>
        name === project && parent !== null && quotas.some((one) => one.name === want.project && one.parent === parent),
    )
    const isTheirs = isSameTree && above(want.project, before, quotas) > 0 && above(project, after, quotas) <= 0
    return may && isTheirs ? [] : [`${request.id} may not preempt ${id}: nothing is to be reclaimed`]
  })
}

/** How much more than its own a project holds. */
function above(project: string, running: Run[], quotas: readonly QuotaNode[]): number {
  const held = running
    .filter(({ request }) => request.want.project === project)
    .reduce((sum, { option }) => sum + (option.amounts['gpu'] ?? 0), 0)
  return held - (quotas.find(({ name }) => name === project)?.nominal['gpu'] ?? 0)
}

function reaches(edges: ReadonlyMap<string, ReadonlySet<string>>, from: string, to: string): boolean {
  const seen = new Set<string>()
  const left = [...(edges.get(from) ?? [])]
  for (let at = left.pop(); at !== undefined; at = left.pop()) {
    if (at === to) return true
    if (seen.has(at)) continue
    seen.add(at)
    left.push(...(edges.get(at) ?? []))
  }
  return false
}
