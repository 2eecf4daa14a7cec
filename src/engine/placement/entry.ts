import type { Line } from '#engine/queue/line.ts'
import type { Policy } from '#model/policy.ts'

import { barTo } from './bars.ts'
import type { Asked, Snapshot } from './facts.ts'
import { needOf } from './need.ts'
import { idOf, inQueueOrder, unreadId } from './queue.ts'
import type { Round } from './round.ts'
import { keysOf, rowFor, type Queue, type Row } from './rows.ts'

/** Where those who wait come into a round. */
export type Entry = {
  queue: Queue
  /** Somebody more, behind all who wait for the same. */
  add(asked: Asked): void
  /** Tells the line of them, and of those behind them who were not read. */
  submit(line: Line, waiting: readonly Asked[]): void
}

/** Those who wait, in rows of those who want the same. */
export function createEntry(snapshot: Snapshot, { round, defaults }: { round: Round; defaults: Policy }): Entry {
  const projects = new Map(snapshot.projects.map((project) => [project.name, project]))
  const queue: Queue = { waiting: inQueueOrder(snapshot.waiting, round.now), barred: new Map(), rowOf: new Map() }
  const rows = new Map<string, Row>()
  const unread = new Map(snapshot.unread)
  const enter = (asked: Asked): void => {
    const project = projects.get(asked.workload.project)
    const bar = barTo(asked.workload, project, { ...snapshot, now: round.now })
    if (bar || !project) {
      queue.barred.set(idOf(asked), bar ?? { cause: 'no-project' })
      return
    }
    const keys = keysOf(asked, round.now)
    const row = rows.get(keys.key) ?? rowFor(needOf(asked, { ...keys, project, defaults }), round)
    rows.set(keys.key, row)
    row.members.push(asked)
    queue.rowOf.set(idOf(asked), row)
  }
  queue.waiting.forEach(enter)
  return {
    queue,
    add(asked) {
      queue.waiting.push(asked)
      round.names.set(idOf(asked), asked.workload.name)
      enter(asked)
    },
    submit(line, waiting) {
      for (const asked of waiting) {
        const row = queue.rowOf.get(idOf(asked))
        const count = unread.get(asked.need ?? '')
        if (asked.need !== undefined && count !== undefined) unread.set(asked.need, count - 1)
        if (!row || row.fits.length === 0) continue
        const since = asked.workload.createdAt
        const waitsSince = Math.max(since, asked.replica.notBefore)
        const request = { want: row.want, since, waitsSince, lastsMs: row.need.lastsMs }
        if (!asked.replica.kept) line.submit({ ...request, id: idOf(asked), work: asked.workload.id })
        if (count === 1 && asked.need !== undefined) line.submit({ ...request, id: unreadId(asked.need) })
      }
    },
  }
}
