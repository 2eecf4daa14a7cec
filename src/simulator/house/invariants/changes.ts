import { isDeepStrictEqual } from 'node:util'

import { type RowOf, type Table, type TableName, tableNames, type Tables } from './tables.ts'

/** A row that is another than at the last look; it may have been others in between. */
export type RowChange<Row> = { key: string; before: Readonly<Row> | null; after: Readonly<Row> | null }
export type Changes = { readonly [Name in TableName]: readonly RowChange<RowOf<Name>>[] }

/** Compares tables with those of the last look, which it keeps: rows that are the same object are the same. */
export function createComparison(): (tables: Tables) => Changes {
  const before = new Map<TableName, Map<string, object>>(tableNames.map((name) => [name, new Map()]))
  return (tables) => {
    const changes = tableNames.map((name) => [name, compare(before.get(name) ?? new Map(), tables[name])])
    return Object.fromEntries(changes) as Changes // one entry for each name
  }
}

/** What has changed since; `known` is then as `table`. */
function compare(known: Map<string, object>, table: Table<object>): RowChange<object>[] {
  const changed: RowChange<object>[] = []
  for (const [key, after] of table) {
    const before = known.get(key) ?? null
    if (before === after) continue
    known.set(key, after)
    if (before === null || !isDeepStrictEqual(before, after)) changed.push({ key, before, after })
  }
  if (known.size === table.size) return changed
  for (const [key, before] of known) {
    if (table.has(key)) continue
    known.delete(key)
    changed.push({ key, before, after: null })
  }
  return changed
}
