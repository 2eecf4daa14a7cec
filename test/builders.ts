import type { Snapshot } from '#engine/placement/facts.ts'
import type { Node, Site } from '#model/site.ts'
import type { Offer } from '#model/offer.ts'
import type { Shape } from '#model/resources.ts'
import type { Replica } from '#model/replica.ts'
import { Project } from '#model/project.ts'
import { Spec, type WrittenSpec } from '#model/spec/spec.ts'
import { wantedReplicas, type Workload } from '#model/workload.ts'

/**
 * Builders for tests: every field has a default, so that a test says only what matters to it. Specs go through the
 * real schema, in the words that people write (`{ resources: { accelerators: 'H200:8' } }`).
 */

/** The instant at which tests take place. */
export const aNow = Date.UTC(2026, 0, 1)

type Written<K extends WrittenSpec['kind']> = Partial<Omit<Extract<WrittenSpec, { kind: K }>, 'kind'>>
type Row = Partial<Omit<Workload, 'spec' | 'kind'>>

/** A job of one node that waits; `row` is what the house adds to the spec. */
export const aJob = (spec: Written<'job'> = {}, row: Row = {}): Workload =>
  aWorkload({ kind: 'job', name: 'job', run: 'true', ...spec }, row)

/** A service of one replica on port 8000. */
export const aService = (spec: Written<'service'> = {}, row: Row = {}): Workload =>
  aWorkload({ kind: 'service', name: 'service', run: 'serve', ports: [8000], ...spec }, row)

/** An array of eight tasks. */
export const anArray = (spec: Written<'array'> = {}, row: Row = {}): Workload =>
  aWorkload({ kind: 'array', name: 'array', run: 'true', tasks: 8, ...spec }, row)

function aWorkload(written: WrittenSpec, row: Row): Workload {
  const spec = Spec.parse(written)
  return {
    id: `w-${spec.name}`,
    name: spec.name,
    project: spec.project,
    kind: spec.kind,
    spec,
    bundle: null,
    priority: spec.priority,
    wants: 'run',
    state: 'queued',
    exitCode: null,
    reason: '',
    attempts: 0,
    submittedBy: 'tester',
    createdAt: aNow - 60_000,
    startedAt: null,
    endedAt: null,
    ...row,
  }
}

export const aReplica = (workload: Workload, fields: Partial<Replica> = {}): Replica => ({
  workload: workload.id,
  replica: 0,
  state: 'waiting',
  losses: 0,
  failures: 0,
  notBefore: 0,
  avoid: {},
  ...fields,
})

/** All replicas of a workload, waiting. */
export const allWaiting = (workload: Workload): Snapshot['waiting'] =>
  Array.from({ length: wantedReplicas(workload.spec) }, (_, replica) => ({
    workload,
    replica: aReplica(workload, { replica }),
  }))

export type ShapeWords = {
  shape?: string
  gpus?: number
  gpu?: string
  gpuGB?: number
  mig?: boolean
  cpus?: number
  memoryGB?: number
}

/** `{ gpus: 8 }` is a node of eight H100 with 96 CPUs; without accelerators it has 16 CPUs and 64 GB. */
export function aShape(words: ShapeWords = {}): Shape {
  const { gpus = 0, gpu = 'H100', gpuGB = 80 } = words
  const { cpus = gpus > 0 ? gpus * 12 : 16, memoryGB = gpus > 0 ? gpus * 128 : 64 } = words
  return {
    name: words.shape ?? (gpus > 0 ? `${gpus}x${gpu}`.toLowerCase() : `${cpus}cpu`),
    ...(gpus > 0 ? { accelerator: gpu } : {}),
    accelerators: gpus,
    acceleratorMemoryMiB: gpus > 0 ? gpuGB * 1024 : 0,
    ...(words.mig && { mig: true }),
    cpuMilli: cpus * 1000,
    memoryMiB: memoryGB * 1024,
    diskMiB: 1024 * 1024,
  }
}

type OfferFields = Partial<Omit<Offer, 'shape'>> & ShapeWords & { price?: number }

/** Divisible on-demand nodes at `local/west` for `price` dollars an hour each (1 unless told). */
export function anOffer(fields: OfferFields = {}): Offer {
  const { shape, gpus, gpu, gpuGB, mig, cpus, memoryGB, price = 1, ...rest } = fields
  return {
    provider: 'local',
    site: 'west',
    tier: 'on-demand',
    shape: aShape({ shape, gpus, gpu, gpuGB, mig, cpus, memoryGB }),
    divisible: true,
    priceMicros: Math.round(price * 1_000_000),
    images: false,
    source: 'test',
    asOf: aNow,
    ...rest,
  }
}

type NodeFields = Partial<Omit<Node, 'shape'>> & ShapeWords

export function aNode(fields: NodeFields = {}): Node {
  const { shape, gpus, gpu, gpuGB, mig, cpus, memoryGB, ...rest } = fields
  const path = rest.path ?? []
  return { name: 'n0', usable: true, shape: aShape({ shape, gpus, gpu, gpuGB, mig, cpus, memoryGB }), ...rest, path }
}

/** `count` equal nodes, `n0` … in topology domains of `perDomain` nodes at each level, the tightest first. */
export const someNodes = (count: number, fields: NodeFields = {}, perDomain: number[] = []): Node[] =>
  Array.from({ length: count }, (_, i) =>
    aNode({ ...fields, name: `n${i}`, path: perDomain.map((size, level) => `d${level}-${Math.floor(i / size)}`) }),
  )

type SiteFields = Partial<Site> &
  Partial<Omit<Snapshot['sites'][number], 'info' | 'site' | 'offers'>> & {
    offers?: OfferFields[]
  }

/**
 * A reachable site, `local/west` in the US unless told, with its offers (their provider and site follow it) and, with
 * `nodes`, an inventory. Without `offers` it has one for each shape among its nodes.
 */
export function aSite(fields: SiteFields = {}): Snapshot['sites'][number] {
  const { provider = 'local', name = 'west', jurisdictions = ['US'], patienceMs = 60_000 } = fields
  const { reach = 'reachable', since = 0, detail = '', nodes = null } = fields
  const shapes = new Map((nodes ?? []).map((node) => [node.shape.name, node.shape]))
  const offers = fields.offers
    ? fields.offers.map((offer) => anOffer({ ...offer, provider, site: name }))
    : [...shapes.values()].map((shape) => ({ ...anOffer({ provider, site: name }), shape }))
  return {
    site: `${provider}/${name}`,
    reach,
    since,
    detail,
    offers,
    nodes,
    info: { provider, name, jurisdictions, patienceMs, ...(fields.egress ? { egress: fields.egress } : {}) },
  }
}

/** A project without limits, `default` unless told. */
export const aProject = (fields: Partial<Parameters<typeof Project.parse>[0] & Project> = {}): Project =>
  Project.parse({ name: 'default', ...fields })

type LeaseFields = Partial<Snapshot['leases'][number]>

/** A lease of one slice with one CPU at `local/west`, on no node in particular. */
export const aLease = (fields: LeaseFields = {}): Snapshot['leases'][number] => ({
  id: 'l-0',
  workload: 'w-other',
  project: 'default',
  provider: 'local',
  site: 'west',
  tier: 'on-demand',
  ranks: [{ rank: 0, cpuMilli: 1000, memoryMiB: 1024, diskMiB: 0, accelerators: 0 }],
  priceMicros: 0,
  ...fields,
})

type SnapshotFields = Partial<Omit<Snapshot, 'waiting'>> & { waiting?: (Workload | Snapshot['waiting'][number])[] }

/** What the engine is given: all replicas of the waiting workloads, and the projects that they name. */
export function aSnapshot(fields: SnapshotFields = {}): Snapshot {
  const waiting = (fields.waiting ?? []).flatMap((item) => ('spec' in item ? allWaiting(item) : [item]))
  const names = new Set(['default', ...waiting.map(({ workload }) => workload.project)])
  return {
    leases: [],
    projects: [...names].map((name) => aProject({ name })),
    spent: new Map(),
    sites: [],
    ...fields,
    waiting,
  }
}
