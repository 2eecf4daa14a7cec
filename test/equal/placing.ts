import type { Decision, Refusal } from '#model/plan.ts'
import type { Kept, Placed } from '#store/store.ts'
import { about, type Draw, holders, idOf, madeId, siteKeys, siteNames, type Step, type Told } from './drawn.ts'
import type { Pair } from './pair.ts'

/** What a loop asks that places work. */

export const look: Step = async (pair, draw, told) => {
  const asleep = new Map(draw.some(told.needs, 4).map((need) => [need, draw.below(4)]))
  const options = {
    now: draw.chance(0.8) ? pair.clock.at : about(pair, draw),
    most: draw.of([1, 2, 5, 1000]),
    ...(asleep.size > 0 && { asleep }),
    ...(draw.chance(0.5) && { after: draw.of([null, '', `${idOf(draw, pair.tables.workloads.all())} 0`]) }),
    ...(draw.chance(0.2) && { unlessIdle: true }),
    ...(draw.chance(0.3) && { moves: true }),
    ...(draw.chance(0.3) && { spot: true }),
    ...(draw.chance(0.2) && {
      running: { workload: draw.of(['', idOf(draw, pair.tables.workloads.all())]), most: draw.of([1, 4]) },
    }),
    ...(draw.chance(0.5) && { few: draw.of([0, 3, 2000]) }),
  }
  const { waiting } = await pair.ask((store) => store.placement.snapshot(options))
  told.needs.push(...waiting.map(({ need }) => need))
  told.needs.splice(0, told.needs.length - 20)
}

export const ofQueue: Step = async (pair, draw) => {
  const { tables, clock } = pair
  switch (draw.below(4)) {
    case 0: {
      const ids = draw.some(
        [...tables.workloads.all()].map(({ id }) => id),
        4,
      )
      return pair.ask((store) => store.placement.come([...ids, 'x-none'], clock.at))
    }
    case 1: {
      const some = new Map(draw.some([...tables.replicas.all()], 3).map((row) => [row.need, row]))
      const behind = [...some.values()].map(({ need, createdAt, workload, replica }) => ({
        need,
        createdAt: createdAt - draw.below(2),
        workload,
        replica,
      }))
      return pair.ask((store) => store.placement.more(behind, clock.at))
    }
    case 2:
      return pair.ask((store) => store.placement.nextAt(clock.at))
    default: {
      const halfLifeMs = draw.of([86_400_000, 600_000])
      return pair.ask((store) => store.placement.usage({ now: clock.at, halfLifeMs }))
    }
  }
}

/** Some claims that were taken, each name once. */
function toKeep(draw: Draw, told: Told): Kept[] {
  const one = new Map(draw.some(told.claims, 3).map((given) => [given.name, given]))
  return [...one.values()].map((given) => ({ ...given, seconds: draw.of([5, 30, 0]) }))
}

export const claim: Step = async (pair, draw, told) => {
  const name = draw.of(['admit', 'admit', 'observe'])
  const holder = draw.of(holders)
  switch (draw.below(8)) {
    case 0: {
      const given = draw.one(told.claims) ?? { name, holder, epoch: 1 }
      return pair.ask((store) => store.claims.release(given))
    }
    case 1: {
      const self = { id: holder, url: `http://${holder}` }
      const kept = toKeep(draw, told)
      return pair.ask((store) => store.claims.announce(self, kept))
    }
    case 2:
      return pair.ask((store) => store.claims.withdraw(holder))
    case 3: {
      const kept = toKeep(draw, told)
      return pair.ask((store) => store.claims.keep(kept))
    }
    default: {
      const seconds = draw.of([5, 30, 0])
      const taken = await pair.ask((store) => store.claims.take(name, holder, seconds))
      if (taken) told.claims.push(taken)
      told.claims.splice(0, told.claims.length - 6)
    }
  }
}

export const place: Step = async (pair, draw, told) => {
  if (draw.chance(0.9)) {
    const taken = await pair.ask((store) => store.claims.take('admit', holders[0], 30))
    if (taken) told.claims.push(taken)
  }
  const given = told.claims.findLast(({ name }) => name === 'admit') ?? { name: 'admit', holder: holders[0], epoch: 0 }
  const replicas = draw.chance(0.95) ? pair.tables.replicas.waiting.get('') : [...pair.tables.replicas.all()]
  const chosen = draw.some(replicas, 6).map(({ workload, replica }) => ({ workload, replica }))
  const [first] = chosen
  if (first && draw.chance(0.02)) chosen.push(first)
  const placed = chosen.filter(() => draw.chance(0.7)).map((one) => placing(one, draw, told))
  const isPlaced = new Set(placed.map(({ decision }) => decision.workload))
  const refused = chosen
    .filter(({ workload }) => !isPlaced.has(workload) || draw.chance(0.2))
    .map((one) => refusing(one, pair, draw))
  await pair.ask((store) => store.placement.commit(given, placed, refused, pair.clock.at))
}

type Which = { workload: string; replica: number }

function placing({ workload, replica }: Which, draw: Draw, told: Told): Placed {
  const node = draw.chance(0.3)
  const isPlain = draw.chance(0.5)
  const ranks = Array.from({ length: isPlain ? 1 : 1 + draw.below(3) }, (_, rank) => ({
    rank,
    ...(node && { node: `n${draw.below(6)}` }),
    cpuMilli: isPlain ? 1000 : 1000 * draw.of([1, 2]),
    memoryMiB: 1024,
    diskMiB: 0,
    accelerators: isPlain ? 0 : draw.below(3),
  }))
  const placement = {
    provider: 'local',
    site: isPlain ? siteNames[0] : draw.of(siteNames),
    tier: isPlain ? 'spot' : draw.of(['spot', 'on-demand']),
    shape: isPlain ? 's4' : draw.of(['s4', 's8']),
    ranks,
    priceMicros: isPlain ? 1_234_567 : draw.of([0, 1_000_000, 3_999_999]),
    ...(!isPlain && draw.chance(0.5) && { beside: { spares: ['n8', 'n9'] } }),
  }
  const repair = draw.chance(0.2) ? { kept: draw.below(3), replaced: [{ from: 'n1', to: 'n2' }] } : undefined
  return {
    decision: { ...nothing, workload, replica, placement, ...(repair && { repair }) },
    attemptId: madeId(told, 'a'),
    leaseId: madeId(told, 'l'),
    operationId: madeId(told, 'o'),
    planId: madeId(told, 'p'),
    graceMs: draw.of([0, 30_000]),
  }
}

const nothing = { alternatives: [], rejections: [], refusal: null }

function refusing({ workload, replica }: Which, { tables, clock }: Pair, draw: Draw): Decision {
  const start = {
    earliest: clock.at,
    at: clock.at + draw.below(3) * 1000,
    site: siteKeys[0] ?? '',
    order: draw.below(3),
  }
  const refusal: Refusal = {
    cause: draw.of(['capacity', 'quota']),
    text: draw.of(['no room', 'no room yet', 'the quota is used']),
    next: ['isobar why'],
    ...(draw.chance(0.3) && { start }),
  }
  const victims = draw.some(tables.leases.occupying.get(''), draw.chance(0.3) ? 3 : 0)
  const preempts = victims.map((lease) => ({ lease: lease.id, workload: lease.workload, name: 'v' }))
  const kept = tables.replicas.get(`${workload} ${replica}`)?.kept
  return {
    ...nothing,
    workload,
    replica,
    placement: null,
    refusal: draw.chance(0.95) ? refusal : null,
    ...(preempts.length > 0 && { preempts, moves: draw.chance(0.3) }),
    ...(draw.chance(0.5) && kept && { lets: draw.chance(0.8) ? kept.lease : 'l-none' }),
  }
}
