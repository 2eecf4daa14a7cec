import type { Invariant, Seen } from './invariant.ts'
import type { AttemptRow } from './tables.ts'

/**
 * Of one replica one attempt runs. An older one may still be there while a newer one begins, but only behind its fence: it
 * has ended, its lease is stopping or lost and so is retired, and its number is lower, so that nobody hears it any more.
 */
export const nothingRunsTwice = (): Invariant => ({
  name: 'nothing runs twice',
  rule: 6,
  when: 'always',
  check: (seen) =>
    severalOf(running(seen), ({ workload }) => workload)
      .flatMap((its) => severalOf(its, ({ replica }) => replica))
      .flatMap((several) => {
        const [latest, ...older] = several.sort((a, b) => b.number - a.number)
        return older
          .filter(({ id, endedAt }) => endedAt === null || !isFenced(id, seen))
          .map(
            ({ id, workload, replica, state }) =>
              `replica ${replica} of ${workload} runs as ${latest?.id}, and also as ${id}, which is ${state} and not fenced`,
          )
      }),
})

/** Those that have a key in common with another one. */
const severalOf = <Key>(attempts: AttemptRow[], of: (attempt: AttemptRow) => Key): AttemptRow[][] =>
  [...Map.groupBy(attempts, of).values()].filter(({ length }) => length > 1)

function running({ gangs, known, tables }: Seen): AttemptRow[] {
  return gangs.flatMap(({ gang }) => {
    const lease = gang.closed ? undefined : known.leases.get(gang.token)
    const attempt = lease && tables.attempts.get(lease.attempt)
    return attempt ? [attempt] : []
  })
}

function isFenced(attempt: string, { known }: Seen): boolean {
  const lease = known.leaseOf(attempt)
  return (
    (lease?.state === 'stopping' || lease?.state === 'lost') &&
    known.operationOf(lease.id, 'retire')?.state === 'intended'
  )
}

/** Attempts of a workload are numbered from 1 without a gap, each has one lease, and only the latest of a replica lives. */
export function attemptsAreNumbered(): Invariant {
  const last = new Map<string, number>()
  const leases = new Map<string, string>()
  return {
    name: 'attempts are numbered, and the latest of a replica fences the others',
    rule: 6,
    when: 'always',
    check({ changes, known }) {
      const placed = changes.attempts
        .flatMap(({ before, after }) => (before === null && after ? [after] : []))
        .sort((a, b) => a.number - b.number)
      const numbers = placed.flatMap(({ id, workload, number }) => {
        const expected = (last.get(workload) ?? 0) + 1
        last.set(workload, number)
        return number === expected
          ? []
          : [`attempt ${id} of ${workload} has the number ${number} instead of ${expected}`]
      })
      const counts = changes.workloads.flatMap(({ key, after }) => {
        const made = last.get(key) ?? 0
        return after && after.attempts !== made
          ? [`${key} counts ${after.attempts} attempts, and ${made} were made`]
          : []
      })
      const twoLeases = changes.leases.flatMap(({ key, before, after }) => {
        if (before !== null || !after) return []
        const other = leases.get(after.attempt)
        leases.set(after.attempt, key)
        return other === undefined ? [] : [`attempt ${after.attempt} has the leases ${other} and ${key}`]
      })
      const overtaken = placed.flatMap(({ workload, replica, number }) =>
        known
          .attemptsOf(workload, replica)
          .filter((other) => other.number < number)
          .map(
            ({ id }) =>
              `attempt ${id} of ${workload} lives, and attempt ${number} of its replica ${replica} was placed`,
          ),
      )
      for (const { key, after } of changes.workloads) if (after === null) last.delete(key)
      for (const { before, after } of changes.leases) if (before && !after) leases.delete(before.attempt)
      return [...numbers, ...counts, ...twoLeases, ...overtaken]
    },
  }
}
