import type { Entry } from '#model/entry.ts'
import type { Project } from '#model/project.ts'
import { namedShape } from '#simulator/house/shape.ts'
import type { Store } from '#store/store.ts'
import { type Planted, aPlantedSite, readingDue, type Story } from './planted-world.ts'
import type { Tables } from './tables.ts'

const budgeted = { limit: '$0.002', whenUsed: 'stop' } as const

/** A project that may hold one node. */
const oneNode: Project = {
  name: 'default',
  parent: null,
  weight: 1,
  quota: { nodes: 1 },
  borrowing: {},
  lending: {},
  budgetMicros: null,
  policy: {},
  preemption: { within: 'never', reclaim: 'never', perHour: null },
}

const twoJobs: Story = {
  workloads: ['one', 'two'].map((name) => ({ kind: 'job', name, run: 'train', nodes: 1 }) as const),
  sites: [aPlantedSite('west')],
}

const sharedPool = {
  tier: 'on-demand' as const,
  shape: namedShape,
  priceMicros: 1_234_567,
  nodes: 4,
  divisible: true as const,
}
const aShare = { kind: 'job', run: 'train', nodes: 1, resources: { accelerators: 'H100:0.5' } } as const

/** An entry as several, the last of which has what it costs. */
function inPieces(entry: Entry, count: number): Entry[] {
  const cuts = Array.from({ length: count }, (_, i) => entry.from + Math.floor(((entry.to - entry.from) * i) / count))
  return [...cuts, entry.to].slice(1).map((to, i) => {
    const amountMicros = to === entry.to ? entry.amountMicros : 0n
    return { ...entry, from: cuts[i] ?? entry.from, to, amountMicros }
  })
}

/** The same store, in which nobody has a quota when it is decided. */
const withoutQuotas = (store: Store): Store => ({
  ...store,
  placement: {
    ...store.placement,
    snapshot: async (options) => {
      const snapshot = await store.placement.snapshot(options)
      return { ...snapshot, projects: snapshot.projects.map((project) => ({ ...project, quota: {} })) }
    },
  },
})

export const plantedInMoney: readonly Planted[] = [
  {
    fault: 'an entry is changed once it is written',
    breaks: 'entries, prices and starts never change',
    tables: () => {
      let looks = 0
      return (tables: Tables): Tables => {
        const [first] = tables.entries
        if (!first || ++looks < 3) return tables
        const [key, entry] = first
        return {
          ...tables,
          entries: new Map([...tables.entries, [key, { ...entry, amountMicros: entry.amountMicros + 1n }]]),
        }
      }
    },
  },
  {
    fault: 'the meter is off by one micro-dollar',
    breaks: 'the ledger has each lease to the micro-dollar',
    store: (store) => ({
      ...store,
      ledger: {
        ...store.ledger,
        add: (entries) => store.ledger.add(entries.map((one) => ({ ...one, amountMicros: one.amountMicros + 1n }))),
      },
    }),
  },
  {
    fault: 'the first entry of a lease is left out',
    breaks: 'the ledger has each lease to the micro-dollar',
    tables: () => (tables) => ({
      ...tables,
      entries: new Map([...tables.entries].filter(([, one]) => one.from !== tables.leases.get(one.lease)?.startedAt)),
    }),
  },
  {
    fault: 'what is spent is counted with one micro-dollar less',
    breaks: 'what is spent is the sum of the entries',
    tables: () => (tables) => ({
      ...tables,
      spent: new Map(
        [...tables.spent].map(([key, row]) => [
          key,
          row.amountMicros > 0n ? { ...row, amountMicros: row.amountMicros - 1n } : row,
        ]),
      ),
    }),
  },
  {
    fault: 'the prices of offers are one micro-dollar too low',
    breaks: 'the ledger agrees with the bill of the provider',
    provider: (provider) => ({
      ...provider,
      offers: async (site, signal) => {
        const answer = await provider.offers(site, signal)
        if (!answer.ok) return answer
        return { ok: true, value: answer.value.map((offer) => ({ ...offer, priceMicros: offer.priceMicros - 1 })) }
      },
    }),
  },
  {
    fault: 'what stands in line is billed as if it were held',
    breaks: 'the ledger agrees with the bill of the provider',
    provider: (provider) => ({
      ...provider,
      launch: async (order, signal) => {
        const taken = await provider.launch(order, signal)
        return taken.ok ? { ok: true, value: { site: order.site, token: order.token } } : taken
      },
    }),
    story: { faults: { lineMs: [60_000, 60_000], runMs: [15_000, 30_000] }, bounds: { endMs: 120_000 } },
  },
  {
    fault: 'a used budget stops nobody',
    breaks: 'budgets are kept, but for what ends of what was held',
    store: readingDue((facts) => ({ ...facts, spentMicros: 0n })),
    story: {
      workloads: [{ kind: 'job', name: 'dear', run: 'train', nodes: 4, budget: budgeted }],
      faults: { runMs: [600_000, 600_000] },
    },
  },
  {
    fault: 'a used budget is heeded a minute late',
    breaks: 'a budget that stops is exceeded by no more than its end costs',
    store: readingDue((facts) => ({ ...facts, spentMicros: facts.spentMicros - 82_000n })),
    story: {
      workloads: [{ kind: 'job', name: 'dear', run: 'train', nodes: 4, budget: budgeted }],
      faults: { runMs: [600_000, 600_000] },
    },
  },
  {
    fault: 'the ledger is written in a hundred pieces',
    breaks: 'what is kept is kept for work that there is, or for what was asked',
    store: (store) => ({
      ...store,
      ledger: {
        ...store.ledger,
        add: (entries) => store.ledger.add(entries.flatMap((one) => inPieces(one, 100))),
      },
    }),
  },
  {
    fault: 'quotas are not looked at',
    breaks: 'quotas are never exceeded by what is placed',
    store: withoutQuotas,
    story: { ...twoJobs, first: (store) => store.projects.put(oneNode) },
  },
  {
    fault: 'quotas of domains are not looked at',
    breaks: 'quotas are never exceeded by what is placed',
    store: withoutQuotas,
    story: {
      workloads: ['one', 'two'].map((name) => ({ kind: 'job', name, run: 'train', nodes: 2 }) as const),
      sites: [{ ...aPlantedSite('west', 8), racks: { nodes: 2, inBlock: 2 } }],
      first: (store) => store.projects.put({ ...oneNode, quota: { domains: { nvlink: 1 } } }),
    },
  },
  {
    fault: 'quotas are not looked at for parts of accelerators',
    breaks: 'quotas are never exceeded by what is placed',
    store: withoutQuotas,
    story: {
      workloads: ['one', 'two', 'three'].map((name) => ({ ...aShare, name })),
      sites: [{ ...aPlantedSite('west'), pools: [sharedPool], racks: { nodes: 2, inBlock: 2 } }],
      first: (store) => store.projects.put({ ...oneNode, quota: { accelerators: 1 } }),
    },
  },
  {
    fault: 'it is forgotten how much of a project may be at one provider',
    breaks: 'no provider gets more of a project than its share',
    store: (store) => ({
      ...store,
      placement: {
        ...store.placement,
        snapshot: async (options) => {
          const snapshot = await store.placement.snapshot(options)
          return { ...snapshot, projects: snapshot.projects.map((project) => ({ ...project, policy: {} })) }
        },
      },
    }),
    story: {
      ...twoJobs,
      first: (store) => store.projects.put({ ...oneNode, quota: {}, policy: { maxProviderShare: 0.4 } }),
    },
  },
]
