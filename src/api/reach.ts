import type { QueueSnapshot } from '#store/store.ts'
import { isLive, type ShownAttempt } from './show-attempt.ts'
import { time } from './show.ts'
import type { ConditionView } from './views.ts'

/** What holds capacity at a site that does not answer is neither there nor lost: nobody knows. */
export function withReach(
  conditions: ConditionView[],
  attempts: ShownAttempt[],
  sites: QueueSnapshot['sites'],
): ConditionView[] {
  const used = new Set(
    attempts.flatMap(({ lease, endedAt }) =>
      endedAt === null && isLive(lease) ? [`${lease.provider}/${lease.site}`] : [],
    ),
  )
  const away = sites.find(({ site, reach }) => used.has(site) && reach !== 'reachable')
  if (!away) return conditions
  return conditions.map((one) =>
    one.type !== 'Reachable' || one.status === 'false'
      ? one
      : {
          ...one,
          status: 'unknown',
          reason: 'SiteUnreachable',
          message: `${away.site} does not answer; what it runs is left alone for its patience`,
          lastTransitionTime: time(away.since),
        },
  )
}
