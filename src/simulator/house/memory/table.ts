/** How to take back what was changed since a transaction began, the last change first. */
export type Journal = (() => void)[]

/** What orders rows: by the first of these, among equals by the second, and so on; together they are no tie for any two. */
type Order<Row> = ((row: Row) => number | string)[]

/** Something that is kept beside the rows of a table; `columns` are those that it depends on. */
type Beside<Row> = { columns: readonly (keyof Row)[]; add(row: Row): void; remove(row: Row): void }

const nothing: readonly never[] = []

/** The rows of each key, in order; a row whose key is null is not in it. */
export class Index<Row> implements Beside<Row> {
  readonly columns: readonly (keyof Row)[]
  readonly #keyOf: (row: Row) => string | null
  readonly #order: Order<Row>
  readonly #groups = new Map<string, Row[]>()

  constructor(columns: readonly (keyof Row)[], keyOf: (row: Row) => string | null, order: Order<Row>) {
    this.columns = columns
    this.#keyOf = keyOf
    this.#order = order
  }

  /** Whoever changes rows while reading them reads a copy. */
  get(key: string): readonly Row[] {
    return this.#groups.get(key) ?? nothing
  }

  keys(): Iterable<string> {
    return this.#groups.keys()
  }

  get isEmpty(): boolean {
    return this.#groups.size === 0
  }

  /** How many rows of a key come before a place in its order. */
  before(key: string, place: readonly (number | string)[]): number {
    const rows = this.get(key)
    return search(rows.length, (at) => {
      const row = rows[at]
      return row !== undefined && comparePlace(this.#order, row, place) < 0
    })
  }

  /** Where those of a key begin that come behind a place in its order, given by as many parts as are known. */
  behind(key: string, place: readonly (number | string)[]): number {
    const rows = this.get(key)
    return search(rows.length, (at) => {
      const row = rows[at]
      return row !== undefined && comparePlace(this.#order, row, place) <= 0
    })
  }

  add(row: Row): void {
    const key = this.#keyOf(row)
    if (key === null) return
    const rows = this.#groups.get(key)
    if (!rows) return void this.#groups.set(key, [row])
    const last = rows.at(-1)
    if (last !== undefined && compare(this.#order, last, row) < 0) return void rows.push(row)
    rows.splice(this.#placeOf(rows, row), 0, row)
  }

  remove(row: Row): void {
    const key = this.#keyOf(row)
    if (key === null) return
    const rows = this.#groups.get(key)
    if (!rows) return
    if (rows.length === 1) return void this.#groups.delete(key)
    const at = this.#placeOf(rows, row)
    if (rows[at] !== row) throw new Error('an index does not hold a row of its table')
    if (at === rows.length - 1) rows.pop()
    else if (at === 0) rows.shift()
    else rows.splice(at, 1)
  }

  #placeOf(rows: readonly Row[], row: Row): number {
    return search(rows.length, (at) => {
      const other = rows[at]
      return other !== undefined && compare(this.#order, other, row) < 0
    })
  }
}

/** The first place of so many that is not before; all that are stand in front. */
function search(length: number, isBefore: (at: number) => boolean): number {
  let [from, to] = [0, length]
  while (from < to) {
    const middle = (from + to) >> 1
    if (isBefore(middle)) from = middle + 1
    else to = middle
  }
  return from
}

function compare<Row>(order: Order<Row>, a: Row, b: Row): number {
  for (const of of order) {
    const [x, y] = [of(a), of(b)]
    if (x !== y) return x < y ? -1 : 1
  }
  return 0
}

function comparePlace<Row>(order: Order<Row>, row: Row, place: readonly (number | string)[]): number {
  for (const [i, part] of place.entries()) {
    const its = order[i]?.(row)
    if (its !== undefined && its !== part) return its < part ? -1 : 1
  }
  return 0
}

function dependsOn<Row>({ columns }: Beside<Row>, changed: Partial<Row>): boolean {
  for (const column of columns) if (column in changed) return true
  return false
}

/** Rows by key. Each change goes through here, so that indexes follow it and the journal can take it back. */
export class Table<Row extends object> {
  readonly #rows = new Map<string, Row>()
  readonly #keyOf: (row: Row) => string
  readonly #besides: readonly Beside<Row>[]
  readonly #journal: Journal
  readonly #listeners: ((row: Row) => void)[] = []

  constructor(journal: Journal, keyOf: (row: Row) => string, besides: readonly Beside<Row>[]) {
    this.#journal = journal
    this.#keyOf = keyOf
    this.#besides = besides
  }

  get size(): number {
    return this.#rows.size
  }

  get(key: string): Row | undefined {
    return this.#rows.get(key)
  }

  /** The row that has the key of this one now. */
  present(row: Row): Row | undefined {
    return this.#rows.get(this.#keyOf(row))
  }

  /** Tells of each row that is written, also when that is taken back. */
  onChange(listen: (row: Row) => void): void {
    this.#listeners.push(listen)
  }

  all(): Iterable<Row> {
    return this.#rows.values()
  }

  insert(row: Row): void {
    this.#put(row)
    this.#journal.push(() => this.#drop(row))
  }

  /** Changes some columns of a row that is in this table; those that are equal are left alone. */
  update(row: Row, columns: Partial<Row>): void {
    const before: Partial<Row> = {}
    let isOther = false
    for (const column in columns)
      if (row[column] !== columns[column]) {
        before[column] = row[column]
        isOther = true
      }
    if (!isOther) return
    this.#write(row, columns, before)
    this.#journal.push(() => this.#write(row, before, before))
  }

  remove(row: Row): void {
    this.#drop(row)
    this.#journal.push(() => this.#put(row))
  }

  removeAll(rows: readonly Row[]): void {
    for (const row of rows.slice()) this.remove(row)
  }

  #put(row: Row): void {
    const key = this.#keyOf(row)
    if (this.#rows.has(key)) throw new Error(`there is a row ${key} already`)
    this.#rows.set(key, row)
    for (const beside of this.#besides) beside.add(row)
    for (const listen of this.#listeners) listen(row)
  }

  #drop(row: Row): void {
    this.#rows.delete(this.#keyOf(row))
    for (const beside of this.#besides) beside.remove(row)
    for (const listen of this.#listeners) listen(row)
  }

  #write(row: Row, columns: Partial<Row>, changed: Partial<Row>): void {
    for (const beside of this.#besides) if (dependsOn(beside, changed)) beside.remove(row)
    Object.assign(row, columns)
    for (const beside of this.#besides) if (dependsOn(beside, changed)) beside.add(row)
    for (const listen of this.#listeners) listen(row)
  }
}

/** Takes back all that is in a journal. */
export function undo(journal: Journal): void {
  for (let back = journal.pop(); back; back = journal.pop()) back()
}
