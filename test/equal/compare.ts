import { isDeepStrictEqual } from 'node:util'

/** PostgreSQL adds in an order of its own; sums of fractions differ in their last digits. */
const tolerance = 1e-9

/** Whether two answers say the same. */
export function same(a: unknown, b: unknown): boolean {
  if (typeof a === 'number' && typeof b === 'number')
    return a === b || Math.abs(a - b) <= tolerance * Math.max(Math.abs(a), Math.abs(b))
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return a === b
  if (a instanceof Uint8Array || b instanceof Uint8Array)
    return a instanceof Uint8Array && b instanceof Uint8Array && Buffer.compare(a, b) === 0
  if (a instanceof Map) return b instanceof Map && a.size === b.size && [...a].every(([k, v]) => same(v, b.get(k)))
  if (Array.isArray(a)) return Array.isArray(b) && a.length === b.length && a.every((one, i) => same(one, b[i]))
  const [x, y] = [Object.entries(a), new Map(Object.entries(b))]
  return x.length === y.size && x.every(([key, one]) => y.has(key) && same(one, y.get(key)))
}

/** The first place at which two answers differ, as text. */
export function difference(a: unknown, b: unknown, at = ''): string {
  if (same(a, b)) return ''
  if (isPlain(a) && isPlain(b))
    for (const key of new Set([...Object.keys(a), ...Object.keys(b)])) {
      const inside = difference(a[key as keyof typeof a], b[key as keyof typeof b], `${at}.${key}`)
      if (inside) return inside
    }
  if (a instanceof Map && b instanceof Map)
    for (const key of new Set([...a.keys(), ...b.keys()])) {
      const inside = difference(a.get(key), b.get(key), `${at}.get(${key})`)
      if (inside) return inside
    }
  return `${at || 'it'} is ${textOf(a)} in memory and ${textOf(b)} in PostgreSQL`
}

const isPlain = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && !(value instanceof Map) && !(value instanceof Uint8Array)

export function textOf(value: unknown): string {
  const text: string | undefined = JSON.stringify(value, (_key, part: unknown) => {
    if (typeof part === 'bigint') return `${part}n`
    if (part instanceof Map) return [...part]
    // What PostgreSQL keeps as it came has its keys in another order than what it took apart.
    return isPlain(part) && !Array.isArray(part) ? inOrder(part) : part
  })
  return text === undefined ? typeof value : text.slice(0, 600)
}

const inOrder = (row: object): object => Object.fromEntries(Object.entries(row).sort(([a], [b]) => (a < b ? -1 : 1)))

/** A list whose order nobody is promised. */
export const unordered = (list: readonly unknown[]): unknown[] =>
  list
    .map((one) => [textOf(one), one] as const)
    .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
    .map(([, one]) => one)

export const isNothing = (answer: unknown): boolean =>
  answer === undefined ||
  answer === null ||
  answer === false ||
  answer === 0 ||
  answer === '' ||
  (answer instanceof Map ? answer.size === 0 : isDeepStrictEqual(answer, []))
