import type { MoneyView, WorkloadView } from '#api/views.ts'
import type { Paint } from '#cli/io.ts'

const units = [
  ['d', 86_400],
  ['h', 3600],
  ['m', 60],
  ['s', 1],
] as const

/** A span of time, short enough for a table: `42s`, `3m20s`, `5h`, `12d`. */
export function span(milliseconds: number): string {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000))
  const at = units.findIndex(([, size]) => seconds >= size)
  const [unit, size] = units[at] ?? ['s', 1]
  const count = Math.floor(seconds / size)
  const next = units[at + 1]
  const rest = next ? Math.floor((seconds % size) / next[1]) : 0
  return next && rest > 0 && count < 10 ? `${count}${unit}${rest}${next[0]}` : `${count}${unit}`
}

/** How long ago a time was. */
export const ago = (time: string, now: number): string => span(now - Date.parse(time))

/** How long something took or has taken; nothing when it has not begun. */
export const took = (from: string | null, to: string | null, now: number): string =>
  from === null ? '' : span((to === null ? now : Date.parse(to)) - Date.parse(from))

/** Money for a table: whole cents, or four decimals below one dollar. The exact amount is in the data. */
export function dollars(money: MoneyView): string {
  const value = Number(money.micros) / 1_000_000
  if (money.micros === '0' || Number.isNaN(value)) return money.text
  const decimals = Math.abs(value) < 1 ? 4 : 2
  return Math.abs(value) < 0.0001
    ? money.text
    : `$${value.toLocaleString('en-US', { minimumFractionDigits: 2, maximumFractionDigits: decimals })}`
}

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
export const count = (many: number, noun: string): string =>
  `${many.toLocaleString('en-US')} ${noun}${many === 1 ? '' : 's'}`
