import { costMicros, formatMoney } from '#kit/money.ts'
import type { Invariant, Seen } from './invariant.ts'
import { createPatience } from './patience.ts'
import { type LeaseRow, spentKey } from './tables.ts'

/** What is decided within a round counts on what was spent and held when the round was read. */
const roundMs = 10_000

/**
 * Whose budget is used up is stopped, and starts nothing any more: it costs no more above it than what it holds costs
 * until that has ended.
 */
export function budgetsHold(): Invariant {
  const patience = createPatience()
  const usedUp = new Map<string, number>()
  return {
    name: 'budgets are kept, but for what ends of what was held',
    rule: 9,
    when: 'always',
    check(seen) {
      const over = overspent(seen)
      for (const { key } of over) if (!usedUp.has(key)) usedUp.set(key, seen.now)
      for (const key of usedUp.keys()) if (!over.some((one) => one.key === key)) usedUp.delete(key)
      const holding = over.flatMap(({ key, stops, leases }) =>
        leases.map((lease) => ({
          key: `${key} ${lease.id}`,
          isAble: stops && seen.able(`${lease.provider}/${lease.site}`),
          mostMs: seen.bounds.endMs + lease.graceMs,
        })),
      )
      return [
        ...over.flatMap(({ key, leases, spent, limit }) =>
          leases
            .filter(({ createdAt }) => createdAt > (usedUp.get(key) ?? 0) + roundMs + seen.bounds.skewMs)
            .map(
              ({ id }) =>
                `lease ${id} was placed though ${key} had spent ${formatMoney(spent)} of ${formatMoney(limit)}`,
            ),
        ),
        ...[...patience(seen.now, holding)].map((key) => `${key} is still held though the budget is used up`),
      ]
    },
  }
}

type Overspent = { key: string; stops: boolean; leases: readonly LeaseRow[]; spent: bigint; limit: bigint }

function overspent(seen: Seen): Overspent[] {
  const { tables, known } = seen
  const budgeted = workloadBudgets(seen)
  const projects = [...tables.projects.values()].flatMap(({ name, budgetMicros }): Overspent[] => {
    if (budgetMicros === null) return []
    const leases = [...known.leases.values()].filter(({ project }) => project === name)
    const spent = spentOf(seen, spentKey('project', name), leases)
    return [{ key: spentKey('project', name), stops: false, leases, spent, limit: BigInt(budgetMicros) }]
  })
  return [...budgeted, ...projects].filter(({ spent, limit }) => spent >= limit)
}

function workloadBudgets(seen: Seen): Overspent[] {
  const budgets: Overspent[] = []
  for (const { id, spec } of seen.known.workloads.values()) {
    if (!spec.budget) continue
    const { limitMicros, whenUsed } = spec.budget
    const key = spentKey('workload', id)
    const leases = seen.known.leasesOf(id)
    const spent = spentOf(seen, key, leases)
    budgets.push({ key, stops: whenUsed === 'stop', leases, spent, limit: BigInt(limitMicros) })
  }
  return budgets
}

/**
 * What is spent above a budget that stops its work is no more than what all of it costs in the time that the house takes
 * to tell it to end: that time is stated (`budgetMs`), and runs only while the house can.
 */
export function budgetsStopInTime(): Invariant {
  /** Of each workload whose budget is used up, for how long nobody could do anything about that. */
  const held = new Map<string, number>()
  let before = 0
  return {
    name: 'a budget that stops is exceeded by no more than its end costs',
    rule: 9,
    when: 'always',
    check(seen) {
      const { now, able, bounds } = seen
      const passed = before === 0 ? 0 : now - before
      before = now
      const over = workloadBudgets(seen).filter(({ stops, spent, limit }) => stops && spent >= limit)
      const keys = new Set(over.map(({ key }) => key))
      for (const key of held.keys()) if (!keys.has(key)) held.delete(key)
      return over.flatMap(({ key, leases, spent, limit }) => {
        held.set(key, (held.get(key) ?? 0) + (able() ? 0 : passed))
        const goesOn = leases.filter(({ state }) => state === 'starting' || state === 'held')
        const hourly = leases.reduce((sum, { priceMicros }) => sum + priceMicros, 0)
        const reactionMs = bounds.budgetMs + bounds.skewMs + (held.get(key) ?? 0)
        if (goesOn.length === 0 || spent - limit <= costMicros(BigInt(hourly), reactionMs)) return []
        return [
          `${key} has spent ${formatMoney(spent)} of ${formatMoney(limit)}, and [${goesOn.map(({ id }) => id)}] go on`,
        ]
      })
    },
  }
}

/** What the ledger has, and what it will have of what is held. */
const spentOf = ({ tables: { spent }, now }: Seen, key: string, leases: readonly LeaseRow[]): bigint =>
  leases.reduce(
    (sum, { priceMicros, meteredUntil, endedAt }) =>
      sum +
      (meteredUntil === null ? 0n : costMicros(BigInt(priceMicros), Math.max(0, (endedAt ?? now) - meteredUntil))),
    spent.get(key)?.amountMicros ?? 0n,
  )
