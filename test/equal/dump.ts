import { Client, types } from 'pg'

import type { Tables } from '#simulator/house/memory/tables.ts'
import { tables as copied } from '#store/copy-rows.ts'
import { unordered } from './compare.ts'

/** All rows of a store by table, in an order of their own, in the names of the model. */
export type Dump = Record<string, unknown[]>

const names = [...copied, 'claims', 'control_planes'] as const

const parsers = {
  getTypeParser: (oid: number, format?: 'text' | 'binary') => {
    if (oid === 20) return Number
    if (oid === 1700) return BigInt
    if (oid === 1184) return (text: string) => new Date(text).getTime()
    return types.getTypeParser(oid, format)
  },
}

export function dumpPostgres(url: string): { read(): Promise<Dump>; empty(): Promise<void>; close(): Promise<void> } {
  const client = new Client({ connectionString: url, types: parsers })
  const connected = client.connect()
  return {
    async read() {
      await connected
      const found = await client.query(names.map((name) => `select * from ${name}`).join('; '))
      const results = Array.isArray(found) ? found : [found]
      return Object.fromEntries(
        names.map((name, i) => [name, tidied(name, (results[i] as typeof found).rows.map(renamed))]),
      )
    },
    async empty() {
      await connected
      await client.query(`
        truncate ${names.join(', ')} restart identity cascade;
        insert into projects (name) values ('default');
        insert into house default values;
      `)
    },
    close: () => client.end(),
  }
}

const otherwise: Record<string, string> = { from_ms: 'from', to_ms: 'to' }

const renamed = (row: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(row).map(([column, value]) => [
      otherwise[column] ?? column.replaceAll(/_(\w)/g, (_whole, letter: string) => letter.toUpperCase()),
      value,
    ]),
  )

export function dumpMemory(tables: Tables): Dump {
  const named = { ...tables, control_planes: tables.planes }
  return Object.fromEntries(names.map((name) => [name, tidied(name, [...named[name].all()])]))
}

/** Numbers of transactions differ, and so does the order of the events of one transaction. */
function tidied(name: string, rows: readonly object[]): unknown[] {
  if (name !== 'events') return unordered(rows.map(sorted))
  const transactions = Map.groupBy(rows as { txid: unknown; seq: number }[], ({ txid }) => String(txid))
  return [...transactions.values()]
    .sort(([a], [b]) => (a?.seq ?? 0) - (b?.seq ?? 0))
    .map((some) => unordered(some.map(({ txid: _txid, seq: _seq, ...event }) => sorted(event))))
}

const sorted = (row: object): object => Object.fromEntries(Object.entries(row).sort(([a], [b]) => (a < b ? -1 : 1)))
