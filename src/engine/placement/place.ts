import type { SteeringPlan } from '#engine/market/steer.ts'
import { Line } from '#engine/queue/line.ts'
import type { Decision } from '#model/plan.ts'
import type { Policy } from '#model/policy.ts'

import { createAnswers } from './answers.ts'
import { createEntry } from './entry.ts'
import type { Snapshot } from './facts.ts'
import { idOf } from './queue.ts'
import { groundOf } from './market.ts'
import { leftFor, preemptionOf } from './preempting.ts'
import { comebacksOf, holdKept, isLate, repair, withLostNodes } from './repairing.ts'
import { openRound } from './round.ts'
import type { Queue } from './rows.ts'
import { adoptAll } from './running.ts'
import { sharesOf } from './shares.ts'
import { Sitting } from './sitting.ts'

export type PlaceInput = {
  snapshot: Snapshot
  /** Milliseconds since the epoch. */
  now: number
  /** Rules of the house, where a project has none of its own. */
  defaults?: Policy
  /** The plan over aggregates, where there is one: it steers where there is a choice, and bars nothing. */
  plan?: SteeringPlan
  /** So many may be moved in an hour, to free a domain for others or to cheaper capacity; nobody when absent. */
  movesPerHour?: number
}

/**
 * The oldest in each cell goes before all others once it has waited so long. On Philly's trace with seven days for 28 the
 * mean wait is more than twice as long: where there is too little for weeks, they all come to be overdue.
 */
export const overdueMs = 28 * 86_400_000

/** Nobody leaves for who starts by itself before it has waited so long, this time. */
export const patienceMs = 60_000

/**
 * Decides where waiting replicas go: the whole engine in one page.
 *
 * Those who want the same stand in one row. For each row every offer is asked the hard rules in turn (`rules.ts`); the
 * offers that are left, in the order in which they are preferred (`preference.ts`), are its options. The line
 * (`engine/queue/line.ts`) asks the first of each row: by priority, then by the share of its project, then by age. It
 * takes the first option with quota and room, whole or not at all: the tightest domain of the site that holds it.
 *
 * Who finds no room is promised a start, from the known ends of those who run; others go ahead only where that does not
 * delay it. Promises of earlier rounds are made again before anybody is asked, the oldest first: while nobody runs longer
 * than was known, they only come nearer.
 *
 * Pure, and the same bit for bit whatever the order of the arrays in the snapshot. The answer is in queue order and has
 * a decision for each replica that may be placed now, up to the first that waits behind somebody who was not read; every
 * refusal explains itself.
 */
export const place = (input: PlaceInput): Decision[] => sit(input).decisions

/** The same, and what it has found out is kept, so that it can go on with news. */
export function sit({ snapshot, now, defaults = {}, plan, movesPerHour = 0 }: PlaceInput): Sitting {
  const round = openRound({ ...snapshot, sites: withLostNodes(snapshot) }, now, plan)
  round.moves = movesPerHour > 0
  const entry = createEntry(snapshot, { round, defaults })
  const queue = entry.queue
  const comebacks = comebacksOf(round.leases, round.market, queue)
  const answers = createAnswers(round, queue)
  const line = new Line({
    cells: round.market.grounds.map(({ cell }) => cell),
    quotas: [...round.quotaOf.values()],
    shares: sharesOf(snapshot, round),
    overdueMs,
    patienceMs,
    ...preemptionOf(snapshot, round, movesPerHour),
    choose: answers.choose,
    decided: answers.decided,
  })
  round.promisedIn = (cell) => line.promisedIn(cell)
  round.promises = () => line.reservations()
  const apart = new Set([...comebacks.values()].map(({ lease }) => lease))
  const standing = adoptAll(line, round, { apart, asTheyStand: movesPerHour > 0 })
  for (const comeback of comebacks.values()) holdKept(line, comeback, now)
  entry.submit(line, queue.waiting)
  const comeBack = (isTold: boolean): void => {
    for (const comeback of comebacks.values())
      if (isTold === Boolean(comeback.asked.start?.repairs))
        answers.comesBack(comeback, isLate(comeback, now) ? null : repair(line, comeback))
  }
  // Who was told already which nodes it gets goes before promises, and others after them.
  comeBack(true)
  for (const asked of promisedBefore(queue)) {
    const ground = asked.start && groundOf(round.market, asked.start)
    if (ground) line.promise(idOf(asked), ground.number, { now, left: leftFor(asked, snapshot) })
  }
  comeBack(false)
  const taken = line.turn(now)
  return new Sitting(snapshot, { line, round, entry, answers, standing }, taken)
}

/** Who was promised a start in an earlier round, the oldest promise first. */
const promisedBefore = ({ waiting, rowOf }: Queue) =>
  waiting
    .filter((asked) => asked.start && !asked.start.repairs && rowOf.has(idOf(asked)))
    .sort((a, b) => (a.start?.order ?? 0) - (b.start?.order ?? 0) || (idOf(a) < idOf(b) ? -1 : 1))
