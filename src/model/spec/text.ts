import { z } from 'zod'

import { parseDuration, type Unreadable } from '#kit/duration.ts'
import { parseHourlyPrice, parseMoney } from '#kit/money.ts'
import { parseSizeMiB } from '#kit/size.ts'

/** A field that people write as text (or a bare number) and the house keeps as a value of one unit. */
function written<T>(
  read: (text: string | number) => T | Unreadable,
  meta: { description: string; examples: (string | number)[] },
) {
  return z
    .union([z.string().max(200), z.number()])
    .meta(meta)
    .transform((text, context): T => {
      const value = read(text)
      if (!isUnreadable(value)) return value
      context.addIssue({ code: 'custom', message: value.problem })
      return z.NEVER
    })
}

const isUnreadable = (value: unknown): value is Unreadable =>
  typeof value === 'object' && value !== null && 'problem' in value

/** `90s`, `2h`, `7d`, or seconds → whole milliseconds. */
export const durationMs = (description: string) =>
  written(parseDuration, { description, examples: ['90s', '2h', '7d'] })

/** `80GB`, or gibibytes → whole mebibytes. */
export const sizeMiB = (description: string) => written(parseSizeMiB, { description, examples: ['512MB', '80GB'] })

/** `$100` → micro-dollars, below 2^53 of them (nine billion dollars), which is plenty for one workload. */
export const moneyMicros = (description: string) =>
  written((text) => safeNumber(parseMoney(text), text), { description, examples: ['$100'] })

/** `$20/h` → micro-dollars per hour. */
export const hourlyMicros = (description: string) =>
  written((text) => safeNumber(parseHourlyPrice(text), text), { description, examples: ['$20/h'] })

function safeNumber(micros: bigint | Unreadable, text: string | number): number | Unreadable {
  if (typeof micros !== 'bigint') return micros
  return micros <= BigInt(Number.MAX_SAFE_INTEGER)
    ? Number(micros)
    : { problem: `"${text}" is more than nine billion dollars` }
}

/** An RFC 3339 time with its zone → milliseconds since the epoch. */
export const instant = (description: string) =>
  z.iso
    .datetime({ offset: true, error: 'must be a time with its zone, such as 2026-12-01T09:00:00Z' })
    .meta({ description, examples: ['2026-12-01T09:00:00Z'] })
    .transform((text) => Date.parse(text))
