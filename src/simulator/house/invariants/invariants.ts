import type { Clock } from '#kit/clock.ts'
import type { SimulatedCloud } from '#providers/simulated/simulated.ts'
import type { Event } from '#model/event.ts'
import type { Store } from '#store/store.ts'
import { createComparison } from './changes.ts'
import type { Bounds, Breach, Call, Invariant, Seen, There } from './invariant.ts'
import { patientBounds } from './invariant.ts'
import type { Decision } from './decisions.ts'
import { hasLied } from './truth.ts'
import { createKnown } from './known.ts'
import type { Tables } from './tables.ts'

/** Where what there is to see comes from. */
export type Sources = {
  /** The committed rows now. */
  tables(): Tables | Promise<Tables>
  events: Pick<Store['events'], 'since'>
  clock: Pick<Clock, 'now'>
  /** The clouds by the name of their provider. */
  clouds: ReadonlyMap<string, Pick<SimulatedCloud, 'open' | 'gangs' | 'meter' | 'befell'>>
  /** Calls since it was asked last. */
  calls(): readonly Call[]
  /** As `Seen` has it. */
  asked: Seen['asked']
  /** Decisions since it was asked last. */
  decisions(): readonly Decision[]
  /** As `Seen` has it. */
  able(site?: string): boolean
  /** As `Seen` has it; none of our agents runs anything where it is absent. */
  agentsOf?: Seen['agentsOf']
  /** As `Seen` has it; all are declared always where it is absent. */
  undeclared?: Seen['undeclared']
  /** As `Seen` has it; nobody counts where it is absent. */
  people?: Seen['people']
  /** As `Seen` has it; nobody follows events where it is absent. */
  readers?: Seen['readers']
  /** As `Seen` has it; without it what is offered never changes. */
  offered?: Seen['offered']
  /** As `Seen` has it; without it nothing is ever taken back. Asked once a look. */
  tookBack?: () => boolean
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
  const known = createKnown()
  const { tookBack = () => false } = sources
  const given = givenBy(sources)
  const sites = [...sources.clouds].flatMap(([provider, cloud]) =>
    cloud
      .open()
      .sites()
      .map(({ name }) => ({ cloud, name, site: `${provider}/${name}` })),
  )
  const gangs = (): There[] =>
    sites.flatMap(({ cloud, name, site }) => cloud.gangs(name).map((gang) => ({ site, gang })))
  let lately = new Map<string, There>()
  const gangsNow = () => {
    const there = gangs()
    const now = new Map(there.map((one) => [one.gang.token, one]))
    const before = lately
    lately = now
    return { gangs: there, gangOf: (token: string) => now.get(token) ?? before.get(token) ?? null }
  }
  const see = async (atRest: boolean): Promise<Seen> => {
    const tables = await sources.tables()
    // No await from here to the events: rows, clouds and calls are of one instant. Events may be of a moment later.
    const now = sources.clock.now()
    const changes = compare(tables)
    known.learn(changes)
    const instant = {
      now,
      tables,
      changes,
      known,
      ...gangsNow(),
      calls: sources.calls(),
      decisions: sources.decisions(),
      tookBack: tookBack(),
    }
    let bill: Seen['bill'] = () => {
      const lines = [...sources.clouds.values()].flatMap((cloud) => cloud.meter())
      bill = () => lines
      return lines
    }
    const lied = (there: There) => hasLied(sources.clouds.values(), there, now)
    const events = await follow()
    known.hear(events)
    return { ...given, ...instant, bill: () => bill(), events, lied, atRest }
  }
  const always = invariants.filter(({ when }) => when === 'always')
  return {
    look: async () => breaches(await see(false), always),
    lookAtRest: async () => breaches(await see(true), invariants),
  }
}

/** What there is to see that is the same at each look, or looked up when it is asked for. */
const givenBy = ({ able, asked, agentsOf, readers, people, undeclared, offered, bounds }: Sources) => ({
  able,
  asked,
  agentsOf: agentsOf ?? (() => null),
  readers: readers ?? [],
  people: people ?? null,
  undeclared: undeclared ?? new Set<never>(),
  offered: offered ?? new Map<string, never>(),
  bounds: { ...patientBounds, ...bounds },
})

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
