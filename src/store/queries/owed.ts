import { type RawBuilder, sql } from 'kysely'

/** Which leases `l` have time that is not in the ledger yet. */
export const isOwed: RawBuilder<unknown> = sql`
  l.started_at is not null and (l.ended_at is null or l.metered_until < l.ended_at)
`

/** What a lease `l` cost until then in all, rounded down. */
const costUntil = (time: RawBuilder<unknown>): RawBuilder<bigint> =>
  sql`div(l.price_micros::numeric * (${time} - l.started_at), 3600000)`

/**
 * Micro-dollars that the ledger does not have yet of a lease `l`: what its entries will add until `now`, or until it
 * ended. It counts as the ledger does (kit/money: the difference of two totals), so that nothing changes when an entry
 * is written.
 */
export const owed = (now: number): RawBuilder<bigint> =>
  sql`greatest(0, ${costUntil(sql`coalesce(l.ended_at, ${now}::bigint)`)} - ${costUntil(sql`l.metered_until`)})`
