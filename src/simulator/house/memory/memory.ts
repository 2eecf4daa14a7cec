import type { Clock } from '#kit/clock.ts'
import type { Ids } from '#kit/ids.ts'
import type { NewEvent } from '#model/event.ts'
import type { Project } from '#model/project.ts'
import { readNudges, textsOf, type News } from '#store/queries/nudge.ts'
import type { Nudge, Store } from '#store/store.ts'
import { jsonb } from './jsonb.ts'
import { createTables, type Tables } from './tables.ts'
import { type Journal, undo } from './table.ts'

/**
 * What takes the place of a database: tables, and transactions that happen at one moment each, when they are asked for.
 * Its clock is the house's own.
 */
export type Memory = Tables & {
  clock: Clock
  ids: Ids
  read<T>(ask: () => T): Promise<T>
  /** One transaction. When it throws, nothing of it stays. */
  write<T>(act: () => T): Promise<T>
  /** One that does not wait for the disk: a crash may take it back until a later one has waited. */
  hurry<T>(act: () => T): Promise<T>
  /** The database dies and is there again: what had not waited for the disk may never have been. */
  crash(): void
  /** Within a transaction: adds events and, once it is committed, nudges. */
  tell(telling: { events?: readonly NewEvent[]; now?: number; nudges?: Iterable<Nudge>; news?: News }): void
  onNudge: Store['onNudge']
  /** The same, where each transaction is taken back at its end. */
  rehearsed(): Memory
}

/** So long PostgreSQL may leave a commit that nobody waits for away from the disk: three times its `wal_writer_delay`. */
const flushMs = 600

/** What stays as it is when a transaction is taken back. */
type Counters = { txid: number; seq: number }

export function createMemory(clock: Clock, ids: Ids): Memory {
  const journal: Journal = []
  const tables = createTables(journal)
  const counters: Counters = { txid: 0, seq: 0 }
  const told = new Set<string>()
  const listeners = new Set<Parameters<Store['onNudge']>[0]>()

  const deliver = (texts: readonly string[]): void => {
    for (const text of texts)
      for (const { nudge, ids: named } of readNudges(text)) for (const listener of listeners) listener(nudge, named)
  }
  let unflushed: { at: number; journal: Journal }[] = []
  const committed = (waits: boolean): void => {
    if (journal.length === 0) return
    const fresh = unflushed.filter(({ at }) => at > clock.now() - flushMs)
    unflushed = waits ? [] : [...fresh, { at: clock.now(), journal: [...journal] }]
  }
  const transaction = <T>(act: () => T, { isRehearsal = false, waits = true }): T => {
    counters.txid += 1
    try {
      const result = act()
      if (isRehearsal) undo(journal)
      else committed(waits)
      if (!isRehearsal && told.size > 0 && listeners.size > 0) queueMicrotask(deliver.bind(null, [...told]))
      return result
    } catch (error) {
      undo(journal)
      throw error
    } finally {
      journal.length = 0
      told.clear()
    }
  }
  const over = (isRehearsal: boolean): Memory => ({
    ...tables,
    clock,
    ids,
    // Async, so that what is thrown is a rejection.
    read: async (ask) => ask(),
    write: async (act) => transaction(act, { isRehearsal }),
    hurry: async (act) => transaction(act, { isRehearsal, waits: false }),
    crash() {
      for (const one of unflushed.toReversed()) if (one.at > clock.now() - flushMs) undo(one.journal)
      unflushed = []
      journal.length = 0
    },
    tell({ events = [], now = 0, nudges = [], news = {} }) {
      for (const event of events) addEvent(tables, { event, now, counters })
      for (const text of textsOf(nudges, news)) told.add(text)
    },
    onNudge(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    rehearsed: () => over(true),
  })
  const memory = over(false)
  fill(memory)
  return memory
}

type Added = { event: NewEvent; now: number; counters: Counters }

function addEvent({ events, house }: Tables, { event, now, counters }: Added): void {
  const { type, workload, project, message, data } = event
  counters.seq += 1
  const generation = house.get('house')?.generation ?? 1
  const at = { seq: counters.seq, generation, txid: counters.txid, at: now }
  events.insert({ ...at, type, workload, project, message, data: jsonb(data) })
}

/** What the migrations put there. */
function fill({ house, projects, journal }: Memory): void {
  house.insert({ id: true, generation: 1, keyMark: null })
  projects.insert({
    name: 'default',
    parent: null,
    weight: 1,
    quota: jsonb({}),
    borrowing: jsonb({}),
    lending: jsonb({}),
    budgetMicros: null,
    policy: jsonb({}) as Project['policy'], // as the migration has it
    preemption: jsonb({ within: 'never', reclaim: 'never', perHour: null }),
  })
  journal.length = 0
}
