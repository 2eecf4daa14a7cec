import type { LeasedRank } from '#model/lease.ts'
import { nodeName } from '#providers/simulated/machines.ts'
import type { Store } from '#store/store.ts'
import { applying } from './planted-work.ts'
import { aPlantedSite, type Planted } from './planted-world.ts'
import type { RowOf, TableName, Tables } from './tables.ts'

/** The tables with one row of one of them, the first that fits, shown otherwise: as something changed it behind our back. */
const showing =
  <Name extends TableName>(
    name: Name,
    fits: (row: RowOf<Name>) => boolean,
    otherwise: (row: RowOf<Name>) => RowOf<Name> | null,
  ) =>
  () =>
  (tables: Tables): Tables => {
    const table = tables[name] as ReadonlyMap<string, RowOf<Name>> // of its own rows
    for (const [key, row] of table) {
      if (!fits(row)) continue
      const changed = new Map(table)
      const other = otherwise(row)
      if (other) changed.set(key, other)
      else changed.delete(key)
      return { ...tables, [name]: changed }
    }
    return tables
  }

/** Only from the n-th look on at which it could be. */
const later = (looks: number, make: () => (tables: Tables) => Tables) => () => {
  const show = make()
  let shown = 0
  return (tables: Tables): Tables => {
    const other = show(tables)
    return other !== tables && ++shown > looks ? other : tables
  }
}

/** The same store, in which ranks are placed on other nodes than was decided. */
const placing =
  (change: (ranks: LeasedRank[]) => void) =>
  (store: Store): Store => ({
    ...store,
    placement: {
      ...store.placement,
      commit: (...[claim, placed, refused, now]) => {
        for (const { decision } of placed) change(decision.placement?.ranks ?? [])
        return store.placement.commit(claim, placed, refused, now)
      },
    },
  })

/** A site whose nodes have names, two in a rack. */
const aNamedSite: ReturnType<typeof aPlantedSite> = { ...aPlantedSite('west', 8), racks: { nodes: 2, inBlock: 2 } }

export const plantedInRows: readonly Planted[] = [
  {
    fault: 'a running workload is deleted',
    breaks: 'nothing is forgotten before it is over',
    tables: later(
      2,
      showing(
        'workloads',
        ({ state }) => state === 'running',
        () => null,
      ),
    ),
  },
  {
    fault: 'what is gone is held again',
    breaks: 'states move only as their tables of moves say',
    tables: later(
      2,
      showing(
        'leases',
        ({ state }) => state === 'gone',
        (lease) => ({ ...lease, state: 'held' as const }),
      ),
    ),
  },
  {
    fault: 'what has ended gets another exit code',
    breaks: 'what has ended stays as it ended',
    tables: later(
      2,
      showing(
        'workloads',
        ({ endedAt }) => endedAt !== null,
        (one) => ({ ...one, exitCode: 7 }),
      ),
    ),
  },
  {
    fault: 'a lease begins to stop, and its retirement is not written down',
    breaks: 'rows agree, and what is not over has somebody to carry it on',
    store: applying((changes) => changes.filter(({ change }) => change !== 'retire')),
  },
  {
    fault: 'every rank is given the first node',
    breaks: 'no node is given twice',
    store: placing((ranks) => {
      for (const rank of ranks) rank.node = nodeName(0, 0)
    }),
    story: { sites: [aNamedSite] },
  },
  {
    fault: 'nobody heeds on which nodes ranks really are',
    breaks: 'each rank is on the node that is written down for it',
    store: (store) => ({
      ...store,
      sites: {
        ...store.sites,
        saw: (ranks, now) =>
          store.sites.saw(
            ranks.map(({ node: _node, ...rank }) => rank),
            now,
          ),
      },
    }),
    story: { sites: [aNamedSite], faults: { runMs: [90_000, 90_000], shuffled: 1 } },
  },
  {
    fault: 'the last rank of a gang is given a node of another rack',
    breaks: 'gangs stand in the domains that they ask for',
    store: placing((ranks) => {
      const last = ranks.length > 1 && ranks.at(-1)
      if (last) last.node = nodeName(0, ranks[0]?.node === nodeName(0, 7) ? 0 : 7)
    }),
    story: {
      sites: [aNamedSite],
      workloads: [{ kind: 'job', name: 'close', run: 'train', nodes: 2, topology: { within: 'nvlink' } }],
    },
  },
  {
    fault: 'work is placed as if nothing else were there',
    breaks: 'no more is placed than is offered',
    store: (store) => ({
      ...store,
      placement: {
        ...store.placement,
        snapshot: async (options) => ({ ...(await store.placement.snapshot(options)), leases: [] }),
      },
    }),
    story: {
      sites: [aPlantedSite('west', 2)],
      workloads: ['one', 'two'].map((name) => ({ kind: 'job', name, run: 'train', nodes: 2 }) as const),
      async afterStep({ house }, step) {
        if (step !== 8) return
        const [waiting] = await house.store.workloads.list({ states: ['queued'] }, { size: 1 })
        if (waiting) await house.store.workloads.prioritise(waiting.id, 5, { who: 'tester', now: house.clock.now() })
      },
      faults: { runMs: [60_000, 60_000] },
    },
  },
  {
    fault: 'a claim changes hands and keeps its epoch',
    breaks: 'a claim changes hands only with a higher epoch',
    tables: later(
      2,
      showing(
        'claims',
        ({ name }) => name === 'admit',
        (claim) => ({ ...claim, holder: 'another' }),
      ),
    ),
  },
  {
    fault: 'who is preempted goes on',
    breaks: 'what is preempted leaves whole, and not in turn',
    tables: later(
      2,
      showing(
        'attempts',
        ({ state }) => state === 'running',
        (attempt) => ({ ...attempt, preemptedFor: 'w-other' }),
      ),
    ),
  },
  {
    fault: 'a number of an attempt is left out',
    breaks: 'attempts are numbered, and the latest of a replica fences the others',
    tables: showing(
      'attempts',
      () => true,
      (attempt) => ({ ...attempt, number: 2 }),
    ),
  },
  {
    fault: 'what is stopped does not say why',
    breaks: 'what has ended says why and with which code',
    store: applying((changes) => changes.map((one) => (one.change === 'workload' ? { ...one, reason: '' } : one))),
    story: {
      async afterStep({ house }, step) {
        if (step !== 5) return
        for (const { id } of await house.store.workloads.list({}, { size: 10 }))
          await house.store.workloads.want(id, 'stop', { who: 'tester', now: house.clock.now() })
      },
    },
  },
  {
    fault: 'what waits is never looked at',
    breaks: 'everything ends, or says what it waits for',
    loops: (loops) => loops.filter(({ name }) => name !== 'admit'),
    story: { steps: 5 },
  },
  {
    fault: 'a reader of events is not given one of them',
    breaks: 'events come in order, each once, and tell every end',
    events: (events) => ({
      ...events,
      since: async (cursor, options) =>
        (await events.since(cursor, options)).filter(({ type }) => type !== 'attempt.running'),
    }),
  },
  {
    fault: 'an event is not shown to who follows them from the one before on',
    breaks: 'who follows events misses none, and hears none twice',
    follows: (events) => ({
      ...events,
      since: async (cursor, options) =>
        (await events.since(cursor, options)).filter(({ type }) => type !== 'attempt.running'),
    }),
  },
  {
    fault: 'a reader of events is given one of them again',
    breaks: 'events come in order, each once, and tell every end',
    events: (events) => ({
      ...events,
      since: async (cursor, options) => (await events.since(cursor, options)).flatMap((event) => [event, event]),
    }),
  },
]
