import type { Advice, Book, Told } from './book.ts'

type Place = { path?: readonly PropertyKey[]; pattern?: string }

/** A place of a document that is read, and the account that is kept of it. */
export class Field {
  readonly book: Book
  readonly path: readonly PropertyKey[]
  readonly value: unknown
  /** The path with `*` for names that are the document's own. */
  readonly #pattern: string

  constructor(book: Book, value: unknown, { path = [], pattern = '' }: Place = {}) {
    this.book = book
    this.value = value
    this.path = path
    this.#pattern = pattern
  }

  /** Whether anything stands there. */
  get isThere(): boolean {
    return this.value !== undefined && this.value !== null
  }

  at(...steps: string[]): Field {
    return steps.reduce((field, step) => field.#below(step, step), this as Field)
  }

  /** The members of a list; what is no list is told. */
  items(): Field[] {
    if (Array.isArray(this.value)) return this.value.map((_, index) => this.#below(index, '[]'))
    if (this.isThere) this.leave(wrongType('a list'))
    return []
  }

  /** The members of a mapping by their names; what is no mapping is told. */
  entries(): [name: string, Field][] {
    if (isRecord(this.value)) return Object.keys(this.value).map((name) => [name, this.#below(name, '*')])
    if (this.isThere) this.leave(wrongType('a mapping'))
    return []
  }

  /** The text there, which becomes this field of a spec. */
  text(to: string): string | undefined {
    if (!this.isThere) return undefined
    if (typeof this.value !== 'string') return this.leave(wrongType('text'))
    this.carry(to)
    return this.value
  }

  /** A whole number that is not negative. */
  count(to: string, most = Number.MAX_SAFE_INTEGER): number | undefined {
    if (!this.isThere) return undefined
    const { value } = this
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0)
      return this.leave(wrongType('a whole number'))
    if (value > most)
      return this.leave({ message: `${value} is more than a spec may say`, fix: `write ${most} or less` })
    this.carry(to)
    return value
  }

  flag(to: string): boolean | undefined {
    if (!this.isThere) return undefined
    if (typeof this.value !== 'boolean') return this.leave(wrongType('true or false'))
    this.carry(to)
    return this.value
  }

  /** Each of a list of texts; a member that is no text is told. */
  texts(to: string): string[] {
    return this.items().flatMap((item) => item.text(to) ?? [])
  }

  /** Takes all that stands there as carried over. */
  carry(to: string): void {
    if (this.isThere) this.settle(to)
  }

  /** As `carry`, also where nothing stands behind the name. */
  settle(to: string): void {
    this.book.settle(this.path)
    this.book.carried.push({ from: this.#pattern, to })
  }

  /** Nobody misses it. */
  skip(): void {
    this.book.settle(this.path)
  }

  /** It is not in the spec. */
  leave(advice: Advice): undefined {
    if (!this.isThere) return
    this.book.settle(this.path)
    this.remark('left out', advice)
  }

  /** It is in the spec in another way. */
  change(to: string, advice: Advice): void {
    if (!this.isThere) return
    this.carry(to)
    this.remark('changed', advice)
  }

  /** Says something of it, which does not account for what stands there. */
  remark(what: Told['what'], advice: Advice): void {
    this.book.tell({ path: [...this.path], what, ...advice })
  }

  /** Without it there is no spec. */
  refuse(advice: Advice): undefined {
    this.book.refused.push({ path: [...this.path], ...advice })
  }

  #below(step: PropertyKey, name: string): Field {
    const value =
      isRecord(this.value) || Array.isArray(this.value)
        ? Object.getOwnPropertyDescriptor(this.value, step)?.value
        : undefined
    const pattern = name === '[]' ? `${this.#pattern}[]` : [this.#pattern, name].filter(Boolean).join('.')
    return new Field(this.book, value, { path: [...this.path, step], pattern })
  }
}

const wrongType = (wanted: string): Advice => ({
  message: `this must be ${wanted}`,
  fix: `write ${wanted}, and import it again`,
})

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
