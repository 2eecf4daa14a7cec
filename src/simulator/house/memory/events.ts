import type { Event } from '#model/event.ts'
import { positionOf } from '#store/queries/events.ts'
import type { Events } from '#store/store.ts'
import type { Memory } from './memory.ts'
import type { EventRow } from './rows.ts'
import { all } from './tables.ts'

type Reading = { most: number; workload?: string; project?: string }

export const createEvents = ({ events, read, write, tell }: Memory): Events => {
  const listOf = ({ workload }: Reading) =>
    workload === undefined ? { index: events.inOrder, key: all } : { index: events.byWorkload, key: workload }
  return {
    add: (added, now) => write(() => tell({ events: added, now, nudges: ['events'] })),
    since: (cursor, reading) =>
      read(() => {
        const { generation, txid, seq } = positionOf(cursor)
        const place = [Number(generation), Number(txid), Number(seq)]
        const { index, key } = listOf(reading)
        const found: Event[] = []
        for (let i = index.behind(key, place); found.length < reading.most; i++) {
          const row = index.get(key)[i]
          if (!row) break
          if (isWanted(row, reading)) found.push(eventOf(row))
        }
        return found
      }),
    latest: (reading) =>
      read(() => {
        const { index, key } = listOf(reading)
        const rows = index.get(key)
        const found: Event[] = []
        for (let i = rows.length - 1; i >= 0 && found.length < reading.most; i--) {
          const row = rows[i]
          if (row && isWanted(row, reading)) found.push(eventOf(row))
        }
        return found.toReversed()
      }),
  }
}

const isWanted = ({ project }: EventRow, wanted: Reading): boolean =>
  wanted.project === undefined || project === wanted.project

const eventOf = ({ generation, txid, seq, at, type, workload, project, message, data }: EventRow): Event => ({
  cursor: `${generation}-${txid}-${seq}`,
  at,
  type,
  workload,
  project,
  message,
  data,
})
