import { backoffMs } from '#kit/backoff.ts'
import { sayCause } from '#model/cause.ts'
import type { Change } from '#model/change.ts'
import { workloadMoves, type WorkloadState } from '#model/workload.ts'
import { overChanges } from './attempt-changes.ts'
import type { Ending } from './ending.ts'
import { allTasksEnded, siteOf, type LiveAttempt, type WorkloadFacts } from './facts.ts'
import { timeOf } from './clock-text.ts'
import { hindered, outOfReach, type Verdict } from './judge.ts'
import { leavingOf } from './leaving.ts'
import { movesTo } from './moves-to.ts'
import { givenBackText, isGivenBack, unheardText } from './unheard.ts'
import { fractionOf, type Judged, type NextTry } from './next-try.ts'

type Round = { facts: WorkloadFacts; judged: Judged[]; ending: Ending | null; revived: Revived | null; now: number }
type Revived = NextTry & { replica: number }
type Aim = { to: WorkloadState; reason: string; exitCode?: number }

/** What follows for the workload as a whole: where it stands, how it ended, and why. */
export function workloadChanges(round: Round): Change[] {
  const { workload } = round.facts
  const aim = aimOf(round)
  const path = movesTo(workloadMoves, workload.state, aim.to) ?? []
  const { reason, exitCode } = aim
  const steps: Change[] = path.map((to) => ({
    change: 'workload',
    id: workload.id,
    to,
    reason,
    ...(exitCode === undefined ? {} : { exitCode }),
  }))
  if (path.length === 0) return reason === workload.reason ? [] : [{ change: 'reason', id: workload.id, reason }]
  return [...steps, ...(isEnd(aim.to) ? endAll(round, aim) : [])]
}

/** Where the workload should be, as far as that can be said now. */
function aimOf(round: Round): Aim {
  const { facts, judged, ending, revived } = round
  const live = judged.filter(({ verdict }) => verdict.is === 'live')
  const gaveUp = [...judged.map(({ next }) => next), revived].find((next) => next?.next === 'give-up')
  if (gaveUp?.next === 'give-up') return { to: 'failed', reason: gaveUp.reason, exitCode: gaveUp.exitCode }
  if (live.length === 0 && allTasksEnded(facts)) return arrayEnd(facts)
  if (facts.workload.kind === 'job' && judged.some(({ next }) => next?.next === 'done'))
    return { to: 'succeeded', reason: '', exitCode: 0 }
  if (ending) return live.length > 0 ? { to: 'stopping', reason: ending.reason } : arrived(round, ending)
  if (live.length > 0) return onItsWay(round)
  return facts.workload.state === 'queued' ? stay(facts) : { to: 'queued', reason: whyAgain(round) }
}

const stay = ({ workload }: WorkloadFacts): Aim => ({ to: workload.state, reason: workload.reason })

function arrayEnd({ tasks, workload }: WorkloadFacts): Aim {
  if (tasks === null || tasks.failed === 0) return { to: 'succeeded', reason: '', exitCode: 0 }
  const all = tasks.succeeded + tasks.failed
  return { to: 'failed', reason: `${tasks.failed} of ${all} tasks of ${workload.name} failed`, exitCode: 1 }
}

function arrived({ facts, judged, now }: Round, ending: Ending): Aim {
  if (ending.as === 'held' && facts.workload.wants === 'run') return { to: 'queued', reason: whyLater(facts, now) }
  // It has arrived before, and was told then what may be left of it.
  if (facts.workload.state === ending.as && judged.length === 0) return stay(facts)
  const fenced = judged.find(({ verdict }) => verdict.is === 'over' && verdict.fence)?.verdict
  const left = fenced?.is === 'over' ? `; ${fenced.reason}` : ''
  const { as: to, exitCode } = ending
  return { to, reason: `${ending.reason}${left}`, ...(exitCode === undefined ? {} : { exitCode }) }
}

/** Why what was released does not start at once: it has failed lately, and is given time. */
function whyLater({ replicas }: WorkloadFacts, now: number): string {
  const next = Math.min(...replicas.filter(({ state }) => state !== 'done').map(({ notBefore }) => notBefore))
  return next > now && next < Infinity ? `tried again at ${timeOf(next)}, since it failed before` : ''
}

/** It lives: running as soon as one of its attempts does. What people should know of it is the reason. */
function onItsWay({ facts, judged, now }: Round): Aim {
  const live = judged.flatMap(({ attempt, verdict }) => (verdict.is === 'live' ? [{ attempt, verdict }] : []))
  const to = live.some(({ verdict }) => verdict.running) ? 'running' : 'starting'
  const away = live
    .map(({ attempt }) => facts.sites[siteOf(attempt.lease)])
    .find((site) => site && site.reach !== 'reachable')
  if (away?.reach === 'denied')
    return {
      to,
      reason: `${away.site} refuses our credential since ${timeOf(away.since)}; what runs there is left alone`,
    }
  if (away) {
    const until = away.since + away.patienceMs
    const patience = until > now ? `left alone until ${timeOf(until)}` : 'its agents still report, so it is left alone'
    return { to, reason: `${away.site} does not answer since ${timeOf(away.since)}; ${patience}` }
  }
  return { to, reason: newsOf(live, facts, now) }
}

type Live = { attempt: LiveAttempt; verdict: Extract<Verdict, { is: 'live' }> }

/** What is known of live attempts that people should know before it happens, or while nothing does. */
function newsOf(live: Live[], facts: WorkloadFacts, now: number): string {
  for (const { attempt, verdict } of live) {
    if (isGivenBack(attempt)) return givenBackText(attempt, now)
    const leaving = leavingOf(attempt, facts)
    if (leaving) return leaving.reason
    if (verdict.unheard) return unheardText(verdict.unheard, { lease: attempt.lease, now })
    const held = hindered(attempt)
    if (held?.cause) return `rank ${held.rank} does not start on ${siteOf(attempt.lease)}: ${sayCause(held.cause)}`
  }
  return ''
}

function whyAgain({ facts, judged, revived, now }: Round): string {
  if (facts.workload.state === 'held') return whyLater(facts, now)
  const last = [...judged.map(({ next }) => next), revived].find((next) => next?.next === 'waits')
  return last?.next === 'waits' && last.reason !== '' ? `tried again: ${last.reason}` : 'waits to be placed again'
}

const isEnd = (state: WorkloadState) => workloadMoves[state].length === 0

/** With the workload end its replicas, and what is still alive of it (it failed as a whole). */
function endAll({ facts, judged, revived }: Round, aim: Aim): Change[] {
  const { id } = facts.workload
  const ended = judged.filter(({ next }) => next?.next === 'done' || next?.next === 'give-up')
  const done = new Set(ended.map(({ attempt }) => attempt.replica).filter((replica) => replica !== revived?.replica))
  return [
    ...judged.flatMap(({ attempt, verdict }) =>
      verdict.is === 'over'
        ? []
        : overChanges(
            attempt,
            { is: 'over', state: 'stopped', reason: aim.reason, fence: outOfReach(attempt.lease, facts) },
            facts,
          ),
    ),
    ...facts.replicas
      .filter(({ replica, state }) => state !== 'done' && !done.has(replica))
      .map(({ replica }): Change => ({ change: 'replica-done', workload: id, replica })),
  ]
}

/**
 * An array whose workers have all ended while tasks are left needs one of them again: a task may have come back from a
 * lost worker after the others had gone.
 */
export function reviveArray(facts: WorkloadFacts, judged: Judged[], now: number): Revived | null {
  const { workload, replicas } = facts
  const ended = new Set(judged.filter(({ next }) => next?.next === 'done').map(({ attempt }) => attempt.replica))
  const [first] = replicas
  if (workload.kind !== 'array' || !first || allTasksEnded(facts)) return null
  if (!replicas.every(({ state, replica }) => state === 'done' || ended.has(replica))) return null
  const { replica, losses, avoid } = first
  const failures = first.failures + 1
  const reason = 'its workers ended before its tasks had'
  if (failures > Math.max(1, workload.spec.retry.times)) return { replica, next: 'give-up', exitCode: 1, reason }
  const pause = backoffMs({ tries: failures, firstMs: 1000, mostMs: 60_000, spread: fractionOf(workload.id) })
  return { replica, next: 'waits', reason, losses, failures, notBefore: now + pause, avoid }
}
