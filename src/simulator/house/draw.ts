import { createRandom, type Random } from '#kit/random.ts'
import type { WrittenSpec } from '#model/spec/spec.ts'
import { callsOf, type Trouble } from '#providers/simulated/trouble.ts'
import { behaviourEnv } from './process.ts'
import type { Step, Story } from './story.ts'
import { shape } from './shape.ts'

/** How much there is in a drawn story. */
export type Measure = {
  workloads: [number, number]
  lastsMs: [number, number]
  planes: [number, number]
  sites: [number, number]
  /** At each site. */
  nodes: [number, number]
  faults: [number, number]
  /** How long work runs. */
  runMs: readonly [number, ...number[]]
  /** At which share of the sites our agents run the ranks. */
  agents: number
}

const [minuteMs, hourMs] = [60_000, 3_600_000]

export const measures = {
  /** Much happens at once, and is over soon. */
  story: {
    workloads: [1, 7],
    lastsMs: [2 * minuteMs, 15 * minuteMs],
    planes: [1, 3],
    sites: [1, 3],
    nodes: [1, 10],
    faults: [0, 16],
    runMs: [500, 5_000, 30_000, 2 * minuteMs, 8 * minuteMs],
    agents: 0.5,
  },
  /** A hundred workloads in some hours, as a fleet of some hundred nodes might have. */
  fleet: {
    workloads: [100, 100],
    lastsMs: [2 * hourMs, 2 * hourMs],
    planes: [1, 1],
    sites: [2, 2],
    nodes: [40, 60],
    faults: [20, 40],
    runMs: [10 * minuteMs, 20 * minuteMs, hourMs],
    agents: 0,
  },
} as const satisfies Record<string, Measure>

/** Draws a story: the same seed and measure give the same. */
export function storyOf(seed: number, measure: Measure = measures.story): Story {
  const draw = createDraw(createRandom(`story ${seed}`))
  const calmAt = draw.between(...measure.lastsMs)
  const sites = Array.from({ length: draw.between(...measure.sites) }, (_, i) => siteOf(draw, i, measure))
  const names = sites.map(({ name }) => name)
  const planes = ['a', 'b', 'c'].slice(0, draw.between(...measure.planes)).map((name) => ({
    name,
    skewMs: draw.chance(0.3) ? draw.between(-3_000, 3_000) : 0,
  }))
  const steps: Step[] = []
  const workloads = Array.from({ length: draw.between(...measure.workloads) }, (_, i) => `work-${i}`)
  for (const name of workloads)
    steps.push(...lifeOf(draw, name, { ...measure, calmAt, projects: ['default', 'team'], sites: names }))
  for (let i = draw.between(...measure.faults); i > 0; i--) steps.push(faultOf(draw, { calmAt, sites: names, planes }))
  return {
    seed,
    planes,
    cloud: { sites, faults: paceOf(draw) },
    troubles: Array.from({ length: draw.between(0, 5) }, () => troubleOf(draw, names, calmAt)),
    agents: { sites: names.filter(() => draw.chance(measure.agents)), skewMs: draw.chance(0.3) ? 5_000 : 0 },
    projects: [{ name: 'team', fields: teamOf(draw) }],
    steps: steps.sort((one, other) => one.at - other.at),
    calmAt,
  }
}

type Draw = ReturnType<typeof createDraw>

function createDraw(random: Random) {
  const between = (least: number, most: number): number => least + random.below(most - least + 1)
  return {
    between,
    chance: (share: number): boolean => random.next() < share,
    of: <const T extends readonly [unknown, ...unknown[]]>(all: T): T[number] =>
      all[random.below(all.length)] ?? all[0],
    any: <T>(all: readonly T[], otherwise: T): T => all[random.below(all.length)] ?? otherwise,
  }
}

const siteOf = (draw: Draw, i: number, { nodes }: Measure): Story['cloud']['sites'][number] => ({
  name: `site-${i}`,
  jurisdictions: ['DE', 'EU'],
  patienceMs: draw.of([10_000, 30_000, 60_000]),
  pools: [
    {
      tier: draw.of(['on-demand', 'spot']),
      shape,
      priceMicros: draw.between(100_000, 5_000_000),
      nodes: draw.between(...nodes),
    },
  ],
})

const paceOf = (draw: Draw): NonNullable<Story['cloud']['faults']> => ({
  callMs: [0, draw.of([0, 50, 900])],
  bootMs: [500, draw.of([1_000, 20_000, 60_000])],
  stopMs: [0, draw.of([100, 5_000])],
  teardownMs: [0, draw.of([100, 10_000])],
  hiddenMs: [0, draw.of([0, 5_000])],
  ghostMs: [0, draw.of([0, 5_000])],
  preemptionsPerHour: 0,
})

/** Every trouble that ceases by itself when its window is over. */
const troubles = [
  'hanging',
  'unreachable',
  'throttled',
  'denied',
  'quota',
  'no-capacity',
  'slow',
  'late',
  'duplicated',
  'lost-reply',
  'timed-out',
  'old-view',
  'page-lost',
  'wrong-status',
  'skewed',
  'old-offers',
  'false-offers',
  'slow-boot',
  'slow-stop',
  'hung',
  'dropped',
  'preempted',
  'vanished',
  'missing',
  'unbooted',
] as const satisfies Trouble[]

function troubleOf(draw: Draw, sites: string[], calmAt: number): Story['troubles'][number] {
  const trouble = draw.of(troubles)
  const calls = callsOf(trouble)
  const fromMs = draw.between(0, calmAt / 2)
  return {
    trouble,
    ...(draw.chance(0.6) && { site: draw.any(sites, 'site-0') }),
    ...(calls.length > 1 && draw.chance(0.5) && { calls: [draw.any(calls, 'list')] }),
    share: draw.of([0.02, 0.1, 0.3, 0.8]),
    fromMs,
    toMs: draw.between(fromMs, calmAt),
  }
}

const teamOf = (draw: Draw): Record<string, unknown> => ({
  ...(draw.chance(0.5) && { quota: { cpuMilli: draw.between(2, 24) * 1000 } }),
  ...(draw.chance(0.3) && { budgetMicros: draw.between(1, 50) * 100_000 }),
  ...(draw.chance(0.3) && { preemption: { within: 'lower-priority', reclaim: draw.of(['never', 'any']) } }),
})

type Room = Pick<Measure, 'runMs' | 'agents'> & { calmAt: number; projects: [string, ...string[]]; sites: string[] }

/** A workload that somebody submits, and what is asked of it later. */
function lifeOf(draw: Draw, name: string, room: Room): Step[] {
  const at = draw.between(0, room.calmAt * 0.8)
  const spec = specOf(draw, name, room)
  const whose = { name, project: spec.project ?? 'default' }
  const steps: Step[] = [{ at, do: 'submit', spec }]
  const later = (): number => draw.between(at, room.calmAt)
  if (draw.chance(0.2)) steps.push({ at: later(), do: 'stop', ...whose })
  if (draw.chance(0.1)) {
    const heldAt = later()
    steps.push({ at: heldAt, do: 'hold', ...whose }, { at: draw.between(heldAt, room.calmAt), do: 'release', ...whose })
  }
  if (draw.chance(0.1)) steps.push({ at: later(), do: 'priority', ...whose, priority: draw.between(-5, 5) })
  return steps
}

const endings = ['stop', 'finish'] as const

function specOf(draw: Draw, name: string, { projects, sites, ...room }: Room): WrittenSpec {
  const kind = draw.of(room.agents > 0 ? ['job', 'job', 'job', 'service', 'array'] : ['job', 'job', 'job', 'service'])
  const runMs = draw.of(room.runMs)
  const exitCode = draw.chance(0.15) ? draw.of([1, 3]) : 0
  const common = {
    name,
    project: draw.of(projects),
    run: 'work',
    // Exactly so much no node has: that can never be placed.
    resources: draw.chance(0.04) ? { cpus: 1, memory: '1GB' } : { cpus: draw.of(['1+', '2+', '4+']), memory: '1GB+' },
    env: behaviourEnv({ runMs, exitCode, stopMs: draw.of([0, 500, 20_000]) }),
    checkpoint: { grace: draw.of(['1s', '5s', '30s']) },
    retry: { onLoss: draw.of([0, 2, 20]), onExit: draw.chance(0.5) ? [3] : [], times: 2 },
    priority: draw.chance(0.3) ? draw.between(-3, 3) : 0,
    ...(draw.chance(0.1) && { budget: { limit: `$${draw.between(1, 20) / 100}`, whenUsed: draw.of(endings) } }),
    ...(draw.chance(0.1) && { duration: { maximum: '60s' } }),
    ...(draw.chance(0.05) && { expiry: '300s' }),
    ...(draw.chance(0.1) && { placement: { sites: [`simulated/${draw.any(sites, 'site-0')}`] } }),
  } as const
  if (kind === 'service') return { ...common, kind, ports: [80], replicas: draw.between(1, 3) }
  if (kind === 'array') {
    // Its tasks are many, and one after another.
    const env = behaviourEnv({ runMs: Math.min(runMs, 30_000), exitCode, stopMs: 500 })
    return { ...common, kind, env, tasks: draw.between(1, 30), parallelism: draw.between(1, 12) }
  }
  // Now and then a gang that no site can hold.
  return { ...common, kind, nodes: draw.chance(0.07) ? 500 : draw.of([1, 1, 1, 2, 4, 8]) }
}

type Targets = { calmAt: number; sites: string[]; planes: Story['planes'] }

/** The calls at which a process may meet something: of any kind, of a noun, or one in particular. */
const calls = [
  '',
  'provider.',
  'api.',
  'apply',
  ...inNoun('provider', 'offers launch launch get list retire retire logs'),
  ...inNoun('operations', 'claim settle settle nextAt'),
  ...inNoun('placement', 'snapshot commit commit come more usage nextAt'),
  ...inNoun('follow', 'due nextDueAt'),
  ...inNoun('claims', 'take take announce'),
  ...inNoun('sites', 'list put offered reached count differing saw orphans'),
  ...inNoun('agents', 'view views report heard tasks'),
  ...inNoun('ledger', 'unmetered add spent warnOnce'),
  ...inNoun('workloads', 'submit get find want prioritise'),
  ...inNoun('idempotency', 'begin save forget'),
  ...inNoun('projects', 'list change'),
  ...inNoun('market', 'spot'),
  'events.add',
  'prune',
] as const

const storeCalls = calls.filter((call) => !/^(provider|api)\./.test(call))

function inNoun(noun: string, methods: string): string[] {
  return methods.split(' ').map((method) => `${noun}.${method}`)
}

function faultOf(draw: Draw, { calmAt, sites, planes }: Targets): Step {
  const at = draw.between(0, calmAt * 0.8)
  const plane = draw.any(planes, { name: 'a', skewMs: 0 }).name
  const site = draw.any(sites, 'site-0')
  const forMs = draw.of([500, 5_000, 15_000, 90_000, 400_000])
  const target = { plane, call: draw.any(calls, ''), nth: draw.of([1, 1, 1, 2, 7, 30]) }
  const edge = draw.of(['before', 'after'])
  const kind = draw.of(['kill', 'kill', 'kill', 'pause', 'database', 'restart', 'deafen', 'cut', 'sever', 'befall'])
  switch (kind) {
    case 'kill':
      return { at, do: 'kill', ...target, edge, downMs: draw.of([0, 1_000, 10_000, 120_000]) }
    case 'pause':
      return { at, do: 'pause', ...target, edge, forMs }
    case 'database': {
      const how = draw.of(['fail', 'lose-reply', 'lose-reply', 'full', 'collide'])
      const call = draw.any(storeCalls, '')
      return { at, do: 'database', ...target, call, times: draw.of([1, 1, 3, 20]), how }
    }
    case 'restart':
      return { at, do: 'restart-database', forMs: draw.of([200, 2_000, 20_000]) }
    case 'deafen':
      return { at, do: 'deafen', plane, forMs }
    case 'cut':
      return { at, do: 'cut', site, how: draw.of(['unreachable', 'hanging', 'lost']), forMs }
    case 'sever':
      return { at, do: 'sever', site, forMs }
    case 'befall':
      return { at, do: 'befall', site, trouble: draw.of(troubles), forMs }
  }
}
