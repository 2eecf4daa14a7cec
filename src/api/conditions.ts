import type { ListedWorkload } from '#store/store.ts'
import { hasEnded } from './find.ts'
import type { ShownAttempt } from './show-attempt.ts'
import { timeOrNull } from './show.ts'
import type { ConditionView } from './views.ts'

/** What is true of a workload, each with since when: for programs that wait for one of them. */
export function conditionsOf(row: ListedWorkload, newestFirst: ShownAttempt[]): ConditionView[] {
  const isOver = hasEnded(row)
  const live = newestFirst.filter((attempt) => ['starting', 'running', 'stopping'].includes(attempt.state))
  const latest = newestFirst[0]
  const lostLeases = live.filter(({ lease }) => lease?.state === 'lost')
  const isReady = row.replicas > 0 && row.ready >= row.replicas
  return [
    condition('Admitted', {
      is: live.length > 0 || (isOver && latest !== undefined),
      reason: live.length > 0 ? 'Placed' : row.state === 'held' ? 'Held' : isOver ? 'Over' : 'Waiting',
      message: row.state === 'queued' ? row.reason : '',
      since: latest?.createdAt ?? row.createdAt,
    }),
    condition('Started', {
      is: row.startedAt !== null,
      reason: row.startedAt === null ? 'NotYet' : 'Ran',
      message: '',
      since: row.startedAt,
    }),
    condition('Ready', {
      is: isReady && !isOver,
      reason: isOver ? 'Over' : isReady ? 'AllReady' : 'NotAllReady',
      message: isOver ? 'it has ended' : `${row.ready} of ${row.replicas} ready`,
      since: latest?.startedAt ?? null,
    }),
    {
      // Of what holds no machine, nobody can say whether it could be reached.
      type: 'Reachable',
      status: live.length === 0 ? 'unknown' : lostLeases.length > 0 ? 'false' : 'true',
      reason: live.length === 0 ? 'NothingLive' : lostLeases.length > 0 ? 'LeaseLost' : 'Seen',
      message: live.length === 0 ? 'it holds no machine' : saidLost(lostLeases.length),
      lastTransitionTime: null,
    },
    condition('Ended', {
      is: isOver,
      reason: isOver ? capital(row.state) : 'NotYet',
      message: isOver ? row.reason : '',
      since: row.endedAt,
    }),
  ]
}

const saidLost = (leases: number): string =>
  leases === 0 ? '' : leases === 1 ? 'its lease is lost' : `${leases} of its leases are lost`

const condition = (
  type: ConditionView['type'],
  facts: { is: boolean; reason: string; message: string; since: number | null },
): ConditionView => ({
  type,
  status: facts.is ? 'true' : 'false',
  reason: facts.reason,
  message: facts.message,
  lastTransitionTime: timeOrNull(facts.since),
})

const capital = (word: string): string => word.charAt(0).toUpperCase() + word.slice(1)
