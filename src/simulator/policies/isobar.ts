import type { Asked, LiveLease, SiteFacts } from '#engine/placement/facts.ts'
import { place } from '#engine/placement/place.ts'
import type { LeasedRank } from '#model/lease.ts'
import type { Placement } from '#model/plan.ts'
import type { Offer } from '#model/offer.ts'
import type { Project } from '#model/project.ts'
import type { Shape } from '#model/resources.ts'
import { Spec } from '#model/spec/spec.ts'
import type { Floor, Spots } from '#simulator/replay/floor.ts'
import type { Act, MakeScheduler, Scheduler } from '#simulator/replay/scheduler.ts'
import type { JobRecord } from '#simulator/replay/job-record.ts'
import type { NodeGroup } from '#simulator/scenario/fleet.ts'

/**
 * The engine of the control plane, with the code that decides in production: a snapshot goes in, and its decisions come
 * out. As there, of many that need the same only the first few are looked at, and only one while nobody with that need
 * found room: the others would fare alike. It looks at all nodes each time, which suits fleets of some hundred.
 */
export const isobarScheduler =
  (firstOfNeed = 16): MakeScheduler =>
  (floor, _projects, terms) =>
    new IsobarScheduler(floor, terms, firstOfNeed)

/** Those of a project and priority that wait for the same, in the order of the queue. */
type Line = { waiting: JobRecord[]; asleep: boolean }

/** A whole node of a group; each group is a shape of its own, so that its price and its tier are. */
const shapeOf = ({ shape, number, unit, size }: NodeGroup): Shape => ({
  name: `${shape}#${number}`,
  ...(unit === 'gpu' && { accelerator: shape }),
  accelerators: unit === 'gpu' ? size : 0,
  acceleratorMemoryMiB: unit === 'gpu' ? 1024 : 0,
  cpuMilli: unit === 'gpu' ? 0 : size, // here work that asks for cores alone goes to nodes without accelerators
  memoryMiB: 1024,
  diskMiB: 1024,
})

class IsobarScheduler implements Scheduler {
  readonly name = 'isobar'
  readonly #floor: Floor
  readonly #firstOfNeed: number
  readonly #lines = new Map<string, Line>()
  readonly #asked = new Map<JobRecord, Asked>()
  readonly #leases = new Map<JobRecord, LiveLease>()
  readonly #records = new Map<string, JobRecord>()
  readonly #projects: Project[]
  #gains = -1

  constructor(floor: Floor, terms: readonly Project[], firstOfNeed: number) {
    this.#floor = floor
    this.#projects = [...terms]
    this.#firstOfNeed = firstOfNeed
  }

  waits(record: JobRecord): void {
    const asked = askedOf(record, largestNode(this.#floor, record))
    this.#asked.set(record, asked)
    this.#records.set(asked.workload.id, record)
    const { waiting } = this.#lineOf(record)
    // Who lost its nodes comes back to its old place.
    const after = waiting.findLastIndex(({ index }) => index < record.index)
    waiting.splice(after + 1, 0, record)
  }

  left(record: JobRecord): void {
    this.#leases.delete(record)
  }

  decide(now: number, act: Act): undefined {
    if (this.#gains !== this.#floor.gains) for (const line of this.#lines.values()) line.asleep = false
    while (this.#round(now, act));
    this.#gains = this.#floor.gains
  }

  #lineOf({ job, demand }: JobRecord): Line {
    const key = [job.project, job.priority, demand.unit, demand.amount, demand.ranks, demand.within].join(' ')
    const line = this.#lines.get(key) ?? { waiting: [], asleep: false }
    this.#lines.set(key, line)
    return line
  }

  /** Decides once; true when more may be placed that was not looked at. */
  #round(now: number, act: Act): boolean {
    const lines = [...this.#lines.values()].filter(({ waiting }) => waiting.length > 0)
    if (lines.every(({ asleep }) => asleep)) return false
    const seen = lines.flatMap((line) => line.waiting.slice(0, line.asleep ? 1 : this.#firstOfNeed))
    const decisions = place({
      now,
      snapshot: {
        waiting: seen.flatMap((record) => this.#asked.get(record) ?? []),
        leases: [...this.#leases.values()],
        projects: this.#projects,
        spent: new Map(),
        sites: sitesOf(this.#floor),
      },
    })
    const left = new Map(lines.map((line) => [line, Math.min(line.waiting.length, this.#firstOfNeed)]))
    for (const { workload, placement } of decisions) {
      const record = this.#records.get(workload)
      if (!record) continue
      const line = this.#lineOf(record)
      if (!placement) {
        line.asleep = true
        continue
      }
      this.#start(record, placement, act)
      left.set(line, (left.get(line) ?? 0) - 1)
      // Those of its line that were not looked at come before who follows in the queue.
      if (left.get(line) === 0 && line.waiting.length > 0) return true
    }
    return false
  }

  #start(record: JobRecord, placement: Placement, act: Act): void {
    act.start(record, spotsOf(placement.ranks, record))
    const id = this.#asked.get(record)?.workload.id ?? ''
    const { waiting } = this.#lineOf(record)
    waiting.splice(waiting.indexOf(record), 1)
    this.#asked.delete(record)
    this.#leases.set(record, { id, workload: id, project: record.job.project, ...placement })
  }
}

const nodeName = (node: number): string => `n${node}`

function spotsOf(ranks: readonly LeasedRank[], { demand }: JobRecord): Spots {
  const amounts = new Map<number, number>()
  for (const { node = '', accelerators, cpuMilli } of ranks) {
    const number = Number(node.slice(1))
    amounts.set(number, (amounts.get(number) ?? 0) + (demand.unit === 'gpu' ? accelerators : cpuMilli))
  }
  return [...amounts].flat()
}

/** The size of the largest nodes that such work may run on. */
const largestNode = (floor: Floor, { demand }: JobRecord): number =>
  floor.groupsFor(demand.unit).reduce((most, { size }) => Math.max(most, size), 1)

/** A gang of equal ranks: those that were asked for, or as few as can be. */
function ranksOf({ demand }: JobRecord, nodeSize: number): number {
  if (demand.ranks > 0) return demand.ranks
  let ranks = Math.ceil(demand.amount / nodeSize)
  while (demand.amount % ranks !== 0) ranks++
  return ranks
}

const blank = Spec.parse({ kind: 'job', name: 'any', run: 'true' })
const none = { count: 0, atLeast: false }

function askedOf(record: JobRecord, nodeSize: number): Asked {
  const { job, demand, index } = record
  const nodes = ranksOf(record, nodeSize)
  const each = demand.amount / nodes
  const isGpu = demand.unit === 'gpu'
  const resources = {
    accelerators: isGpu ? [{ memoryMiB: { count: 1, atLeast: true }, count: each }] : [],
    ordered: false,
    cpuMilli: isGpu ? none : { count: each, atLeast: false },
    memoryMiB: none,
    diskMiB: none,
  }
  const id = `w-${String(index).padStart(9, '0')}`
  return {
    replica: { workload: id, replica: 0, state: 'waiting', losses: 0, failures: 0, notBefore: 0, avoid: {} },
    workload: {
      id,
      name: job.id,
      project: job.project,
      kind: 'job',
      spec: {
        ...blank,
        nodes,
        resources,
        ...(demand.within > 0 && { topology: { within: demand.within === 1 ? 'nvlink' : 'block', required: true } }),
        project: job.project,
        duration: { expectedMs: job.durationMs, maximumMs: undefined },
      },
      bundle: null,
      priority: job.priority,
      wants: 'run',
      state: 'queued',
      exitCode: null,
      reason: '',
      attempts: record.starts,
      submittedBy: '',
      createdAt: job.arrivalMs,
      startedAt: null,
      endedAt: null,
    },
  }
}

function sitesOf(floor: Floor): SiteFacts[] {
  return [...Map.groupBy(floor.fleet.groups, ({ site }) => site)].map(([site, groups]) => {
    const [{ provider, jurisdictions } = { provider: 'local' as const, jurisdictions: [] }] = groups
    const name = site.slice(provider.length + 1)
    const open = groups.filter(({ number }) => !floor.refuses(number))
    return {
      site,
      reach: 'reachable',
      since: 0,
      detail: '',
      info: { provider, name, jurisdictions, patienceMs: 0 },
      offers: open.map((group) => offerOf(group, { name, priceMicros: floor.marginalMicros(group.number) })),
      nodes: open.flatMap((group) => nodesOf(group, floor)),
    }
  })
}

const offerOf = (group: NodeGroup, { name, priceMicros }: { name: string; priceMicros: number }): Offer => ({
  provider: group.provider,
  site: name,
  tier: group.tier,
  shape: shapeOf(group),
  divisible: true,
  priceMicros,
  images: true,
  source: 'fleet',
  asOf: 0,
})

function nodesOf(group: NodeGroup, floor: Floor): NonNullable<SiteFacts['nodes']> {
  const shape = shapeOf(group)
  return Array.from({ length: group.count }, (_, i) => ({
    name: nodeName(group.first + i),
    shape,
    path: group.domains.map((size, level) => `${group.number}-${level}-${Math.floor(i / size)}`),
    usable: floor.usable(group.first + i),
  }))
}
