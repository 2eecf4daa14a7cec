import type { Line } from '#engine/queue/line.ts'
import type { Policy } from '#model/policy.ts'

import { barTo } from './bars.ts'
import type { Asked, More, Snapshot } from './facts.ts'
import { needOf } from './need.ts'
import { comesBefore, idOf, inQueueOrder, unreadId } from './queue.ts'
import type { Round } from './round.ts'
import { keysOf, rowFor, type Queue, type Row } from './rows.ts'

/** Where those who wait come into a round. */
export type Entry = {
  queue: Queue
  /** Somebody more, behind all who wait for the same. */
  add(asked: Asked): void
  /** Tells the line of them, and of those behind them who were not read. */
  submit(line: Line, waiting: readonly Asked[]): void
  /** The last that was read of a need of which not all was. */
  lastOf(need: string): Asked | undefined
  /** All needs of which not all was read, each with the last that was. */
  unread(): { need: string; last: Asked }[]
  /** Tells the line of those who were read next of a need. */
  reads(line: Line, more: More): void
}

/** Those who wait, in rows of those who want the same. */
export function createEntry(snapshot: Snapshot, { round, defaults }: { round: Round; defaults: Policy }): Entry {
  const projects = new Map(snapshot.projects.map((project) => [project.name, project]))
  const queue: Queue = { waiting: inQueueOrder(snapshot.waiting, round.now), barred: new Map(), rowOf: new Map() }
  const rows = new Map<string, Row>()
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
    const before = row.members.findLastIndex((one) => comesBefore(one, asked))
    row.members.splice(before + 1, 0, asked)
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
    ...enteringLine(queue, new Map(snapshot.unread)),
  }
}

/** `unread`: how many of a need are still to come before the first who was not read. */
function enteringLine({ rowOf }: Queue, unread: Map<string, number>): Omit<Entry, 'queue' | 'add'> {
  const lastOf = new Map<string, Asked>()
  const enter = (line: Line, asked: Asked): void => {
    const row = rowOf.get(idOf(asked))
    if (row && row.fits.length > 0 && !asked.replica.kept)
      line.submit({ ...requestOf(row, asked), id: idOf(asked), work: asked.workload.id })
  }
  /** Behind this one stands one for all who were not read. */
  const endAt = (line: Line, need: string, last: Asked): void => {
    lastOf.set(need, last)
    const row = rowOf.get(idOf(last))
    if (!row || row.fits.length === 0) return
    rowOf.set(unreadId(need), row)
    line.submit({ ...requestOf(row, last), id: unreadId(need) })
  }
  /** Known, while others before it were not read. */
  const isBehind = (asked: Asked): boolean => {
    const last = lastOf.get(asked.need ?? '')
    return last !== undefined && comesBefore(last, asked)
  }
  return {
    lastOf: (need) => lastOf.get(need),
    unread: () => [...lastOf].map(([need, last]) => ({ need, last })),
    submit(line, waiting) {
      for (const asked of waiting) {
        const { need = '' } = asked
        const count = unread.get(need) ?? 0
        if (count > 0) unread.set(need, count - 1)
        if (!isBehind(asked)) enter(line, asked)
        if (count === 1) endAt(line, need, asked)
      }
    },
    reads(line, { need, asked, isAll }) {
      const last = asked.at(-1) ?? lastOf.get(need)
      lastOf.delete(need)
      line.withdraw(unreadId(need))
      for (const one of asked) enter(line, one)
      if (last && !isAll) endAt(line, need, last)
    },
  }
}

function requestOf({ want, need }: Row, { workload, replica }: Asked) {
  const since = workload.createdAt
  return { want, since, waitsSince: Math.max(since, replica.notBefore), lastsMs: need.lastsMs }
}
