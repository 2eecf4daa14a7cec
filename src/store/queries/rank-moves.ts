import { type RawBuilder, sql } from 'kysely'

import { rankMoves } from '#model/rank.ts'

/** The table of a rank's moves as pairs, for updates of many ranks at once. */
const pairs = Object.entries(rankMoves).flatMap(([from, tos]) => tos.map((to) => `${from}>${to}`))

/** SQL that is true where a rank may move from one state to another. */
export const mayFollow = (from: RawBuilder<unknown>, to: RawBuilder<unknown>): RawBuilder<unknown> =>
  sql`${from} || '>' || ${to} = any(${pairs}::text[])`
