import type { Change } from '#model/change.ts'
import { fail } from '#model/fault.ts'
import type { CredentialedOrder } from '#model/order.ts'
import type { Workload } from '#model/workload.ts'
import type { Provider } from '#providers/provider.ts'
import type { Reconciler } from '#reconcilers/reconciler.ts'
import type { Facts, Store } from '#store/store.ts'
import { aPlantedSite, type Planted, readingDue, type Story } from './planted-world.ts'

/** The same adapter, which launches otherwise. */
const launching =
  (launch: (order: CredentialedOrder, go: Provider['launch'], signal: AbortSignal) => ReturnType<Provider['launch']>) =>
  (provider: Provider): Provider => ({ ...provider, launch: (order, signal) => launch(order, provider.launch, signal) })

/** The same store, which applies other changes than it is given, in `apply` and in what is settled. */
export const applying =
  (change: (changes: Change[]) => Change[]) =>
  (store: Store): Store => ({
    ...store,
    apply: (changes) => store.apply(change(changes)),
    operations: {
      ...store.operations,
      settle: (operation, result, changes) => store.operations.settle(operation, result, change(changes)),
    },
  })

const without = (name: string) => (loops: readonly Reconciler[]) => loops.filter((loop) => loop.name !== name)

/** Of the attempts that run in a store, what gives them up without a reason; with the lease, where it is to be retired. */
async function giveUp(store: Store, { retire }: { retire: boolean }): Promise<void> {
  for (const { id: workload } of await store.workloads.list({ states: ['running'] }, { size: 10 }))
    for (const { id, replica, lease } of await store.workloads.attempts(workload)) {
      if (!lease || lease.state !== 'held') continue
      const site = `${lease.provider}/${lease.site}`
      await store.apply([
        { change: 'attempt', id, to: 'lost', reason: 'nobody knows' },
        ...(retire
          ? ([
              { change: 'lease', id: lease.id, to: 'stopping' },
              { change: 'retire', lease: lease.id, site },
            ] as const)
          : []),
        {
          change: 'replica-waits',
          workload,
          replica,
          losses: 1,
          failures: 0,
          notBefore: 0,
          avoid: { [site]: Infinity },
        },
      ])
    }
}

/** Another loop, which gives up what runs after a while, once. */
export const rash = (options: { retire: boolean }) => (loops: readonly Reconciler[]) => {
  let turns = 0
  const turn: Reconciler['turn'] = async ({ store }) => {
    if (++turns === 8) await giveUp(store, options)
    return { status: '' }
  }
  return [...loops, { name: 'rash', everyMs: 1_000, turn }]
}

/** What is to be tried again is tried at once. */
const atOnce = (store: Store): Store => ({
  ...store,
  operations: {
    ...store.operations,
    settle: (operation, result, changes) =>
      store.operations.settle(operation, result.state === 'intended' ? { ...result, retryAt: 0 } : result, changes),
  },
})

/** The same store, in which what waits is placed as if it asked for something else. */
export const asking =
  (change: (workload: Workload) => Workload['spec']) =>
  (store: Store): Store => ({
    ...store,
    placement: {
      ...store.placement,
      snapshot: async (options) => {
        const snapshot = await store.placement.snapshot(options)
        const waiting = snapshot.waiting.map(({ workload, ...one }) => ({
          ...one,
          workload: { ...workload, spec: change(workload) },
        }))
        return { ...snapshot, waiting }
      },
    },
  })

const lostReplies: Story['faults'] = { runMs: [15_000, 15_000], rates: { 'lost-reply': { launch: 0.6 } } }
const cutWest = (world: { cloud: { cut(site: string): void } }, step: number): void => {
  if (step === 8) world.cloud.cut('west')
}

type SiteFacts = Facts['sites'][string]

const withSites =
  (misread: (site: SiteFacts) => SiteFacts) =>
  (facts: Facts): Facts => ({
    ...facts,
    sites: Object.fromEntries(Object.entries(facts.sites).map(([key, site]) => [key, misread(site)])),
  })

export const plantedInWork: readonly Planted[] = [
  {
    fault: 'a launch is asked for a second time, with another token',
    breaks: 'every change at a provider was written down before it was asked for',
    provider: launching(async (order, launch, signal) => {
      await launch({ ...order, token: `${order.token}-again` }, signal)
      return launch(order, signal)
    }),
  },
  {
    fault: 'the order is another when it is repeated after a lost reply',
    breaks: 'a token is one order, whoever asks and however often',
    provider: (provider) => {
      const asked = new Set<string>()
      return launching((order, launch, signal) => {
        const again = asked.has(order.token)
        asked.add(order.token)
        return launch(again ? { ...order, ranks: [...order.ranks, ...order.ranks] } : order, signal)
      })(provider)
    },
    story: { faults: lostReplies },
  },
  {
    fault: 'what is launched is tagged with another number of its attempt',
    breaks: 'what runs is tagged as what it is',
    provider: launching((order, launch, signal) => launch({ ...order, attempt: order.attempt + 1 }, signal)),
  },
  {
    fault: 'the answer of a launch is taken for a refusal, and the lease is forgotten',
    breaks: 'nothing is leaked',
    store: applying((changes) =>
      changes.map((one) => (one.change === 'lease' && one.to === 'starting' ? { ...one, to: 'refused' } : one)),
    ),
    loops: without('sweep'),
    story: { faults: { runMs: [600_000, 600_000] } },
  },
  {
    fault: 'what carries our tag and no row is never looked for',
    breaks: 'nothing is leaked',
    loops: without('sweep'),
    story: {
      async afterStep({ cloud }, step) {
        if (step !== 3) return
        cloud.script('l-stranger', [{ prints: '', runMs: Infinity, exitCode: 0, stubborn: false }])
        const order = {
          token: 'l-stranger',
          workload: 'w-none',
          attempt: 1,
          site: 'west',
          tier: 'on-demand',
          graceMs: 0,
        }
        const { shape } = aPlantedSite('west').pools[0] ?? {}
        if (shape)
          await cloud
            .open()
            .launch(
              { ...order, ranks: [{ rank: 0, shape }], controlPlanes: [], credential: '' },
              new AbortController().signal,
            )
      },
    },
  },
  {
    fault: 'a retirement is written down, and nobody asks for it',
    breaks: 'what is gone is noticed, and what is to end ends',
    loops: without('retire'),
  },
  {
    fault: 'nobody looks what is there any more',
    breaks: 'what is gone is noticed, and what is to end ends',
    loops: (loops) => {
      let turns = 0
      return loops.map((loop) =>
        loop.name === 'observe'
          ? {
              ...loop,
              turn: (house, signal) => (++turns > 5 ? Promise.resolve({ status: '' }) : loop.turn(house, signal)),
            }
          : loop,
      )
    },
  },
  {
    fault: 'late news of one rank is taken for the failure of another',
    breaks: 'an attempt fails or succeeds only as its ranks did',
    store: (store) => ({
      ...store,
      sites: {
        ...store.sites,
        saw: (ranks, now) =>
          store.sites.saw(
            ranks.map((rank) =>
              rank.state === 'running' ? { ...rank, state: 'exited', exitCode: 1, endedAt: now } : rank,
            ),
            now,
          ),
      },
    }),
  },
  {
    fault: 'a gang is ordered without its last node',
    breaks: 'gangs are placed, there and running whole',
    provider: launching((order, launch, signal) =>
      launch({ ...order, ranks: order.ranks.length > 1 ? order.ranks.slice(0, -1) : order.ranks }, signal),
    ),
  },
  {
    fault: 'an attempt is given up, and what it holds is not retired',
    breaks: 'nothing runs twice',
    loops: rash({ retire: false }),
    store: applying((changes) =>
      changes.filter((one) => one.change !== 'retire' && !(one.change === 'lease' && one.to === 'stopping')),
    ),
  },
  {
    fault: 'an attempt is given up, and its tasks are not given back',
    breaks: 'each task counts once, and none is left with who has ended',
    loops: rash({ retire: true }),
    story: {
      workloads: [{ kind: 'array', name: 'many', run: 'work', tasks: 40, parallelism: 2 }],
      async afterStep({ house: { store, clock } }, step) {
        if (step !== 6) return
        const [array] = await store.workloads.list({}, { size: 1 })
        for (const { lease } of array ? await store.workloads.attempts(array.id) : [])
          if (lease) await store.agents.tasks(lease.id, { ended: [], held: [], wanted: 2 }, clock.now())
      },
    },
  },
  {
    fault: 'it is forgotten what a node may cost',
    breaks: 'work is only where it may be',
    store: asking(({ spec }) => ({ ...spec, placement: { ...spec.placement, maxPriceMicros: undefined } })),
    story: {
      workloads: [{ kind: 'job', name: 'thrifty', run: 'train', nodes: 2, placement: { maxPrice: '$1.23/h' } }],
    },
  },
  {
    fault: 'it is forgotten where work may be',
    breaks: 'work is only where it may be',
    store: asking(({ spec }) => ({ ...spec, data: [] })),
    story: {
      workloads: [
        {
          kind: 'job',
          name: 'private',
          run: 'train',
          nodes: 1,
          data: [{ name: 'patients', location: 's3://patients', jurisdictions: ['US'] }],
        },
      ],
    },
  },
  {
    fault: 'it is forgotten which nodes work asks for, and which taints it does not tolerate',
    breaks: 'work is only where it may be',
    store: asking(({ spec }) => ({
      ...spec,
      placement: { ...spec.placement, nodeLabels: {}, tolerations: ['dedicated'] },
    })),
    story: {
      sites: [{ ...aPlantedSite('west', 8), racks: { nodes: 2, inBlock: 2, marks: [{ taints: ['dedicated'] }, {}] } }],
    },
  },
  {
    fault: 'an attempt that is well is given up at a site that answers',
    breaks: 'what is well is left alone, for its patience where nobody answers',
    loops: rash({ retire: true }),
  },
  {
    fault: 'the patience of sites is forgotten',
    breaks: 'what is well is left alone, for its patience where nobody answers',
    store: readingDue(withSites((site) => ({ ...site, patienceMs: 0 }))),
    story: { faults: { runMs: [600_000, 600_000] }, afterStep: cutWest, steps: 25 },
  },
  {
    fault: 'limits are drawn as if every site answered',
    breaks: 'what is ended for its maximum ran until it',
    store: readingDue(withSites((site) => ({ ...site, reach: 'reachable', since: 0 }))),
    story: {
      sites: [{ ...aPlantedSite('west'), patienceMs: 600_000 }],
      workloads: [{ kind: 'job', name: 'short', run: 'train', nodes: 2, duration: { maximum: '90s' } }],
      faults: { runMs: [40_000, 40_000] },
      afterStep: cutWest,
      steps: 300,
    },
  },
  {
    fault: 'work is placed as if every site answered',
    breaks: 'new work goes where somebody answers',
    store: (store) => ({
      ...store,
      placement: {
        ...store.placement,
        snapshot: async (options) => {
          const snapshot = await store.placement.snapshot(options)
          return { ...snapshot, sites: snapshot.sites.map((site) => ({ ...site, reach: 'reachable' })) }
        },
      },
    }),
    story: {
      sites: [aPlantedSite('west')],
      workloads: [
        { kind: 'job', name: 'first', run: 'train', nodes: 4 },
        { kind: 'job', name: 'second', run: 'train', nodes: 4 },
      ],
      faults: { runMs: [40_000, 40_000] },
      afterStep: cutWest,
    },
  },
  {
    fault: 'nobody is told why he waits',
    breaks: 'who waits is told why',
    store: (store) => ({
      ...store,
      placement: {
        ...store.placement,
        commit: (...[claim, placed, , now]) => store.placement.commit(claim, placed, [], now),
      },
    }),
    story: { sites: [aPlantedSite('west', 2)] },
  },
  {
    fault: 'nobody heeds that a node is to go',
    breaks: 'what is taken away after notice is told to end in time',
    store: readingDue((facts) => ({
      ...facts,
      attempts: facts.attempts.map((one) => ({
        ...one,
        ranks: one.ranks.map((rank) => ({ ...rank, leavesAt: null })),
      })),
    })),
    story: {
      faults: { runMs: [600_000, 600_000], noticeMs: [90_000, 90_000] },
      afterStep: ({ cloud }, step) => (step === 8 ? cloud.befall('west', 'preempted') : undefined),
    },
  },
  {
    fault: 'a site that asks to be left alone is asked again at once',
    breaks: 'who asks to be left alone is left alone',
    store: atOnce,
    story: { faults: { runMs: [15_000, 15_000], rates: { throttled: { launch: 0.4 } }, retryAfterMs: [5_000, 5_000] } },
  },
  {
    fault: 'what is asked for is asked for again and again, without backoff',
    breaks: 'no table, queue or retry grows without a bound',
    provider: launching(async (order, launch, signal) => {
      for (let again = 0; again < 30; again++) await launch(order, signal)
      return fail('throttled', 'later', 'ask less often')
    }),
  },
]
