import type { WorkloadDetail, WorkloadView } from '#api/views.ts'

import { exitCodes } from './fault.ts'
import { count, spentSoFar, took } from './output/words.ts'

/** The exit code of a run, as a shell would report it: never 0 unless it succeeded. */
export function remoteCode({ state, exitCode }: Pick<WorkloadView, 'state' | 'exitCode'>): number {
  if (state === 'succeeded') return exitCodes.done
  return exitCode || exitCodes.failed
}

/** How to come back to what goes on by itself, and how to end it. */
export function wayBack({ id, kind }: Pick<WorkloadView, 'id' | 'kind'>): string {
  const waits = `wait for it: isobar wait ${id}${kind === 'service' ? ' --for ready' : ''}`
  return `${kind === 'job' ? `follow it: isobar logs -f ${id}` : waits}, end it: isobar stop ${id}`
}

/** What a workload came to, in one line: how it ended, how long it took, what it cost, and in how many attempts. */
export function bill(workload: WorkloadDetail, now: number): string {
  const latest = workload.attemptList[0]
  const each = workload.replicas > 1 ? ' each' : ''
  const ended = workload.exitCode === null ? workload.state : `${workload.state} with exit code ${workload.exitCode}`
  return [
    `${workload.name} ${ended}`,
    ...(workload.startedAt ? [`ran ${took(workload.startedAt, workload.endedAt, now)}`] : []),
    `cost ${spentSoFar(workload).text}${latest ? ` at ${latest.pricePerHour.text}/h${each}` : ''}`,
    count(workload.attempts, 'attempt'),
  ].join(' · ')
}
