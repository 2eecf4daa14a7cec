import { workloadMoves, type WorkloadState } from '#model/workload.ts'
import type { NewWorkload, OrderField } from '#store/store.ts'
import { aJob, anArray, aService } from '#test/builders.ts'
import { type Draw, idOf, madeId, projects, siteKeys, type Step, type Told } from './drawn.ts'
import { Checked } from './pair.ts'

/** What people ask about their work. */

const names = ['train', 'serve', 'sweep', 'eval'] as const

type Common = Parameters<typeof aJob>[0]

function commonSpec(draw: Draw): NonNullable<Common> {
  const all: NonNullable<Common>[] = [
    { priority: draw.below(3) },
    { labels: { team: draw.of(['x', 'y', 'ü "']), '10': 'a' } },
    { budget: { limit: `$${draw.below(5)}.5`, whenUsed: draw.of(['stop', 'finish']) } },
    { secrets: draw.some(['TOKEN', 'KEY'], 2) },
    { data: [{ name: 'set', location: 's3://set', site: draw.of(['local/west', 'local/east']), size: '1.5GiB' }] },
    { data: [{ name: 'set', location: 's3://set', site: draw.of(['local/west', 'local/east']), size: '1.5GiB' }] },
    { expiry: '1h' },
    { deadline: '2026-01-02T00:00:00Z' },
    { deadline: '2026-01-02T00:00:00Z', duration: { expected: '3h' }, checkpoint: { every: '10m' } },
    { duration: draw.of([{ expected: '3h' }, { maximum: '90m' }, { expected: '1h', maximum: '2h' }]) },
    { throughput: { H100: draw.of([1, 0.3, 0.45]), A100: draw.of([2, 0.7]) } },
    { checkpoint: draw.of([{ every: '10m' }, { directory: '/c' }, { grace: '5s' }]) },
    { resources: { cpus: draw.of([1, 2]) } },
    { retry: { onExit: [1, 3], times: 2, onLoss: 1 } },
  ]
  return Object.assign({}, ...draw.some(all, 4)) as NonNullable<Common> // each is a part of one
}

function aWorkload(draw: Draw, told: Told): NewWorkload {
  const common = { ...commonSpec(draw), name: draw.of(names), project: draw.of(projects) }
  const kind = draw.below(6)
  const workload =
    kind === 0
      ? aService({ ...common, replicas: draw.of([1, 2, 5]) })
      : kind === 1
        ? anArray({ ...common, tasks: draw.of([3, 3, 20, 40]), parallelism: draw.of([8, 24]) })
        : aJob({ ...common, nodes: draw.of([1, 2, 3]) })
  const { name, project, spec, priority, submittedBy } = workload
  const bundle = draw.chance(0.3) ? draw.of(['sha-1', 'sha-2']) : null
  return { id: madeId(told, 'w'), name, project, kind: workload.kind, spec, bundle, priority, submittedBy }
}

export const submit: Step = (pair, draw, told) => {
  const workloads = Array.from({ length: 1 + draw.below(3) }, () => aWorkload(draw, told))
  const [first] = workloads
  if (first && draw.chance(0.03)) workloads.push({ ...first })
  return pair.ask((store) => store.workloads.submit(workloads, pair.clock.at))
}

export const prioritise: Step = (pair, draw) => {
  const id = idOf(draw, pair.tables.workloads.all())
  const priority = draw.of([0, 5, -2])
  return pair.ask((store) => store.workloads.prioritise(id, priority, { who: 'bob', now: pair.clock.at }))
}

function mustRun({ wants }: { wants: string }): void {
  if (wants !== 'run') throw new Checked(`it is to ${wants}`)
}

export const want: Step = (pair, draw) => {
  const id = idOf(draw, pair.tables.workloads.all())
  const wants = draw.of(['run', 'run', 'hold', 'hold', 'stop'])
  const by = { who: 'ann', now: pair.clock.at, ...(draw.chance(0.2) && { check: mustRun }) }
  return pair.ask((store) => store.workloads.want(id, wants, by))
}

const fields: readonly OrderField[] = ['createdAt', 'name', 'priority', 'project']

export const show: Step = async (pair, draw) => {
  const { tables } = pair
  const id = idOf(draw, tables.workloads.all())
  const row = tables.workloads.get(id)
  const project = draw.of(projects)
  switch (draw.below(9)) {
    case 0:
      return pair.ask((store) => store.workloads.get(id))
    case 1:
      return pair.ask((store) => store.workloads.find(row?.project ?? project, id))
    case 2: {
      const name = draw.of(names)
      return pair.ask((store) => store.workloads.find(project, name))
    }
    case 3:
      return pair.ask((store) => store.workloads.attempts(id))
    case 4:
      return pair.ask((store) => store.workloads.refusal(id))
    case 5: {
      const array = draw.one([...tables.workloads.all()].filter(({ kind }) => kind === 'array'))?.id ?? id
      return pair.ask((store) => store.workloads.failedTasks(array, 3))
    }
    case 6:
      return pair.ask((store) => store.workloads.endpoints())
    case 7:
      return pair.ask((store) => store.workloads.bundles())
    default:
      return pair.ask((store) => store.figures())
  }
}

const labels: [[string, string], ...[string, string][]] = [
  ['team', 'x'],
  ['10', 'a'],
  ['none', ''],
]

export const list: Step = async (pair, draw) => {
  const states = draw.some(Object.keys(workloadMoves) as WorkloadState[], 4) // keys of the table
  const filter = {
    ...(draw.chance(0.4) && { project: draw.of(projects) }),
    ...(draw.chance(0.2) && { name: draw.of(names) }),
    ...(draw.chance(0.2) && { kind: draw.of(['job', 'service', 'array']) }),
    ...(draw.chance(0.4) && { states }),
    ...(draw.chance(0.2) && {
      label: draw.of(labels),
    }),
  }
  const order = draw.some(fields, 3).map((by) => ({ by, descending: draw.chance(0.5) }))
  const page = { size: 1 + draw.below(6), ...(order.length > 0 && { order }) }
  const first = await pair.ask((store) => store.workloads.list(filter, page))
  const after = first.at(-1)
  if (after) await pair.ask((store) => store.workloads.list(filter, { ...page, after }))
}

export const tidy: Step = async (pair, draw) => {
  const before = pair.clock.at - draw.of([-1, 0, 60_000, 3_600_000])
  await pair.ask((store) => store.prune({ now: pair.clock.at, endedMs: pair.clock.at - before }))
  const found = await pair.ask((store) => store.workloads.expired({ before, most: 1000 }))
  const ids = [...draw.some(found, 3), ...(draw.chance(0.05) ? [idOf(draw, pair.tables.workloads.all())] : [])]
  await pair.ask((store) => store.workloads.forget(ids))
}

export const plan: Step = async (pair, draw, told) => {
  const id = draw.chance(0.7) ? madeId(told, 'p') : (draw.one(told.plans) ?? 'p-none')
  const decision = {
    workload: 'w-1',
    replica: 0,
    placement: null,
    alternatives: [{ site: siteKeys[0] ?? '', tier: 'spot', shape: 's', priceMicros: draw.below(1000) }],
    rejections: [],
    refusal: null,
  }
  const submission = draw.chance(0.5) ? { documents: ['kind: job'] } : undefined
  const expiresAt = pair.clock.at + 600_000
  if (draw.chance(0.5)) {
    const added = { id, decisions: [decision], submission, createdAt: pair.clock.at, expiresAt }
    await pair.ask((store) => store.plans.add(added))
    told.plans.push(id)
  }
  const asked = draw.one(told.plans) ?? 'p-none'
  await pair.ask((store) => store.plans.get(asked))
  if (draw.chance(0.5)) await pair.ask((store) => store.plans.applied(asked, pair.clock.at))
  const workload = idOf(draw, pair.tables.workloads.all())
  await pair.ask((store) => store.plans.ofWorkload(workload))
}

export const repeat: Step = async (pair, draw) => {
  const key = `k-${draw.below(4)}`
  const hash = draw.of(['h1', 'h1', 'h2'])
  const begun = await pair.ask((store) => store.idempotency.begin(key, hash, pair.clock.at))
  const response = draw.of([{ id: 'w-1', b: [1, { c: null }] }, null, 'text', undefined])
  if (begun === 'new' && draw.chance(0.6)) await pair.ask((store) => store.idempotency.save(key, 201, response))
  if (draw.chance(0.2)) await pair.ask((store) => store.idempotency.forget(key))
}
