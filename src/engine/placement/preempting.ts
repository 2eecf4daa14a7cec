import { Ledger } from '#engine/preemption/ledger.ts'
import type { LineOptions } from '#engine/queue/line-options.ts'
import type { Preempts } from '#engine/queue/request.ts'
import type { Preempted, Refusal } from '#model/plan.ts'
import { mayPreempt } from '#model/project.ts'
import { siteKey } from '#model/site.ts'

import type { LiveLease } from '#model/live-lease.ts'
import type { Asked, Snapshot } from './facts.ts'
import { idOf } from './queue.ts'
import type { Round } from './round.ts'

/** A worker of an array or a copy of a service loses no more than the work that it is at. */
const mostLostMs = 60_000

const hourMs = 3_600_000

type Leaving = Pick<LineOptions, 'preemption' | 'ledger' | 'losesOf' | 'movesPerHour' | 'mayMove'>

/** What the line goes by when work is to leave for other work; nothing where no project may ask for that, and nobody is moved. */
export function preemptionOf(
  { projects, sites, preemptions = [] }: Snapshot,
  { leases, started, now }: Round,
  movesPerHour: number,
): Leaving {
  if (movesPerHour === 0 && !projects.some(mayPreempt)) return {}
  const ledger = new Ledger()
  for (const { by, victim, project, at, isMove } of preemptions) {
    ledger.note(by, { id: victim, project }, at)
    if (isMove) ledger.noteMove(at)
  }
  // Nobody is moved who had to leave an hour ago or less.
  const disturbed = new Set(preemptions.filter(({ at }) => at > now - hourMs).map(({ victim }) => victim))
  const movable = new Set(
    leases.filter((one) => one.movable && !one.beside?.spares && !disturbed.has(one.workload)).map(({ id }) => id),
  )
  const mostOf = new Map(leases.map((lease) => [lease.id, mostLostOf(lease)]))
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
      const lease = started.get(id)
      if (lease) return { mostMs: mostLostOf(lease), restartMs: 0 }
      // Whom nobody has written down yet cannot be told to leave.
      if (!isLease(id) || away.has(leaseOf(id))) return null
      return { mostMs: mostOf.get(leaseOf(id)) ?? Infinity, restartMs: 0 }
    },
    movesPerHour,
    mayMove: ({ id }) => isLease(id) && movable.has(leaseOf(id)),
  }
}

/** Who writes checkpoints loses half of what lies between two of them, as its run is priced (decision 26). */
const mostLostOf = ({ kind, savesEveryMs }: LiveLease): number =>
  Math.min(kind === 'job' ? Infinity : mostLostMs, (savesEveryMs ?? Infinity) / 2)

/** What a lease, or a part of one, goes by in a round. */
export const heldId = (lease: LiveLease, ground: number, part: number): string => `lease ${lease.id} ${ground} ${part}`

const isLease = (id: string): boolean => id.startsWith('lease ')
const leaseOf = (id: string): string => id.split(' ')[1] ?? ''

/** Those who leave, each once. */
export function makingOf({ victims, cause }: Preempts, round: Round): Making {
  return { victims: victimsOf(victims, round), isMove: cause === 'moves' }
}

function victimsOf(held: Iterable<string>, { leases, started }: Round): Preempted[] {
  const ids = new Set(Array.from(held, (id) => started.get(id)?.id ?? leaseOf(id)))
  const leaving = leases.filter(({ id }) => ids.has(id))
  return leaving.map(({ id, workload, name = workload }) => ({ lease: id, workload, name }))
}

/** Those who still leave for somebody since a round before, by the one for whom they do. */
export function stillMaking(waiting: readonly Asked[], round: Round): Map<string, Making> {
  const made = new Map(round.promises().flatMap(({ request, victims }) => (victims ? [[request.id, victims]] : [])))
  return new Map(
    waiting.flatMap((asked): [string, Making][] => {
      const victims = asked.start?.made && made.get(idOf(asked))
      return victims
        ? [[idOf(asked), { victims: victimsOf(victims, round), isMove: asked.start?.made === 'moving' }]]
        : []
    }),
  )
}

/** The workloads that had to leave for one to whom room was promised for that reason. */
export function leftFor({ workload, start }: Asked, { preemptions = [] }: Snapshot): Set<string> | null {
  if (!start?.made) return null
  return new Set(preemptions.filter(({ by }) => by === workload.id).map(({ victim }) => victim))
}

/** When all of them have left, if each takes the grace that it has. */
export function goneAt(victims: readonly Preempted[], { leases, now }: Round): number {
  const ids = new Set(victims.map(({ lease }) => lease))
  const left = leases
    .filter(({ id }) => ids.has(id))
    .map(({ leaves, endsAt, graceMs = 0 }) => (leaves && typeof endsAt === 'number' ? endsAt : now + graceMs))
  return Math.max(now, ...left)
}

const mostNames = 3

/** Those who leave for somebody: for good, or to start elsewhere. */
export type Making = { victims: Preempted[]; isMove: boolean }

/** What somebody is told for whom others have to leave. */
export function makingRoom({ victims, isMove }: Making): Refusal {
  const names = [...new Set(victims.map(({ name }) => name))]
  const others = names.length > mostNames ? ` and ${names.length - mostNames} more` : ''
  const one = names.length === 1
  const leave = isMove ? (one ? 'moves elsewhere' : 'move elsewhere') : `${one ? 'has' : 'have'} to leave`
  return {
    cause: isMove ? 'moving' : 'preempting',
    text: `Room is made for it: ${names.slice(0, mostNames).join(', ')}${others} ${leave}, and what ${one ? 'it holds' : 'they hold'} is kept for it.`,
    frees: `${names[0]} ending within its grace.`,
    next: [`isobar describe ${names[0]}`],
  }
}
