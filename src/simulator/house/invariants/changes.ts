import { isDeepStrictEqual } from 'node:util'

import { type RowOf, type Table, type TableName, tableNames, type Tables } from './tables.ts'

/** A row that is another than at the last look; it may have been others in between. */
export type RowChange<Row> = { key: string; before: Readonly<Row> | null; after: Readonly<Row> | null }
export type Changes = { readonly [Name in TableName]: readonly RowChange<RowOf<Name>>[] }

/** Compares tables with those of the last look, which it keeps: rows that are the same object are the same. */
export function createComparison(): (tables: Tables) => Changes {
  const before = new Map<TableName, Known>(tableNames.map((name) => [name, { rows: new Map(), read: 0 }]))
  return (tables) => {
    const changes = tableNames.map((name) => [name, compare(before.get(name), tables[name])])
    return Object.fromEntries(changes) as Changes // one entry for each name
  }
}

/** The rows of the last look, and how many of those that were written until then. */
type Known = { rows: Map<string, Columns>; read: number }

/** What has changed since; `known` is then as `table`. */
function compare(known: Known = { rows: new Map(), read: 0 }, table: Table<Columns>): RowChange<Columns>[] {
  const { rows } = known
  const keys = table.touched ? new Set(table.touched.slice(known.read)) : new Set([...table.keys(), ...rows.keys()])
  known.read = table.touched?.length ?? 0
  const changed: RowChange<Columns>[] = []
  for (const key of keys) {
    const [before, after] = [rows.get(key) ?? null, table.get(key) ?? null]
    if (before === after) continue
    if (after === null) rows.delete(key)
    else rows.set(key, after)
    if (!areSame(before, after)) changed.push({ key, before, after })
  }
  return changed
}

/** Most columns of a row that was written are the very same as before: only the others are looked into. */
function areSame(before: Columns | null, after: Columns | null): boolean {
  if (before === null || after === null) return before === after
  let columns = 0
  for (const column in after) {
    const [one, other] = [before[column], after[column]]
    if (one !== other && !isDeepStrictEqual(one, other)) return false
    columns++
  }
  return columns === Object.keys(before).length
}

type Columns = Readonly<Record<string, unknown>>
