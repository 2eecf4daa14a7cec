import type { Preemption } from '#model/preemption.ts'
import { hourMs, leave, type Preempting, type Victim } from '#store/queries/preempt.ts'
import { apply } from './apply.ts'
import type { Memory } from './memory.ts'
import type { AttemptRow } from './rows.ts'
import { all, siteOf } from './tables.ts'

/** Stops the attempts that are to leave for somebody. Returns the workloads for which nobody leaves. */
export function preempt(memory: Memory, preempting: Preempting[], now: number): Set<string> {
  const vain = new Set(preempting.map(({ workload }) => workload))
  const there = new Map(
    preempting
      .flatMap(({ leases }) => leases)
      .flatMap((lease) => {
        const victim = victimOf(memory, lease)
        return victim ? [[lease, victim]] : []
      }),
  )
  for (const { workload, reason, leases, isMove } of preempting) {
    const victims = leases.flatMap((lease) => there.get(lease) ?? [])
    if (victims.length < leases.length) continue
    vain.delete(workload)
    for (const lease of leases) there.delete(lease)
    apply(
      memory,
      victims.flatMap((victim) => leave(victim, reason)),
      now,
    )
    for (const { attempt } of victims) {
      const row = memory.attempts.get(attempt)
      if (row) memory.attempts.update(row, { preemptedFor: workload, preemptedAt: now, moved: isMove })
    }
  }
  return vain
}

function victimOf({ leases, attempts }: Memory, id: string): Victim | undefined {
  const lease = leases.get(id)
  const attempt = attempts.get(lease?.attempt ?? '')
  if (!lease || !attempt || (attempt.state !== 'starting' && attempt.state !== 'running')) return undefined
  const { state } = lease
  if (state !== 'wanted' && state !== 'starting' && state !== 'held') return undefined
  return { lease: id, attempt: attempt.id, site: siteOf(lease), state }
}

/** Who was preempted for whom in the last hour, or both of whom are still to end. */
export function readPreemptions({ attempts, workloads }: Memory, now: number): Preemption[] {
  const lately = attempts.preempted.get(all).slice(attempts.preempted.behind(all, [now - hourMs]))
  const before = [...attempts.preemptedOf.keys()].flatMap((id) =>
    workloads.get(id)?.endedAt === null
      ? attempts.preemptedOf.get(id).filter((attempt) => {
          const isOld = (attempt.preemptedAt ?? now) <= now - hourMs
          return isOld && workloads.get(attempt.preemptedFor ?? '')?.endedAt === null
        })
      : [],
  )
  return [...lately, ...before]
    .flatMap((attempt) => preemptionOf(attempt, workloads.get(attempt.workload)?.project))
    .sort((a, b) => a.at - b.at || (a.victim < b.victim ? -1 : 1))
}

function preemptionOf(attempt: AttemptRow, project: string | undefined): Preemption[] {
  const { workload, preemptedFor: by, preemptedAt: at, moved } = attempt
  return project === undefined || by === null || at === null
    ? []
    : [{ victim: workload, project, by, at, isMove: moved }]
}
