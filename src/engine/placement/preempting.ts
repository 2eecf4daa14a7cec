import { Ledger } from '#engine/preemption/ledger.ts'
import type { LineOptions } from '#engine/queue/line-options.ts'
import type { Preempts } from '#engine/queue/request.ts'
import type { Preempted, Refusal } from '#model/plan.ts'
import { mayPreempt } from '#model/project.ts'
import { siteKey } from '#model/site.ts'

import type { LiveLease } from '#model/live-lease.ts'
import type { Snapshot } from './facts.ts'
import type { Round } from './round.ts'

/** A worker of an array or a copy of a service loses no more than the work that it is at. */
const mostLostMs = 60_000

/** What the line goes by when work is to leave for other work; nothing where no project may ask for that. */
export function preemptionOf(
  { projects, sites, preemptions = [] }: Snapshot,
  { leases }: Round,
): Pick<LineOptions, 'preemption' | 'ledger' | 'losesOf'> {
  if (!projects.some(mayPreempt)) return {}
  const ledger = new Ledger()
  for (const { by, victim, project, at } of preemptions) ledger.note(by, { id: victim, project }, at)
  const workers = new Set(leases.filter(({ kind }) => kind !== 'job').map(({ id }) => id))
  const reachable = new Set(sites.filter(({ reach }) => reach === 'reachable').map(({ info }) => siteKey(info)))
  // What is told to a site that does not answer is done nobody knows when, and for so long nobody else would leave; and
  // who comes back to its nodes does not run there now.
  const away = new Set(
    leases.filter((one) => one.keptFor || !reachable.has(`${one.provider}/${one.site}`)).map(({ id }) => id),
  )
  return {
    preemption: new Map(projects.map(({ name, preemption }) => [name, preemption])),
    ledger,
    losesOf({ id }) {
      // Who is placed in this very round cannot be told to leave in it.
      if (!isLease(id) || away.has(leaseOf(id))) return null
      return { mostMs: workers.has(leaseOf(id)) ? mostLostMs : Infinity, restartMs: 0 }
    },
  }
}

/** What a lease, or a part of one, goes by in a round. */
export const heldId = (lease: LiveLease, ground: number, part: number): string => `lease ${lease.id} ${ground} ${part}`

const isLease = (id: string): boolean => id.startsWith('lease ')
const leaseOf = (id: string): string => id.split(' ')[1] ?? ''

/** Those who leave, each once. */
export function victimsOf({ victims }: Preempts, { leases }: Round): Preempted[] {
  const ids = new Set(victims.map(leaseOf))
  return leases
    .filter(({ id }) => ids.has(id))
    .map(({ id, workload, name = workload }) => ({ lease: id, workload, name }))
}

/** When all of them have left, if each takes the grace that it has. */
export function goneAt(victims: readonly Preempted[], { leases, now }: Round): number {
  const ids = new Set(victims.map(({ lease }) => lease))
  return now + Math.max(0, ...leases.map(({ id, graceMs = 0 }) => (ids.has(id) ? graceMs : 0)))
}

const mostNames = 3

/** What somebody is told for whom others have to leave. */
export function makingRoom(victims: readonly Preempted[]): Refusal {
  const names = [...new Set(victims.map(({ name }) => name))]
  const others = names.length > mostNames ? ` and ${names.length - mostNames} more` : ''
  const one = names.length === 1
  return {
    cause: 'preempting',
    text: `Room is made for it: ${names.slice(0, mostNames).join(', ')}${others} ${one ? 'has' : 'have'} to leave, and what ${one ? 'it holds' : 'they hold'} is kept for it.`,
    frees: `${names[0]} ending within its grace.`,
    next: [`isobar describe ${names[0]}`],
  }
}
