import { formatMoney } from '#kit/money.ts'
import type { Change } from '#model/change.ts'
import type { WorkloadFacts } from './facts.ts'

const msPerHour = 3_600_000n

/**
 * When so many micro-dollars are spent, if what is billed now stays as it is: now at the latest when they are already,
 * never (`Infinity`) while nothing is billed.
 */
export function spentAt(facts: WorkloadFacts, micros: bigint, now: number): number {
  const left = micros - facts.spentMicros
  if (left <= 0n) return now
  const leases = [...facts.attempts.map(({ lease }) => lease), ...facts.leftovers]
  const billed = leases.filter(({ startedAt, endedAt }) => startedAt !== null && endedAt === null)
  const perHour = billed.reduce((sum, { priceMicros }) => sum + BigInt(priceMicros), 0n)
  // Rounded up; where the ledger rounds a lease down, it is looked at once more.
  return perHour === 0n ? Infinity : now + Number((left * msPerHour + perHour - 1n) / perHour)
}

/** What has to be spent until there is something to warn of, at least something; null when that is done, or no budget. */
const warningMicros = ({ workload, warned }: WorkloadFacts): bigint | null => {
  const { budget } = workload.spec
  return budget === undefined || warned ? null : BigInt(Math.max(1, Math.floor(budget.limitMicros * budget.warnAt)))
}

/** When there is a warning to be told. */
export function warningAt(facts: WorkloadFacts, now: number): number {
  const micros = warningMicros(facts)
  return micros === null ? Infinity : spentAt(facts, micros, now)
}

/** Tells, once, that a budget is nearly used up. */
export function warn(facts: WorkloadFacts, now: number): Change[] {
  const { workload, spentMicros } = facts
  const { id, name, project, spec } = workload
  if (spec.budget === undefined || warningAt(facts, now) > now) return []
  const { limitMicros } = spec.budget
  const message = `${name} has spent ${formatMoney(spentMicros)} of its budget of ${formatMoney(BigInt(limitMicros))}`
  const data = { spentMicros: String(spentMicros), limitMicros }
  return [{ change: 'warn', event: { type: 'budget.warned', workload: id, project, message, data } }]
}
