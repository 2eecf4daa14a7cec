import { Spec } from '#model/spec/spec.ts'
import { asking } from './planted-work.ts'
import { aPlantedSite, type Planted } from './planted-world.ts'

const breaks = 'gangs have to themselves what they ask for, and stand as evenly'

/** Nobody's topology is known when it is decided. */
const store = asking(({ spec }) => ({ ...spec, topology: undefined }))

/** A site whose nodes have names, so many in a rack. */
const sitesOf = (nodes: number) => [{ ...aPlantedSite('west', 8), racks: { nodes, inBlock: 2 } }]

const aJob = { kind: 'job', run: 'train' } as const

export const plantedInTopology: readonly Planted[] = [
  {
    fault: 'it is forgotten that a gang has its racks to itself',
    breaks,
    store,
    story: {
      sites: sitesOf(2),
      workloads: ['one', 'two'].map((name) => ({ ...aJob, name, nodes: 1, topology: { exclusive: 'nvlink' } })),
    },
  },
  {
    fault: 'no spare nodes are kept for a gang',
    breaks,
    store,
    story: {
      sites: sitesOf(4),
      workloads: [{ ...aJob, name: 'one', nodes: 2, topology: { spares: { count: 1, within: 'nvlink' } } }],
    },
  },
  {
    fault: 'a gang fills one rack after the other though it is to stand evenly',
    breaks,
    store,
    story: {
      sites: sitesOf(4),
      workloads: [{ ...aJob, name: 'one', nodes: 6, topology: { balanced: 'nvlink' } }],
    },
  },
  {
    fault: 'it is forgotten which nodes are kept free for others',
    breaks: 'no node is given twice',
    store: (given) => ({
      ...given,
      placement: {
        ...given.placement,
        snapshot: async (options) => {
          const snapshot = await given.placement.snapshot(options)
          return { ...snapshot, leases: snapshot.leases.map((lease) => ({ ...lease, beside: null })) }
        },
      },
    }),
    story: {
      sites: sitesOf(4),
      workloads: [
        { ...aJob, name: 'one', nodes: 3, topology: { within: 'nvlink', spares: { count: 1, within: 'nvlink' } } },
      ],
      faults: { runMs: [60_000, 60_000] },
      async afterStep({ house: { store: here, clock, ids } }, step) {
        if (step !== 5) return
        const spec = Spec.parse({ ...aJob, name: 'late', nodes: 5 })
        const { name, project, kind, priority } = spec
        const workload = { id: ids('w'), name, project, kind, spec, bundle: null, priority, submittedBy: 'tester' }
        await here.workloads.submit([workload], clock.now())
      },
    },
  },
]
