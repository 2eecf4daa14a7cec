import type { Line } from '#engine/queue/line.ts'
import { expectedMsAtLeast } from '#model/spec/throughput.ts'

import type { Asked, Snapshot } from './facts.ts'
import type { Planned } from './planned.ts'
import { lateAt } from './repairing.ts'

type Looked = { waiting: Iterable<Asked>; line: Line; planned: Iterable<Planned>; now: number }

/**
 * When time alone may change what is decided of those who wait, though nothing is heard of until then: a promised start
 * comes, a site may be asked again, somebody has waited long enough to have others leave, a block begins, a deadline
 * cannot be met any more or its plan decides anew. Milliseconds since the epoch, later than now; Infinity where it changes nothing.
 */
export function looksAgainAt(
  { sites, leases }: Pick<Snapshot, 'sites' | 'leases'>,
  { waiting, line, planned, now }: Looked,
): number {
  let soonest = Infinity
  const at = (instant: number | undefined): void => {
    if (instant !== undefined && instant > now && instant < soonest) soonest = instant
  }
  at(line.looksAgainAt())
  // Of who leaves is heard when it has left. Until then, and at a site that is away for long, that is a grace from now.
  const leave = new Set(leases.filter(({ leaves }) => leaves).map(({ endsAt }) => endsAt))
  for (const promise of line.reservations()) if (!leave.has(promise.at)) at(promise.at)
  for (const { offers } of sites) for (const { from } of offers) at(from)
  for (const plan of planned) at(plan.choice()?.again)
  for (const asked of waiting) {
    const { replica, workload } = asked
    const { deadline } = workload.spec
    for (const site in replica.avoid) at(replica.avoid[site])
    if (deadline !== undefined) at(deadline - (expectedMsAtLeast(workload.spec) ?? 0) + 1)
    at(lateAt(asked))
  }
  return soonest
}
