import type { Clock } from '#kit/clock.ts'
import type { SimulatedCloud } from '#providers/simulated/simulated.ts'
import type { Event } from '#model/event.ts'
import type { Store } from '#store/store.ts'
import { createComparison } from './changes.ts'
import type { Bounds, Breach, Call, Invariant, Seen, There } from './invariant.ts'
import { patientBounds } from './invariant.ts'
import type { Tables } from './tables.ts'

/** Where what there is to see comes from. */
export type Sources = {
  /** The committed rows now. */
  tables(): Tables | Promise<Tables>
  events: Pick<Store['events'], 'since'>
  clock: Pick<Clock, 'now'>
  /** The clouds by the name of their provider. */
  clouds: ReadonlyMap<string, Pick<SimulatedCloud, 'open' | 'gangs' | 'meter'>>
  /** Calls since it was asked last. */
  calls(): readonly Call[]
  able(site: string): boolean
  bounds?: Partial<Bounds>
}

/** The checkers of one world. Both look at everything once, and give each breach as it is there then. */
export type Checkers = {
  /** What must be true always. */
  look(): Promise<Breach[]>
  /** … and what must be true as well when nothing is under way any more. */
  lookAtRest(): Promise<Breach[]>
}

export function createCheckers(sources: Sources, invariants: readonly Invariant[]): Checkers {
  const compare = createComparison()
  const follow = createReader(sources.events)
  const bounds = { ...patientBounds, ...sources.bounds }
  const sites = [...sources.clouds].flatMap(([provider, cloud]) =>
    cloud
      .open()
      .sites()
      .map(({ name }) => ({ provider, cloud, name })),
  )
  const there = (now: number): There[] =>
    sites.flatMap(({ provider, cloud, name }) =>
      cloud
        .gangs(name)
        .filter((gang) => !gang.closed && gang.acceptedAt <= now)
        .map((gang) => ({ provider, site: name, gang })),
    )
  const see = async (): Promise<Seen> => {
    const tables = await sources.tables()
    // No await from here to the events: rows, clouds and calls are of one instant. Events may be of a moment later.
    const now = sources.clock.now()
    const instant = { now, tables, changes: compare(tables), there: there(now), calls: sources.calls() }
    let bill: Seen['bill'] = () => {
      const lines = [...sources.clouds.values()].flatMap((cloud) => cloud.meter())
      bill = () => lines
      return lines
    }
    return { ...instant, bill: () => bill(), events: await follow(), able: sources.able, bounds }
  }
  const always = invariants.filter(({ when }) => when === 'always')
  return {
    look: async () => breaches(await see(), always),
    lookAtRest: async () => breaches(await see(), invariants),
  }
}

const breaches = (seen: Seen, asked: readonly Invariant[]): Breach[] =>
  asked.flatMap(({ name, rule, check }) => check(seen).map((what) => ({ invariant: name, rule, what })))

const page = 1_000

/** A reader of events who goes on where it stopped, as everybody who follows them does. */
function createReader(events: Pick<Store['events'], 'since'>): () => Promise<Event[]> {
  let cursor: string | null = null
  return async () => {
    const told: Event[] = []
    for (;;) {
      const some: Event[] = await events.since(cursor, { most: page })
      told.push(...some)
      cursor = some.at(-1)?.cursor ?? cursor
      if (some.length < page) return told
    }
  }
}
