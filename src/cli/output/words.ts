import type { MoneyView } from '#api/run-views.ts'
import type { AttemptView, WorkloadView } from '#api/views.ts'
import type { Paint } from '#cli/io.ts'
import { roundDuration } from '#kit/duration.ts'
import { formatMoney, grouped, roundedMoney } from '#kit/money.ts'

/** How long ago a time was: whole seconds, for nobody reads the age of a thing more exactly. */
export const ago = (time: string, now: number): string =>
  roundDuration(Math.floor(Math.max(0, now - Date.parse(time)) / 1000) * 1000)

/** How long something took or has taken; nothing when it has not begun. */
export const took = (from: string | null, to: string | null, now: number): string =>
  from === null ? '' : roundDuration((to === null ? now : Date.parse(to)) - Date.parse(from))

/**
 * Money for a column of a table: as many decimals for all as the smallest amount needs, so that the points stand in one
 * line. Dollars are told to the cent, cents to the hundredth; the exact amounts are in the data.
 */
export function inColumn(amounts: readonly MoneyView[]): (money: MoneyView) => string {
  const decimals = Math.max(2, ...amounts.map(decimalsOf))
  return ({ micros }) => roundedMoney(BigInt(micros), decimals)
}

/** A cell of a column of money. */
export function moneyOf<T>(items: readonly T[], of: (item: T) => MoneyView): (item: T) => string {
  const shown = inColumn(items.map(of))
  return (item) => shown(of(item))
}

function decimalsOf({ micros }: MoneyView): number {
  const size = Math.abs(Number(micros))
  if (size >= 1_000_000 || size % 10_000 === 0) return 2
  return size >= 10_000 || size % 100 === 0 ? 4 : 6
}

/** Exact amounts for a column: all with the decimals of the longest. */
export function exactInColumn(amounts: readonly MoneyView[]): (money: MoneyView) => string {
  const most = Math.max(2, ...amounts.map(writtenDecimals))
  return (money) => money.text.padEnd(money.text.length + most - writtenDecimals(money), '0')
}

const writtenDecimals = ({ text }: MoneyView): number => text.length - text.lastIndexOf('.') - 1

/**
 * What a workload has spent by now. The ledger gets its lines from time to time and what attempts cost is reckoned to the
 * moment, but the ledger still knows those that are forgotten: each may lag, neither is too high.
 */
export function spentSoFar({ spent, attemptList = [] }: Spender): MoneyView {
  const micros = attemptList.reduce((sum, attempt) => sum + BigInt(attempt.spent.micros), 0n)
  return micros > BigInt(spent.micros) ? { micros: String(micros), text: formatMoney(micros) } : spent
}

type Spender = Pick<WorkloadView, 'spent'> & { attemptList?: Pick<AttemptView, 'spent'>[] }

/** A colour for a state, the same everywhere. */
export function paintOf(state: string): Paint | undefined {
  if (['running', 'succeeded', 'reachable', 'held'].includes(state)) return 'green'
  if (['failed', 'lost', 'denied', 'refused'].includes(state)) return 'red'
  if (['queued', 'starting', 'stopping', 'unreachable'].includes(state)) return 'yellow'
  return undefined
}

export const hasEnded = ({ state }: Pick<WorkloadView, 'state'>): boolean =>
  state === 'succeeded' || state === 'failed' || state === 'stopped'

/** `3 nodes`, `1 node`. */
export const count = (many: number, noun: string): string => `${grouped(String(many))} ${noun}${many === 1 ? '' : 's'}`
