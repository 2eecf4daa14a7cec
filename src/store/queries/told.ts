import type { NewEvent } from '#model/event.ts'
import { type Refusal, type Repair, sayRepair } from '#model/plan.ts'
import type { SiteReach } from '#model/site.ts'
import type { Wants, Workload } from '#model/workload.ts'

/** What is told of what the store writes, in the words of people. */

type Its = { name: string; workload: string; project: string }

type Submitted = Pick<Workload, 'id' | 'name' | 'project' | 'kind' | 'submittedBy'>
export const submittedEvent = ({ id, name, project, kind, submittedBy }: Submitted): NewEvent => ({
  type: 'workload.submitted',
  workload: id,
  project,
  message: `${name} was submitted by ${submittedBy}`,
  data: { name, kind },
})

export function askedEvent({ name, workload, project }: Its, wants: Wants, who: string): NewEvent {
  const verb = { run: 'released', hold: 'held back', stop: 'asked to stop' }[wants]
  const message = `${name} was ${verb} by ${who}`
  return { type: 'workload.asked', workload, project, message, data: { wants, by: who } }
}

export const prioritisedEvent = ({ name, workload, project }: Its, priority: number, who: string): NewEvent => ({
  type: 'workload.prioritised',
  workload,
  project,
  message: `${name} was given priority ${priority} by ${who}`,
  data: { priority, by: who },
})

export const lostEvent = ({ id, name, workload, project, site }: Its & { id: string; site: string }): NewEvent => ({
  type: 'lease.lost',
  workload,
  project,
  message: `${name} lost its capacity at ${site}`,
  data: { lease: id, site },
})

type MovedAttempt = Its & { id: string; number: number; reason: string }
export const attemptEvent = (to: string, { id, name, workload, project, number, reason }: MovedAttempt): NewEvent => ({
  type: `attempt.${to}`,
  workload,
  project,
  message: sentence(`attempt ${number} of ${name} ${said[to] ?? `is ${to}`}`, reason),
  data: { attempt: id, number },
})

export const workloadEvent = (to: string, { name, workload, project, reason }: Its & { reason: string }): NewEvent => ({
  type: `workload.${to}`,
  workload,
  project,
  message: sentence(`${name} ${said[to] ?? `is ${to}`}`, reason),
  data: {},
})

/** How a state is told where "is …" would be no English. */
const said: Record<string, string> = {
  succeeded: 'succeeded',
  failed: 'failed',
  stopped: 'stopped',
  refused: 'was refused',
  lost: 'was lost',
  held: 'is held back',
}

const sentence = (what: string, reason: string): string => (reason ? `${what}: ${reason}` : what)

type PlacedAttempt = Its & {
  number: number
  provider: string
  site: string
  tier: string
  ranks: readonly unknown[]
  priceMicros: number
  attemptId: string
  decision: { repair?: Repair }
}

export function placedEvent(row: PlacedAttempt): NewEvent {
  const { workload, project, name, number, provider, site, tier, ranks, priceMicros, attemptId, decision } = row
  const { repair } = decision
  const nodes = ranks.length === 1 ? '1 node' : `${ranks.length} nodes`
  const how = repair ? `; it ${sayRepair(repair)}` : ''
  return {
    type: 'attempt.placed',
    workload,
    project,
    message: `attempt ${number} of ${name} was placed at ${provider}/${site}, ${tier}, ${nodes}${how}`,
    data: {
      attempt: attemptId,
      number,
      provider,
      site,
      tier,
      nodes: ranks.length,
      priceMicros,
      ...(repair && { kept: repair.kept, replaced: repair.replaced }),
    },
  }
}

export const waitsEvent = (id: string, project: string, { cause, text }: Refusal): NewEvent => ({
  type: 'workload.waits',
  workload: id,
  project,
  message: text,
  data: { cause },
})

export function reachedEvent({ site, reach, detail }: Omit<SiteReach, 'since'>): NewEvent {
  const message = reach === 'reachable' ? `${site} answers again` : `${site} is ${reach}: ${detail}`
  return { type: `site.${reach}`, workload: null, project: null, message, data: { site, detail } }
}

const ofNobody = { workload: null, project: null }
export const warnedEvent = (site: string, detail: string): NewEvent => ({
  ...ofNobody,
  type: 'site.warned',
  message: `${site}: ${detail}`,
  data: { site, detail },
})
export const joinedEvent = (site: string): NewEvent => ({
  ...ofNobody,
  type: 'site.joined',
  message: `${site} was joined`,
  data: { site },
})
export const leavingEvent = (site: string): NewEvent => ({
  ...ofNobody,
  type: 'site.leaving',
  message: `${site} is being left: it takes no new work`,
  data: { site },
})
export const leftEvent = (site: string): NewEvent => ({
  ...ofNobody,
  type: 'site.left',
  message: `${site} was left: nothing of ours is there`,
  data: { site },
})

/** Of an operation that ended without an answer. */
export const closedDetail = (state: string): string => `its lease was ${state} before an answer was written`
export const retiredDetail = 'it was retired before it was launched'

/** Why an attempt has to leave. */
export const leavesReason = (for_: { name: string; project: string; isMove: boolean }): string =>
  `${for_.isMove ? 'moved to make room' : 'preempted'} for ${for_.name} of project ${for_.project}`
