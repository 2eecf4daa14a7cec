import type { Event } from '#model/event.ts'
import type { Invariant, Seen } from './invariant.ts'
import { createPatience } from './patience.ts'
import type { WorkloadRow } from './tables.ts'

/** Who waits is told why within a short time. */
export function whoWaitsIsTold(): Invariant {
  const patience = createPatience()
  return {
    name: 'who waits is told why',
    rule: 8,
    when: 'always',
    check(seen) {
      const waiting = [...seen.known.workloads.values()].filter(waitsUntold)
      const passing = waiting.map(({ id }) => ({ key: id, isAble: seen.able(), mostMs: seen.bounds.tellMs }))
      const overdue = patience(seen.now, passing)
      return waiting.filter(({ id }) => overdue.has(id)).map(({ id }) => `${id} waits, and is not told why`)
    },
  }
}

const waitsUntold = ({ state, wants, refusal, reason }: WorkloadRow): boolean =>
  state === 'queued' && wants === 'run' && refusal === null && reason === ''

/** What has ended says how: a reason and a code that fit. */
export const endsAreExplained = (): Invariant => ({
  name: 'what has ended says why and with which code',
  rule: 8,
  when: 'always',
  check: ({ changes }) =>
    changes.workloads.flatMap(({ key, after }) => {
      if (!after || after.endedAt === null) return []
      const { state, reason, exitCode } = after
      return [
        ...(state === 'succeeded' && exitCode !== 0 ? [`${key} succeeded with the code ${exitCode}`] : []),
        ...(state === 'failed' && !exitCode ? [`${key} failed with the code ${exitCode}`] : []),
        ...(state !== 'succeeded' && reason === '' ? [`${key} is ${state}, and no reason says why`] : []),
      ]
    }),
})

/** When all is done, everything has ended, runs where it should, is held back, or says what it waits for and what helps. */
export const everythingEndsOrWaits = (): Invariant => ({
  name: 'everything ends, or says what it waits for',
  rule: 8,
  when: 'at rest',
  check: (seen) => [...seen.known.workloads.values()].flatMap((workload) => unfinished(workload, seen)),
})

function unfinished({ id, state, refusal, reason, kind }: WorkloadRow, { known }: Seen): string[] {
  switch (state) {
    case 'held':
      return reason === '' ? [`${id} is held, and no reason says why`] : []
    case 'queued': {
      if (!refusal) return [`${id} waits, and has no refusal: "${reason}"`]
      const helps = refusal.impossible === true || (refusal.frees ?? '') !== '' || refusal.next.length > 0
      return refusal.text !== '' && helps ? [] : [`${id} waits, and nothing says what helps: "${refusal.text}"`]
    }
    case 'running':
      return known.attempts.values().some(({ workload }) => workload === id)
        ? []
        : [`${kind} ${id} is running, and no attempt of it lives`]
    default:
      return [`${id} is still ${state}`]
  }
}

/** Whoever reads events gets each once, in order, with what has happened to each workload and attempt among them. */
export function eventsAreInOrder(): Invariant {
  let last: bigint[] = []
  let read = 0
  const told = new Map<string, number>()
  return {
    name: 'events come in order, each once, and tell every end',
    rule: 8,
    when: 'always',
    check({ events, changes, tables }) {
      const disordered = events.flatMap(({ cursor, type }) => {
        const position = positionOf(cursor)
        const isLater = compare(last, position) < 0
        last = position
        return isLater ? [] : [`the event ${cursor} (${type}) does not come after the one before`]
      })
      read += events.length
      for (const event of events) for (const key of keysOf(event)) told.set(key, (told.get(key) ?? 0) + 1)
      const skipped =
        tables.counts.events > read ? [`${tables.counts.events} events are there, and ${read} were read`] : []
      return [...disordered, ...skipped, ...untold(changes, told)]
    },
  }
}

function untold(changes: Seen['changes'], told: Map<string, number>): string[] {
  const ends = [
    ...changes.workloads.flatMap(({ key, before, after }) => {
      if (before === null && after) return [`workload.submitted ${key}`]
      return after && after.endedAt !== null && before?.endedAt === null ? [`workload.${after.state} ${key}`] : []
    }),
    ...changes.attempts.flatMap(({ key, before, after }) => [
      ...(before === null && after ? [`attempt.placed ${key}`] : []),
      ...(after && after.endedAt !== null && (before?.endedAt ?? null) === null
        ? [`attempt.${after.state} ${key}`]
        : []),
    ]),
  ]
  const breaches = ends.flatMap((key) => (told.get(key) === 1 ? [] : [`${key} was told ${told.get(key) ?? 0} times`]))
  for (const key of ends) told.delete(key)
  return breaches
}

/** What an event is counted by. */
function keysOf({ type, workload, data }: Event): string[] {
  if (type.startsWith('workload.')) return [`${type} ${workload}`]
  return type.startsWith('attempt.') ? [`${type} ${String(data['attempt'])}`] : []
}

const positionOf = (cursor: string): bigint[] => cursor.split('-').map(BigInt)

function compare(a: readonly bigint[], b: readonly bigint[]): number {
  const i = b.findIndex((part, at) => part !== a[at])
  return i === -1 ? 0 : (a[i] ?? -1n) < (b[i] ?? 0n) ? -1 : 1
}
