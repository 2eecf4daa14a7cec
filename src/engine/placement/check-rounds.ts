import type { Decision } from '#model/plan.ts'

import { check } from './check.ts'
import type { Asked, Snapshot } from './facts.ts'
import { overdueMs, type PlaceInput } from './place.ts'

/** One of the rounds that follow each other: its facts, and what was decided on them. */
export type Seen = { input: PlaceInput; decisions: Decision[] }

type Facts = Seen & { before: Seen | null; isSteady: boolean; key: (decision: Decision) => string }

/**
 * What is wrong with rounds that follow each other, in words: with each of them, and with what was promised from one to
 * the next. Like all of the checker it shares no code with the engine.
 *
 * A promised start only comes nearer and is kept, while sites and projects stay as they are and nobody runs longer than
 * was known. Waiting is bounded, where each runs for `longestMs` at the most. Work is preempted for somebody who then
 * starts, and for nobody for whom it was preempted already.
 */
export function checkRounds(rounds: readonly Seen[], longestMs: number): string[] {
  const [promises, claims, left] = [
    new Map<string, number>(),
    new Map<string, Set<string>>(),
    new Map<string, Set<string>>(),
  ]
  const since = sinceOf(rounds)
  return rounds.flatMap((seen, i) => {
    const before = rounds[i - 1] ?? null
    const isSteady = before !== null && staysTheSame(before, seen)
    const facts = { ...seen, before, isSteady, key: ({ workload, replica }: Decision) => `${workload} ${replica}` }
    if (!isSteady) {
      promises.clear()
      claims.clear()
    }
    return [
      ...check(seen.input, seen.decisions),
      ...claimsKept(facts, claims),
      ...promisesKept(facts, promises),
      ...waitsBounded(facts, since, longestMs),
      ...preemptsOnce(facts, left),
    ].map((text) => `round ${i}: ${text}`)
  })
}

/** Whether nothing has changed but who runs and who waits, and nobody ran longer than was known. */
function staysTheSame({ input: { snapshot: old } }: Seen, { input: { snapshot, now } }: Seen): boolean {
  const ends = new Map(old.leases.map(({ id, endsAt }) => [id, endsAt ?? Infinity]))
  const isLate = snapshot.leases.some(({ id }) => (ends.get(id) ?? Infinity) <= now)
  return !isLate && rulesOf(old) === rulesOf(snapshot)
}

const rulesOf = ({ sites, projects }: Snapshot): string => JSON.stringify([sites, projects])

/**
 * `promises`: when the first of those who want the same is to start at the latest. One of them who had to leave comes back
 * with its age, and may be the first again.
 */
function* promisesKept({ input, decisions, key }: Facts, promises: Promises): Iterable<string> {
  const askedOf = new Map(input.snapshot.waiting.map((asked) => [nameOf(asked), asked]))
  for (const [wish, all] of Map.groupBy(decisions, (decision) => wishOf(askedOf.get(key(decision))))) {
    const latest = promises.get(wish) ?? Infinity
    const [first] = all.map(key)
    promises.delete(wish)
    if (all.some(({ placement }) => placement)) {
      if (input.now > latest) yield `${first} starts later than was promised`
      continue
    }
    const at = Math.min(...all.map(({ refusal }) => refusal?.start?.at ?? Infinity))
    if (input.now >= latest) yield `${first} waits though its start was promised`
    else if (at > latest) yield `the start of ${first} is put off, or promised no more`
    if (at < Infinity) promises.set(wish, at)
  }
}

type Promises = Map<string, number>

const nameOf = ({ workload, replica }: Asked): string => `${workload.id} ${replica.replica}`
const wishOf = (asked: Asked | undefined): string =>
  JSON.stringify(asked && [asked.workload.project, asked.workload.priority, { ...asked.workload.spec, name: '' }])

/**
 * Whoever is overdue goes before all who came later. Those who came earlier, and one to whom a start was promised, go before
 * it; each of them is over after it waited for all who run, and then ran itself. `since`: when all came that ever waited.
 */
function* waitsBounded({ input: { now }, decisions, key }: Facts, since: Since, longestMs: number): Iterable<string> {
  for (const decision of decisions) {
    if (decision.placement || decision.refusal?.impossible) continue
    const came = since.get(key(decision)) ?? now
    const earlier = [...since.values()].filter((other) => other < came).length
    if (now > came + overdueMs + 2 * (earlier + 2) * longestMs) yield `${key(decision)} waits beyond all bounds`
  }
}

type Since = ReadonlyMap<string, number>

/** When all came that wait in any round; who ran already in the first one came before. */
const sinceOf = (rounds: readonly Seen[]): Since =>
  new Map([
    ...(rounds[0]?.input.snapshot.leases ?? []).map(({ id }) => [id, -Infinity] as const),
    ...rounds.flatMap(({ input: { snapshot } }) =>
      snapshot.waiting.map((asked) => [nameOf(asked), asked.workload.createdAt] as const),
    ),
  ])

/** For each the leases that have to be gone. */
type Claims = Map<string, Set<string>>

/** Once all have left who had to leave for somebody, it starts. */
function* claimsKept({ input: { snapshot }, decisions, key }: Facts, claims: Claims): Iterable<string> {
  const there = new Set(snapshot.leases.map(({ id }) => id))
  for (const decision of decisions) {
    const name = key(decision)
    const claim = claims.get(name)
    const isFree = claim !== undefined && [...claim].every((id) => !there.has(id))
    if (isFree && !decision.placement) yield `all have left for ${name}, and it does not start`
    if (claim && !isFree && decision.preempts) yield `${name} preempts again while others leave for it`
    if (isFree || decision.placement) claims.delete(name)
  }
  for (const decision of decisions) {
    const { preempts = [] } = decision
    if (preempts.length > 0) claims.set(key(decision), new Set(preempts.map(({ lease }) => lease)))
  }
}

/** `left`: who left for each, directly or in several steps, in all rounds so far. */
function* preemptsOnce({ decisions }: Facts, left: Map<string, Set<string>>): Iterable<string> {
  for (const { workload, preempts = [] } of decisions)
    for (const victim of preempts.map((one) => one.workload)) {
      if (left.get(victim)?.has(workload)) yield `${workload} preempts ${victim}, for which it had to leave`
      const reached = [victim, ...(left.get(victim) ?? [])]
      for (const [by, all] of [...left, [workload, left.get(workload) ?? new Set<string>()] as const])
        if (by === workload || all.has(workload)) left.set(by, new Set([...all, ...reached]))
    }
}
