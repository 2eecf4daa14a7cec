import { type RawBuilder, sql } from 'kysely'

import type { Order, OrderField, Page, WorkloadFilter } from '#store/store.ts'

export type Column = { by: OrderField | 'id'; descending: boolean }

/** An order that is no tie for any two: among equals the newest first, and then by id. */
export function totalOf(order: Order = []): Column[] {
  const whole = order.some(({ by }) => by === 'createdAt') ? order : [...order, newest]
  const { descending } = whole.find(({ by }) => by === 'createdAt') ?? newest
  return [...whole, { by: 'id', descending }]
}
const newest = { by: 'createdAt', descending: true } as const

const columns = { createdAt: 'w.created_at', name: 'w.name', priority: 'w.priority', project: 'w.project', id: 'w.id' }
const types = { createdAt: 'bigint', name: 'text', priority: 'int', project: 'text', id: 'text' }

/** What stands behind `order by`. */
export const orderOf = ({ order }: Pick<Page, 'order'>): RawBuilder<unknown> =>
  sql.join(totalOf(order).map(({ by, descending }) => sql.raw(`${columns[by]} ${descending ? 'desc' : 'asc'}`)))

export const newestFirst = orderOf({})

/** Ids of one page. */
export function pageOf(filter: WorkloadFilter, page: Page): RawBuilder<unknown> {
  const conditions = [sql`true`]
  if (filter.project !== undefined) conditions.push(sql`project = ${filter.project}`)
  if (filter.name !== undefined) conditions.push(sql`name = ${filter.name}`)
  if (filter.kind !== undefined) conditions.push(sql`kind = ${filter.kind}`)
  if (filter.states) conditions.push(inStates(filter.states))
  if (filter.label) conditions.push(sql`spec -> 'labels' ->> ${filter.label[0]} = ${filter.label[1]}`)
  if (page.after) conditions.push(behind(page.after, totalOf(page.order)))
  return sql`select id from workloads w where ${sql.join(conditions, sql` and `)} order by ${orderOf(page)} limit ${page.size}`
}

/** Behind a place: further in the first column, or equal there and behind in the others. An index finds where that begins. */
function behind(after: NonNullable<Page['after']>, [first, ...others]: Column[]): RawBuilder<unknown> {
  if (!first) return sql`false`
  const [column, sign] = [sql.raw(columns[first.by]), sql.raw(first.descending ? '<' : '>')]
  const value = sql`${after[first.by]}::${sql.raw(types[first.by])}`
  return sql`${column} ${sign}= ${value} and (${column} ${sign} ${value} or (${behind(after, others)}))`
}
const ended: ReadonlySet<string> = new Set(['succeeded', 'failed', 'stopped'])

/** Says so when only live ones are asked for, in the words of the index that holds just those. */
function inStates(states: string[]): RawBuilder<unknown> {
  const chosen = sql`state = any(${states}::text[])`
  return states.some((state) => ended.has(state)) ? chosen : sql`ended_at is null and ${chosen}`
}
