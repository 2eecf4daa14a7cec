import type { Asked } from './facts.ts'

/** What a replica that waits goes by in a round. */
export const idOf = ({ workload, replica }: Asked): string => `${workload.id} ${replica.replica}`

/** Those that may be placed now: by priority, then first come, first served; no two are ever equal. */
export function inQueueOrder(waiting: readonly Asked[], now: number): Asked[] {
  return waiting
    .filter(({ workload, replica }) => workload.wants === 'run' && replica.notBefore <= now)
    .sort((a, b) => b.workload.priority - a.workload.priority || byAge(a, b))
}

/** Whether one stands before another in a line of those who need the same. */
export const comesBefore = (one: Asked, other: Asked): boolean => byAge(one, other) < 0

const byAge = (a: Asked, b: Asked): number =>
  a.workload.createdAt - b.workload.createdAt ||
  (a.workload.id < b.workload.id ? -1 : a.workload.id > b.workload.id ? 1 : 0) ||
  a.replica.replica - b.replica.replica

/** Behind the last that was read of a need stands one for all who were not: when his turn comes, the round is over. */
export const unreadId = (need: string): string => `unread ${need}`
export const isUnread = (id: string): boolean => id.startsWith('unread ')
export const needOfUnread = (id: string): string => id.slice('unread '.length)
