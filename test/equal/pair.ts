import { randomBytes } from 'node:crypto'

import { Client } from 'pg'

import type { Clock } from '#kit/clock.ts'
import { createIds } from '#kit/ids.ts'
import { createRandom } from '#kit/random.ts'
import { clockAt } from '#rigs/clock.ts'
import { aReadyDatabase } from '#rigs/postgres.ts'
import { createMemoryStore } from '#simulator/house/memory/store.ts'
import type { Tables } from '#simulator/house/memory/tables.ts'
import { openStore } from '#store/open.ts'
import { readNudges } from '#store/queries/nudge.ts'
import type { Store } from '#store/store.ts'
import { difference, isNothing, textOf, unordered } from './compare.ts'
import { type DatabaseClock, followClock } from './database-clock.ts'
import { dumpMemory, dumpPostgres } from './dump.ts'

/** A time that stands still until it is set. */
export type SetClock = Clock & { at: number }

export const aSetClock = (): SetClock => {
  const clock: SetClock = { ...clockAt(() => clock.at), at: start }
  return clock
}

/** How often each method was called, and how often it said or did something. */
export type Coverage = Map<string, { calls: number; telling: number }>

/** Two stores that are asked the same. */
export type Pair<C extends Clock = SetClock> = {
  /** Another for each pair of a ground, for ids that never come again: PostgreSQL's side remembers specs by them. */
  number: number
  clock: C
  /** The rows of the one in memory: what there is to ask about. */
  tables: Tables
  /** The one in memory. */
  store: Store
  /** Asks both, compares answers and nudges, and gives the answer of the one in memory. Throws `Unequal`. */
  ask<T>(call: (store: Store) => Promise<T>): Promise<T>
  /** Compares all rows. */
  compareRows(): Promise<void>
  /** What was asked, the newest last. */
  asked: string[]
}

export class Unequal extends Error {
  override name = 'Unequal'
}

/** PostgreSQL with a database of its own, for any number of pairs one after another. */
export type Ground = {
  /** Both stores are empty, and make the same ids. */
  pair<C extends Clock>(seed: number, clock: C): Promise<Pair<C>>
  coverage: Coverage
  [Symbol.asyncDispose](): Promise<void>
}

const start = 1_767_225_600_000

export async function createGround(): Promise<Ground> {
  const url = await aReadyDatabase()
  let clock: Clock = aSetClock()
  let random = createRandom(0)
  let number = 0
  const followed: Clock = clockAt(() => clock.now())
  const time = await followClock(url, followed)
  const ids = createIds(followed.now, (bytes) => random.bytes(bytes))
  const postgres = await openStore({ url, ids, clock: followed, size: 2 })
  const rows = dumpPostgres(url)
  const ear = await listen(url)
  const coverage: Coverage = new Map()
  return {
    coverage,
    async pair(seed, its) {
      clock = its
      random = createRandom(seed)
      await rows.empty()
      await ear.heard()
      return createPair({ postgres, time, rows, ear, coverage }, { seed, clock: its, number: (number += 1) })
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([postgres.close(), rows.close(), time.close(), ear.close()])
    },
  }
}

type Sides = {
  postgres: Store
  time: DatabaseClock
  rows: Pick<ReturnType<typeof dumpPostgres>, 'read'>
  ear: Pick<Ear, 'heard'>
  coverage: Coverage
}

function createPair<C extends Clock>(
  { postgres, time, rows, ear, coverage }: Sides,
  { seed, clock, number }: { seed: number; clock: C; number: number },
): Pair<C> {
  const began = clock.now()
  const memory = createMemoryStore({ clock, ids: createIds(clock.now, createRandom(seed).bytes) })
  const asked: string[] = []
  const nudged: string[] = []
  memory.onNudge((nudge, named) => nudged.push(nudgeText(nudge, named)))
  let written = 0
  for (const table of Object.values(memory.tables)) if (isTable(table)) table.onChange(() => (written += 1))
  let name = ''
  const noting = noted(memory, (path, args) => {
    name = path
    asked.push(`${clock.now() - began}: ${path}(${args.map(textOf).join(', ')})`)
    if (asked.length > mostAsked) asked.shift()
  })
  const compareNudges = async (): Promise<void> => {
    const wrong = difference(unordered(nudged.splice(0)), unordered(await ear.heard()))
    if (wrong) throw new Unequal(`nudges until ${name}: ${wrong}`)
  }
  const ask = async <T>(call: (store: Store) => Promise<T>): Promise<T> => {
    await time.tell()
    written = 0
    const [ours, theirs] = [await answer(() => call(noting)), await answer(() => call(postgres))]
    tally(coverage, name, written > 0 || !isNothing(ours.value))
    compareAnswers(name, ours, theirs)
    // What wrote nothing nudges nobody; if it does in PostgreSQL, the next one shows it.
    if (written > 0 || nudged.length > 0) await compareNudges()
    if (ours.error !== undefined) throw ours.error
    return ours.value as T // it did not fail
  }
  /** One after the other, whoever asks side by side. */
  let last: Promise<unknown> = Promise.resolve()
  return {
    number,
    clock,
    tables: memory.tables,
    store: memory,
    asked,
    ask<T>(call: (store: Store) => Promise<T>): Promise<T> {
      const asking = last.then(() => ask(call))
      last = asking.catch((error: unknown) => {
        if (error instanceof Unequal) throw error // from here on all is
      })
      last.catch(() => {})
      return asking
    },
    async compareRows() {
      await last
      const wrong = difference(dumpMemory(memory.tables), await rows.read())
      if (wrong) throw new Unequal(`rows: ${wrong}`)
      await compareNudges()
    },
  }
}

const mostAsked = 200

/** A store that asks both, for whoever takes it for one. It is the one in memory that nudges. */
export const bothOf = ({ ask, store }: Pair<Clock>): Store => {
  const asking = <T extends object>(inner: T, find: (store: Store) => T): T =>
    new Proxy(inner, {
      get(target, key) {
        const part: unknown = Reflect.get(target, key)
        if (key === 'onNudge' || key === 'close') return part
        if (typeof part === 'function')
          return (...args: unknown[]): unknown =>
            ask((one) => Reflect.apply(Reflect.get(find(one), key) as typeof part, find(one), args))
        return typeof part === 'object' && part !== null
          ? asking(part, (one) => Reflect.get(find(one), key) as object)
          : part
      },
    })
  return asking(store, (one) => one)
}

type Answer<T> = { value?: T; error?: unknown; failed?: string }

/** What people threw is told apart from what a store refused. */
async function answer<T>(call: () => Promise<T>): Promise<Answer<T>> {
  try {
    return { value: await call() }
  } catch (error) {
    return { error, failed: error instanceof Checked ? error.message : 'fails' }
  }
}

/** What a check throws that does not like what is there. */
export class Checked extends Error {}

function compareAnswers(name: string, ours: Answer<unknown>, theirs: Answer<unknown>): void {
  if (ours.failed !== theirs.failed) {
    const text = `${name}: ${ours.failed ?? 'fine'} in memory, and ${theirs.failed ?? 'fine'} in PostgreSQL`
    throw new Unequal(text, { cause: theirs.error ?? ours.error })
  }
  const wrong = difference(tidy(name, ours.value), tidy(name, theirs.value))
  if (wrong) throw new Unequal(`${name}: ${wrong}`)
}

function tally(coverage: Coverage, name: string, isTelling: boolean): void {
  const its = coverage.get(name) ?? { calls: 0, telling: 0 }
  coverage.set(name, { calls: its.calls + 1, telling: its.telling + Number(isTelling) })
}

const isTable = (value: unknown): value is { onChange(listen: () => void): void } =>
  typeof value === 'object' && value !== null && 'onChange' in value

/** The same store, which tells what it is asked. */
function noted(store: Store, tell: (path: string, args: unknown[]) => void): Store {
  const noting = <T extends object>(inner: T, prefix: string): T =>
    new Proxy(inner, {
      get(target, key) {
        const part: unknown = Reflect.get(target, key)
        const path = `${prefix}${String(key)}`
        if (key === 'rehearsal')
          return () => noted(store.rehearsal(), (inside, args) => tell(`rehearsal.${inside}`, args))
        if (typeof part === 'function')
          return (...args: unknown[]): unknown => {
            tell(path, args)
            return Reflect.apply(part, target, args)
          }
        return typeof part === 'object' && part !== null ? noting(part, `${path}.`) : part
      },
    })
  return noting(store, '')
}

/** Answers as far as their order is promised, and without numbers that are PostgreSQL's own. */
function tidy(name: string, value: unknown): unknown {
  const method = name.replace('rehearsal.', '')
  if (['events.since', 'events.latest'].includes(method)) return tidyEvents(value)
  if (method === 'figures' && typeof value === 'object' && value !== null)
    return Object.fromEntries(
      Object.entries(value).map(([key, part]) => [key, Array.isArray(part) ? unordered(part) : part]),
    )
  const isUnordered = ['operations.claim', 'workloads.bundles', 'workloads.expired', 'sites.orphans'].includes(method)
  if (isUnordered && Array.isArray(value)) return unordered(value)
  if (method === 'placement.snapshot' && typeof value === 'object' && value !== null && 'preemptions' in value)
    return { ...value, preemptions: Array.isArray(value.preemptions) ? unordered(value.preemptions) : null }
  return value
}

function tidyEvents(value: unknown): unknown {
  if (!Array.isArray(value)) return value
  const events = value as { cursor: string }[]
  const ofOne = Map.groupBy(events, ({ cursor }) => cursor.split('-')[1] ?? '')
  return [...ofOne.values()].map((some) => unordered(some.map(({ cursor: _cursor, ...event }) => event)))
}

const nudgeText = (nudge: string, ids: readonly string[]): string => `${nudge}:${ids.toSorted().join(',')}`

type Ear = { heard(): Promise<string[]>; close(): Promise<void> }

/** Hears the nudges of a database; `heard` gives all that were committed before. */
async function listen(url: string): Promise<Ear> {
  const client = new Client({ connectionString: url })
  let heard: string[] = []
  let marked: ((payload: string) => void) | undefined
  client.on('notification', ({ payload = '' }) => {
    if (payload.startsWith('mark-')) return marked?.(payload)
    for (const { nudge, ids } of readNudges(payload)) heard.push(nudgeText(nudge, ids))
  })
  await client.connect()
  await client.query('listen isobar')
  return {
    async heard() {
      const mark = `mark-${randomBytes(6).toString('hex')}`
      const { promise, resolve } = Promise.withResolvers<void>()
      marked = (payload) => (payload === mark ? resolve() : undefined)
      await client.query(`notify isobar, '${mark}'`)
      await promise
      const all = heard
      heard = []
      return all
    },
    close: () => client.end(),
  }
}
