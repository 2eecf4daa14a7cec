import type { Waiting } from './request.ts'
import type { Shares } from './share.ts'

/**
 * Who is asked first. Who has waited longer than `overdueMs` goes before all others, the oldest first, so that nobody waits
 * forever; then priority, then the project with the smaller share, then who came first. No two are equal.
 */
export function goesBefore(a: Waiting, b: Waiting, { now, overdueMs, shares }: Rules): boolean {
  const isOverdue = a.since + overdueMs <= now
  if (isOverdue !== b.since + overdueMs <= now) return isOverdue
  if (isOverdue) return isOlder(a, b)
  if (a.want.priority !== b.want.priority) return a.want.priority > b.want.priority
  const byShare = shares.compare(a.want.project, b.want.project, now)
  return byShare === 0 ? isOlder(a, b) : byShare < 0
}

export const isOlder = (a: Waiting, b: Waiting): boolean =>
  a.since === b.since ? a.order < b.order : a.since < b.since

type Rules = { now: number; overdueMs: number; shares: Shares }
