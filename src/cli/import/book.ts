/** Why something was not carried over as it stood, and what to do instead. */
export type Advice = { message: string; fix: string }

/** A place of a document, and what is to be told of it. */
export type Told = Advice & {
  path: PropertyKey[]
  /** Not in the spec at all, or there in another way. */
  what: 'left out' | 'changed'
}

/** What is known of fields by where they stand alone. */
export type Known = {
  /** By the name of a field: why no spec says it. */
  advice: Readonly<Record<string, Advice>>
  /** What nobody misses: fields of an object, such as `status`, and ends of paths, such as `metadata.uid`. */
  harmless: readonly string[]
}

/**
 * Keeps account of a document that is read into a spec: every leaf of it is carried, harmless or told. What nobody took
 * in the end is told as left out, so that nothing is lost silently, whatever the document holds.
 */
export class Book {
  readonly told: Told[] = []
  /** What makes a spec impossible. */
  readonly refused: (Advice & { path: PropertyKey[] })[] = []
  /** Fields of the document, `*` for names of its own, and the fields of a spec that they became. */
  readonly carried: { from: string; to: string }[] = []
  readonly #settled = new Set<string>()
  readonly #above = new Set<string>()

  /** What stands at this path needs no more account. */
  settle(path: readonly PropertyKey[]): void {
    this.#settled.add(keyOf(path))
    for (let length = 0; length < path.length; length++) this.#above.add(keyOf(path.slice(0, length)))
  }

  /** Says something of a place; what stands there and below still needs its account. */
  tell(told: Told): void {
    this.told.push(told)
  }

  /** Tells of what nobody has taken. */
  close(value: unknown, known: Known): void {
    this.#close({ value, path: [], inherited: undefined }, known)
  }

  #close({ value, path, inherited }: Open, known: Known): void {
    if (value === null || value === undefined || this.#settled.has(keyOf(path)) || isHarmless(path, known)) return
    const name = path.at(-1)
    const advice = typeof name === 'string' && Object.hasOwn(known.advice, name) ? known.advice[name] : inherited
    const isWhole = !Array.isArray(value) && !this.#above.has(keyOf(path))
    if (typeof value !== 'object' || (advice && isWhole))
      return this.tell({ path, what: 'left out', ...(advice ?? unknownField) })
    for (const [key, inner] of Object.entries(value))
      this.#close({ value: inner, path: [...path, Array.isArray(value) ? Number(key) : key], inherited: advice }, known)
  }
}

/** A place that is looked at in the end, and what was said of the list that it is in. */
type Open = { value: unknown; path: PropertyKey[]; inherited: Advice | undefined }

const unknownField: Advice = {
  message: 'no field of a spec says this',
  fix: 'look for it in `isobar init`, or do it in the commands of run',
}

const keyOf = (path: readonly PropertyKey[]): string => path.map(String).join('\0')

const isHarmless = (path: readonly PropertyKey[], { harmless }: Known): boolean => {
  const own = path[0] === 'items' ? path.slice(2) : path // of a member of a List
  const text = own.map(String).join('.')
  return harmless.some((end) => text === end || (end.includes('.') && text.endsWith(`.${end}`)))
}
