import type { Unreadable } from './duration.ts'

/** Millionths of a US dollar. A bigint, because one contract of 250 billion dollars is beyond 2^53 of them. */
export type Micros = bigint

const microsPerDollar = 1_000_000n

/** Reads `$12.50`, `12.5`, `12.50 USD`, `$1,200` as micro-dollars; finer than a micro-dollar is an error. */
export function parseMoney(text: string | number): Micros | Unreadable {
  const match = /^\$?\s*(\d{1,15}|\d{1,3}(?:,\d{3}){1,4})(?:\.(\d{1,6}))?(?:\s*USD)?$/i.exec(String(text).trim())
  if (!match) return { problem: `"${text}" is not an amount of money; write for example $12.50 or $1,200` }
  const [, whole = '0', fraction = ''] = match
  return BigInt(whole.replaceAll(',', '')) * microsPerDollar + BigInt(fraction.padEnd(6, '0'))
}

/** Reads a price for one hour: `$2.50/h`, or an amount alone. */
export function parseHourlyPrice(text: string | number): Micros | Unreadable {
  return parseMoney(String(text).replace(/\s*\/\s*(h|hr|hour)\s*$/i, ''))
}

/** Digits in groups of three, as English has them: `1,234`. By hand, because `Intl` takes 36 ms before its first number. */
export const grouped = (digits: string): string => digits.replaceAll(/\B(?=(\d{3})+$)/g, ',')

/** Rounded half up to so many decimals, at most six: `$1,234.50`, `-$3.00`. */
export function roundedMoney(micros: Micros, decimals: number): string {
  const [step, one] = [10n ** BigInt(6 - decimals), 10n ** BigInt(decimals)]
  const size = ((micros < 0n ? -micros : micros) + step / 2n) / step
  const fraction = decimals === 0 ? '' : `.${(size % one).toString().padStart(decimals, '0')}`
  return `${micros < 0n && size > 0n ? '-' : ''}$${grouped((size / one).toString())}${fraction}`
}

/** Exact, with at least two decimals and as many as it needs: `$0.00`, `$1,234.50`, `$0.000123`, `-$3.00`. */
export function formatMoney(micros: Micros): string {
  const size = micros < 0n ? -micros : micros
  const whole = grouped((size / microsPerDollar).toString())
  const fraction = (size % microsPerDollar)
    .toString()
    .padStart(6, '0')
    .replace(/0{1,4}$/, '')
  return `${micros < 0n ? '-' : ''}$${whole}.${fraction}`
}

const msPerHour = 3_600_000n

/**
 * What `elapsedMs` at a constant price costs in all, rounded down. Bill an interval as the difference of two of
 * these, and the intervals add up to the whole exactly, wherever they are cut.
 */
export const costMicros = (priceMicrosPerHour: Micros, elapsedMs: number): Micros =>
  (priceMicrosPerHour * BigInt(elapsedMs)) / msPerHour
