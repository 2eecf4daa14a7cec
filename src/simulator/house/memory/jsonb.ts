/** What was made by `jsonb`, and so needs no second look. */
const made = new WeakSet<object>()

/**
 * JSON as PostgreSQL keeps it: a copy without what is undefined, its keys in PostgreSQL's order. It is frozen, so that
 * all who read it may have the same.
 */
export function jsonb<T>(value: T): T {
  return copied(value) as T // of the same shape
}

/** The same as was kept but for members that it has, and that are no objects. */
export function altered<T extends object>(kept: T, members: Partial<T>): T {
  const copy = Object.freeze({ ...kept, ...members })
  made.add(copy)
  return copy
}

function copied(value: unknown): unknown {
  if (typeof value === 'number') return Number.isFinite(value) ? value + 0 : null
  if (typeof value === 'bigint') throw new TypeError('JSON has no bigint')
  if (value === undefined) return null
  if (typeof value !== 'object' || value === null || made.has(value)) return value
  const copy = Array.isArray(value) ? value.map(copied) : copiedObject(value)
  made.add(Object.freeze(copy))
  return copy
}

function copiedObject(value: object): object {
  const copy: Record<string, unknown> = {}
  for (const key of Object.keys(value).sort(compareKeys)) {
    const part: unknown = value[key as keyof typeof value]
    if (part !== undefined) copy[key] = copied(part)
  }
  return copy
}

/** Shorter keys come first. */
const compareKeys = (a: string, b: string): number => a.length - b.length || (a < b ? -1 : a > b ? 1 : 0)

/** Whether what was made by `jsonb` says the same as what is given. */
export function sameJson(kept: unknown, given: unknown): boolean {
  if (kept === given) return true
  if (typeof given !== 'object' || given === null) return kept === copied(given)
  if (typeof kept !== 'object' || kept === null) return false
  if (Array.isArray(kept)) return Array.isArray(given) && sameList(kept, given)
  return !Array.isArray(given) && sameObject(kept, given)
}

const sameList = (kept: readonly unknown[], given: readonly unknown[]): boolean =>
  kept.length === given.length && kept.every((one, i) => sameJson(one, given[i]))

function sameObject(kept: object, given: object): boolean {
  let count = 0
  for (const key in given) {
    const part: unknown = given[key as keyof typeof given]
    if (part === undefined) continue
    if (!Object.hasOwn(kept, key) || !sameJson(kept[key as keyof typeof kept], part)) return false
    count++
  }
  return count === Object.keys(kept).length
}

const texts = new WeakMap<object, string>()

/** What PostgreSQL writes for JSON that was made by `jsonb`. */
export function jsonText(value: unknown): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const known = texts.get(value)
  if (known !== undefined) return known
  const text = Array.isArray(value)
    ? `[${value.map(jsonText).join(', ')}]`
    : `{${Object.keys(value)
        .sort(compareKeys)
        .map((key) => `${JSON.stringify(key)}: ${jsonText(value[key as keyof typeof value])}`)
        .join(', ')}}`
  texts.set(value, text)
  return text
}
