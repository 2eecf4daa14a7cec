import { sql } from 'kysely'

/**
 * When a workload `w` is due of which there is news: at once. Never when a claim to decide about it runs out, be that long
 * ago: whoever holds the claim takes that for a sign that there were none, and sleeps.
 */
export const dueWithNews = (now: number) => sql`least(w.due_at, ${now}::bigint, w.claimed_until - 1)`
