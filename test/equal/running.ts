import { conclude } from '#engine/lifecycle/conclude.ts'
import { causeOf } from '#model/cause.ts'
import type { AgentReport } from '#model/agent-protocol.ts'
import { attemptMoves } from '#model/attempt.ts'
import type { Change } from '#model/change.ts'
import { leaseMoves } from '#model/lease.ts'
import { workloadMoves } from '#model/workload.ts'
import type { OperationResult } from '#store/store.ts'
import { about, type Draw, holders, idOf, siteKeys, type Step } from './drawn.ts'
import type { Pair } from './pair.ts'

/** What loops and agents ask of what runs. */

export const claimOperations: Step = async (pair, draw, told) => {
  const options = {
    kind: draw.of(['launch', 'retire']),
    holder: draw.of(holders),
    now: pair.clock.at,
    most: draw.of([1, 3, 100]),
    seconds: draw.of([5, 60, 0, -1]),
    sites: siteKeys
      .filter(() => draw.chance(0.3))
      .map((site) => ({ site, most: draw.below(3), seconds: draw.of([2.5, 30]) })),
  }
  const claimed = await pair.ask((store) => store.operations.claim(options))
  told.operations.push(...claimed.map(({ id, tries, lease }) => ({ id, tries, lease, holder: options.holder })))
  told.operations.splice(0, told.operations.length - 12)
  await pair.ask((store) => store.operations.nextAt(options.kind, pair.clock.at))
  // At the very moment at which a claim ends it still holds.
  if (options.seconds === 0) await pair.ask((store) => store.operations.claim({ ...options, seconds: 1 }))
}

export const settle: Step = async (pair, draw, told) => {
  const operation = draw.one(told.operations)
  if (!operation) return
  const { lease } = operation
  const row = pair.tables.leases.get(lease)
  const results: [OperationResult, ...OperationResult[]] = [
    { state: 'done', detail: 'fine' },
    { state: 'done', detail: '' },
    { state: 'failed', detail: 'x'.repeat(draw.of([3, 2100])) },
    { state: 'intended', retryAt: pair.clock.at + draw.below(20_000), detail: 'busy' },
  ]
  const upTo: [Change[], ...Change[][]] = [
    [{ change: 'lease', id: lease, to: 'starting' }],
    [{ change: 'lease', id: lease, to: 'starting', inLine: true }],
    [
      { change: 'lease', id: lease, to: 'starting', since: about(pair, draw) },
      { change: 'lease', id: lease, to: 'held' },
    ],
    [{ change: 'lease', id: lease, to: 'gone' }],
    row
      ? [
          { change: 'lease', id: lease, to: 'refused' },
          { change: 'attempt', id: row.attempt, to: 'refused', reason: 'no room after all' },
          { change: 'look-again', id: row.workload, at: pair.clock.at },
        ]
      : [],
  ]
  const [result, changes] = [draw.of(results), draw.of(upTo)]
  await pair.ask((store) => store.operations.settle(operation, result, changes))
}

/** All goes well: what is to be launched is, and runs. */
export const launch: Step = async (pair, draw) => {
  const options = { kind: 'launch', holder: holders[0], now: pair.clock.at, most: 100, seconds: 60 } as const
  for (const operation of await pair.ask((store) => store.operations.claim(options))) {
    if (draw.chance(0.2)) continue
    const { id, tries, lease, attempt } = operation
    if (draw.chance(0.1)) {
      const detail = 'no room after all'
      const refused: Change[] = [
        { change: 'lease', id: lease, to: 'refused' },
        { change: 'attempt', id: attempt.id, to: 'refused', reason: detail },
      ]
      await pair.ask((store) =>
        store.operations.settle({ id, tries, holder: options.holder }, { state: 'failed', detail }, refused),
      )
      continue
    }
    const since = draw.chance(0.3) ? { since: about(pair, draw) } : {}
    const changes: Change[] = [
      { change: 'lease', id: lease, to: 'starting', ...since },
      ...(draw.chance(0.8) ? [{ change: 'lease', id: lease, to: 'held' } as const] : []),
      ...(draw.chance(0.7) ? [{ change: 'attempt', id: attempt.id, to: 'running', reason: '' } as const] : []),
      ...(draw.chance(0.5) ? [{ change: 'attempt-ready', id: attempt.id, ready: true } as const] : []),
    ]
    await pair.ask((store) =>
      store.operations.settle({ id, tries, holder: options.holder }, { state: 'done', detail: '' }, changes),
    )
  }
}

/** All goes on: what is to be retired is, and gone. */
export const retire: Step = async (pair, draw) => {
  const options = { kind: 'retire', holder: holders[1], now: pair.clock.at, most: 100, seconds: 60 } as const
  for (const { id, tries, lease } of await pair.ask((store) => store.operations.claim(options))) {
    if (draw.chance(0.2)) continue
    const isDone = draw.chance(0.8)
    const changes: Change[] = isDone ? [{ change: 'lease', id: lease, to: 'gone' }] : []
    await pair.ask((store) =>
      store.operations.settle(
        { id, tries, holder: options.holder },
        { state: isDone ? 'done' : 'failed', detail: '' },
        changes,
      ),
    )
  }
}

/** A gang loses its nodes, or some of them, and waits for those that are left. */
export const lose: Step = async (pair, draw) => {
  const { tables, clock } = pair
  const lease = draw.one(tables.leases.occupying.get(''))
  const attempt = tables.attempts.get(lease?.attempt ?? '')
  if (!lease || !attempt) return
  const kept = { lease: lease.id, lost: draw.some([0, 1], 2) }
  const avoid: Record<string, number> = draw.chance(0.3) ? { 'local/west': clock.at + draw.of([0, 2_000]) } : {}
  const again = {
    losses: 1,
    failures: 0,
    notBefore: clock.at + draw.of([0, 5_000]),
    avoid,
    ...(draw.chance(0.8) && { kept }),
  }
  const changes: Change[] = [
    { change: 'lease', id: lease.id, to: draw.of(['lost', 'stopping']) },
    ...(draw.chance(0.3) ? [{ change: 'lease', id: lease.id, to: 'stopping' } as const] : []),
    { change: 'attempt', id: attempt.id, to: 'lost', reason: 'its nodes are gone' },
    { change: 'replica-waits', workload: attempt.workload, replica: attempt.replica, ...again },
    ...(draw.chance(0.5)
      ? [{ change: 'release-tasks', workload: attempt.workload, attempt: attempt.number } as const]
      : []),
    ...(draw.chance(0.5) ? [{ change: 'lease', id: lease.id, to: 'gone' } as const] : []),
  ]
  await pair.ask((store) => store.apply(changes))
}

/** All ranks of a gang say the same, and the loop draws the conclusion. */
export const reportAll: Step = async (pair, draw, told) => {
  const { tables, clock } = pair
  const lease = draw.one(tables.leases.occupying.get(''))
  if (!lease) return
  const state = draw.of(['running', 'running', 'exited'])
  for (const { rank } of tables.ranks.byLease.get(lease.id).slice()) {
    const report = { ...aReport(pair, draw, rank), state, number: 10 + draw.below(3), ready: true }
    const exit = state === 'exited' ? { ...signals, code: draw.of([0, 0, 1]) } : null
    await pair.ask((store) => store.agents.report(lease.id, { ...report, exit }, clock.at))
  }
  await follow(pair, draw, told)
}

/** As the loop does it, with what the engine concludes. */
export const follow: Step = async (pair, draw) => {
  const { tables, clock } = pair
  const due = tables.workloads.due.get('').filter(({ dueAt }) => (dueAt ?? 0) <= clock.at)
  const isTied = new Set(due.map(({ dueAt }) => dueAt)).size < due.length
  const options = { now: clock.at, most: isTied || draw.chance(0.5) ? 1000 : 1 + draw.below(3), claimMs: 5_000 }
  const facts = await pair.ask((store) => store.follow.due(options))
  await pair.ask((store) => store.follow.nextDueAt())
  const changes = facts.flatMap((some) =>
    conclude(some, clock.at).map((change) =>
      change.change === 'look-again' && draw.chance(0.9) ? { ...change, claim: some.claim } : change,
    ),
  )
  if (draw.chance(0.9)) await pair.ask((store) => store.apply(changes))
}

export const applyAny: Step = async (pair, draw) => {
  const changes = Array.from({ length: 1 + draw.below(4) }, () => aChange(pair, draw))
  await pair.ask((store) => store.apply(changes))
}

const states = <T extends object>(moves: T): [keyof T, ...(keyof T)[]] =>
  Object.keys(moves) as [keyof T, ...(keyof T)[]] // keys of the table

function aChange(pair: Pair, draw: Draw): Change {
  const { tables, clock } = pair
  const workload = idOf(draw, tables.workloads.all())
  const attempt = idOf(draw, tables.attempts.all())
  const lease = idOf(draw, tables.leases.all())
  const replica = draw.below(2)
  const reason = draw.of(['', 'because', 'it had to'])
  const exitCode = draw.below(3)
  const row = tables.workloads.get(workload)
  const event = { type: 'test.told', workload, project: 'default', message: reason, data: { b: 1, aa: [null] } }
  const its = tables.attempts.byWorkload.get(workload).filter((one) => one.replica === replica)
  const before = draw.one(its.flatMap(({ id }) => tables.leases.byAttempt.get(id)))
  const kept = before && { lease: before.id, lost: draw.some([0, 1], 1) }
  const avoid = draw.chance(0.4) ? { [draw.of(['local/west', 'x'])]: draw.of([clock.at, about(pair, draw)]) } : {}
  const counted = { losses: draw.below(3), failures: draw.below(3), notBefore: draw.of([0, clock.at + 10_000]) }
  const all: [Change, ...Change[]] = [
    {
      change: 'lease',
      id: lease,
      to: draw.of(states(leaseMoves)),
      ...(draw.chance(0.5) && { since: about(pair, draw) }),
    },
    { change: 'lease', id: lease, to: draw.of(states(leaseMoves)) },
    {
      change: 'attempt',
      id: attempt,
      to: draw.of(states(attemptMoves)),
      reason,
      ...(draw.chance(0.5) && { exitCode }),
    },
    { change: 'attempt', id: attempt, to: 'running', reason },
    {
      change: 'workload',
      id: workload,
      to: draw.of(states(workloadMoves)),
      reason,
      ...(draw.chance(0.5) && { exitCode }),
    },
    { change: 'reason', id: workload, reason },
    {
      change: 'look-again',
      id: workload,
      at: about(pair, draw),
      ...(draw.chance(0.5) && { claim: row?.claimedUntil ?? 1 }),
    },
    { change: 'attempt-ready', id: attempt, ready: draw.chance(0.7) },
    { change: 'retire', lease, site: draw.of(['local/west', 'local/east']) },
    { change: 'replica-waits', workload, replica, ...counted, avoid, ...(kept && { kept }) },
    { change: 'replica-waits', workload, replica, ...counted, avoid },
    { change: 'replica-done', workload, replica },
    { change: 'release-tasks', workload, attempt: 1 + draw.below(3) },
    { change: 'warn', event },
    { change: 'event', event },
  ]
  return draw.of(all)
}

const signals = { code: 0, signal: null, outOfMemory: false }

function aReport(pair: Pair, draw: Draw, rank: number): AgentReport {
  const state = draw.of(['arrived', 'running', 'running', 'exited'])
  const code = draw.of([0, 0, 1, 3])
  const exit = draw.chance(0.2) ? { code: null, signal: 'SIGKILL', outOfMemory: true } : { ...signals, code }
  return {
    rank,
    ...(draw.chance(0.5) && { number: draw.below(8) }),
    ...(draw.chance(0.5) && { sentAt: about(pair, draw, 5_000) }),
    state,
    address: draw.of(['127.0.0.2', '127.0.0.3']),
    endpoints: draw.chance(0.5) ? [] : ['127.0.0.2:8000'],
    ready: draw.chance(0.7),
    exit: state === 'exited' ? exit : null,
    startedAt: state === 'arrived' ? null : about(pair, draw),
    endedAt: state === 'exited' ? about(pair, draw) : null,
    waitMs: 0,
    seen: '',
  }
}

export const agent: Step = async (pair, draw) => {
  const { tables, clock } = pair
  const lease = idOf(draw, tables.leases.all())
  switch (draw.below(9)) {
    case 0:
      return pair.ask((store) => store.agents.view(lease))
    case 4: {
      const last = { from: clock.at - draw.below(60_000), to: clock.at - draw.below(10_000) }
      return pair.ask((store) => store.agents.fellSilent(last, clock.at))
    }
    case 3: {
      const sites = new Set([...tables.leases.all()].map(({ provider, site }) => `${provider}/${site}`))
      const asked = [...draw.some([...sites], 2), 'local/x-none']
      return pair.ask((store) => store.agents.heardAt(asked))
    }
    case 1: {
      const leases = draw.some(
        [...tables.leases.all()].map(({ id }) => id),
        4,
      )
      return pair.ask((store) => store.agents.views([...leases, 'x-none']))
    }
    case 2: {
      const ranks = draw.some(tables.ranks.all(), 4).map(({ lease: its, rank }) => ({ lease: its, rank }))
      return pair.ask((store) => store.agents.heard(ranks, clock.at))
    }
    default: {
      const open = draw.one([...tables.leases.all()].filter(({ state }) => state === 'starting' || state === 'held'))
      const id = open?.id ?? lease
      for (const { rank } of draw.some(tables.ranks.byLease.get(id), 3)) {
        const report = aReport(pair, draw, rank)
        await pair.ask((store) => store.agents.report(id, report, clock.at))
      }
    }
  }
}

export const tasks: Step = async (pair, draw) => {
  const { tables, clock } = pair
  const arrays = [...tables.leases.all()].filter(({ workload }) => tables.workloads.get(workload)?.kind === 'array')
  const lease = draw.one(arrays)
  if (!lease) return
  const number = tables.attempts.get(lease.attempt)?.number ?? 1
  const mine = tables.tasks.leased.get(`${lease.workload} ${number}`).map(({ index }) => index)
  const ended = draw.some(mine, 6).map((index) => {
    const times = { startedAt: draw.of([clock.at - 5, 7]), endedAt: clock.at }
    return { index, exit: { ...signals, code: draw.of([0, 0, 1, 9]) }, ...times }
  })
  const held = draw.some(mine, 8)
  const report = { ended, held, wanted: draw.below(10) }
  await pair.ask((store) => store.agents.tasks(lease.id, report, clock.at))
  await pair.ask((store) => store.workloads.failedTasks(lease.workload, 3))
}

const elsewhere = (nodes: (string | undefined)[], draw: Draw) => {
  const node = draw.one(nodes)
  return node !== undefined && draw.chance(0.5) ? { node } : {}
}

export const see: Step = async (pair, draw) => {
  const { tables, clock } = pair
  const rows = draw.some(tables.ranks.all(), 5)
  const seen = rows.map(({ lease, rank }) => ({
    lease,
    rank,
    state: draw.of(['expected', 'arrived', 'running', 'exited', 'lost']),
    exitCode: draw.of([null, 0, 137]),
    startedAt: draw.of([null, clock.at - 5]),
    endedAt: draw.of([null, clock.at]),
    ...(draw.chance(0.3) && { cause: causeOf(draw.of(['image', 'evicted', 'preempted']), draw.of(['', 'so'])) }),
    ...(draw.chance(0.3) && { leavesAt: clock.at + draw.below(3) }),
    ...(draw.chance(0.3) && {
      serving: { ready: draw.chance(0.5), address: draw.of(['10.0.0.1', '10.0.0.2']), endpoints: ['10.0.0.1:80'] },
    }),
    ...elsewhere(tables.leases.get(lease)?.ranks.map(({ node }) => node) ?? [], draw),
  }))
  const site = draw.of(['local/west', 'local/east', 'local/none'])
  switch (draw.below(6)) {
    case 5: {
      const leases = draw.some(tables.leases.all(), 5)
      const told = leases.map(({ id }) => ({ lease: id, since: draw.of([clock.at - 5, clock.at + 1, 7]) }))
      return pair.ask((store) => store.sites.began(told, clock.at))
    }
    case 0:
      return pair.ask((store) => store.sites.saw(seen, clock.at))
    case 1:
    case 2: {
      const here = tables.leases.openAt.get(site).flatMap(({ id }) => tables.ranks.byLease.get(id))
      const listed = here
        .filter(() => draw.chance(0.7))
        .map(({ lease, rank, state }) => ({
          lease,
          rank,
          state: draw.chance(0.7) ? state : ('lost' as const),
          ...(draw.chance(0.3) && { cause: draw.of(['image', 'evicted']) }),
          ...(draw.chance(0.3) && { leavesAt: clock.at + draw.below(3) }),
          ...(draw.chance(0.3) && { ready: draw.chance(0.5), address: draw.of(['10.0.0.1', '10.0.0.2']) }),
        }))
      return pair.ask((store) => store.sites.differing(site, listed))
    }
    case 3: {
      const tokens = draw.some(tables.leases.all(), 5).map(({ id }) => id)
      return pair.ask((store) => store.sites.orphans([...tokens, 'l-unknown']))
    }
    default:
      return draw.chance(0.5)
        ? pair.ask((store) => store.sites.count(siteKeys[0] ?? ''))
        : pair.ask((store) => store.sites.kept())
  }
}
