import { agentPatienceMs } from '#engine/lifecycle/patience.ts'
import type { Event } from '#model/event.ts'
import { sightingOf } from '#providers/simulated/gang.ts'
import type { Invariant, Seen, There } from './invariant.ts'
import type { AttemptRow, WorkloadRow } from './tables.ts'
import { notSilent } from './unknown.ts'

const overtime = /ran longer than its maximum/

/**
 * A job that is ended for its maximum had, in truth, a rank that ran until then, or nearly. Nobody has to know what a site
 * does not tell for longer than its patience, nor what was told a moment ago.
 */
export function overtimeIsReal(): Invariant {
  /** Whose limit was drawn, which is told twice: when it is to end, and when it has. */
  const drawn = new Set<string>()
  return {
    name: 'what is ended for its maximum ran until it',
    rule: 7,
    when: 'always',
    check: (seen) =>
      seen.events.flatMap((event) => {
        const { type, workload, message } = event
        const isEnd = type === 'workload.stopping' || type === 'workload.failed'
        const job = isEnd && overtime.test(message) ? seen.tables.workloads.get(workload ?? '') : undefined
        if (job?.kind !== 'job' || drawn.has(job.id)) return []
        drawn.add(job.id)
        return endedBefore(job, event, seen)
      }),
  }
}

function endedBefore(job: WorkloadRow, { at: drawnAt }: Event, seen: Seen): string[] {
  const attempt = lastOf(job.id, seen)
  const { maximumMs } = job.spec.duration
  const lease = attempt && seen.known.leaseOf(attempt.id)
  const there = lease && seen.gangOf(lease.id)
  if (!there || maximumMs === undefined || attempt.startedAt === null || wasToldToEnd(attempt)) return []
  const endedAt = endOfItself(there, seen)
  const limitAt = attempt.startedAt + maximumMs
  if (endedAt > limitAt - seen.bounds.toldMs - seen.bounds.skewMs) return []
  if (seen.lied(there) || seen.undeclared.has(there.site)) return []
  const why = couldNotKnow({ there, endedAt, drawnAt }, seen)
  return why === null
    ? []
    : [
        `${job.id} is ended at ${drawnAt} for its maximum, which was over at ${limitAt}, and ended by itself at ${endedAt}: ${why}`,
      ]
}

const lastOf = (workload: string, { tables }: Seen): AttemptRow | undefined =>
  [...tables.attempts.values()].filter((one) => one.workload === workload).sort((a, b) => b.number - a.number)[0]

/** It was lost, or somebody told it to end for something else: then how its ranks ended tells nothing. */
const wasToldToEnd = ({ state, reason }: AttemptRow): boolean =>
  state === 'lost' || ((state === 'stopping' || state === 'stopped') && !overtime.test(reason))

/** When the last of its ranks had ended by itself; `Infinity` where one did not, or nothing is left that would say so. */
function endOfItself({ gang }: There, { now, agentsOf }: Seen): number {
  const ranks = agentsOf(gang.token) ?? sightingOf({ ...gang, shownFrom: 0, stop: null }, now)?.ranks ?? []
  if (ranks.length < gang.ranks) return Infinity
  return Math.max(...ranks.map(({ exitCode, endedAt }) => (exitCode === null ? null : endedAt) ?? Infinity))
}

type End = { there: There; endedAt: number; drawnAt: number }

/** Why the house should have known of an end, or should have waited until it could; null where it need not. */
function couldNotKnow({ there, endedAt, drawnAt }: End, seen: Seen): string | null {
  const { bounds, asked, agentsOf } = seen
  const agents = agentsOf(there.gang.token) ?? []
  // Its agent is in trouble, and its node shows what was before.
  if (agents.some(({ isMute, silentMs }) => isMute || silentMs >= agentPatienceMs.one)) return null
  const told = asked(there.site).filter(({ at }) => at > endedAt && at <= drawnAt)
  const answer = told.find(({ heard }) => heard === 'answer')
  if (answer) {
    const isLong = answer.at < drawnAt - bounds.toldMs - bounds.skewMs
    return isLong ? `its site has answered since ${answer.at}` : null
  }
  const [vain] = told
  if (!vain || vain.at > drawnAt - bounds.toldMs) return null
  return notSilent(there, drawnAt, { seen, until: drawnAt })
}
