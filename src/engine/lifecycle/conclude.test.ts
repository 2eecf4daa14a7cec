import assert from 'node:assert/strict'
import { test } from 'node:test'

import type { Change } from '#model/change.ts'
import type { Rank } from '#model/rank.ts'
import type { Facts } from '#store/store.ts'
import { aJob, aNow, anArray, aReplica, aService } from '#test/builders.ts'
import { aLease, anAttempt, aRank, aSite, end, looks, running, short, someFacts } from '#test/live-attempts.ts'
import { beginPatienceMs, silenceMs, startingPatienceMs } from './patience.ts'
import { conclude } from './conclude.ts'

test('what the store hands out is what is decided on', () => {
  const decide: (facts: Facts, now: number) => Change[] = conclude
  assert.deepEqual(short(decide({ ...someFacts(aJob()), claim: 0 }, aNow)), [])
})

test('a gang whose ranks are all up holds its lease and runs', () => {
  const job = { ...aJob({ nodes: 2 }), state: 'starting' as const }
  const attempt = anAttempt(job, {
    state: 'starting',
    ready: false,
    startedAt: null,
    lease: aLease({ state: 'starting' }),
    ranks: [aRank(), aRank({ rank: 1 })],
  })
  assert.deepEqual(short(conclude(someFacts(job, { attempts: [attempt] }), aNow)), [
    'lease held',
    'attempt running',
    'attempt-ready',
    'workload running',
  ])
})

test('ranks that have arrived hold the lease before they run', () => {
  const job = { ...aJob({ nodes: 2 }), state: 'starting' as const }
  const ranks = [aRank({ state: 'arrived', ready: false }), aRank({ rank: 1, state: 'arrived', ready: false })]
  const attempt = anAttempt(job, { state: 'starting', ready: false, lease: aLease({ state: 'wanted' }), ranks })
  assert.deepEqual(short(conclude(someFacts(job, { attempts: [attempt] }), aNow)), ['lease held'])
})

test('a job fails with the code of the rank that ended first', () => {
  const ranks = [
    { state: 'exited', exitCode: 143, endedAt: aNow + 9 },
    { state: 'exited', exitCode: 3, endedAt: aNow + 5 },
    { state: 'exited', exitCode: 0, endedAt: aNow + 1 },
  ] as const
  const changes = conclude(running(aJob({ nodes: 3 }), [...ranks]), aNow + 10)
  assert.deepEqual(end(changes), {
    change: 'workload',
    id: 'w-job',
    to: 'failed',
    reason: 'rank 1 exited with 3',
    exitCode: 3,
  })
  assert.ok(short(changes).includes('retire'))
})

test('a rank that fails for want of a lost one does not fail its job', () => {
  const job = aJob({ nodes: 2 })
  const failed = { state: 'exited', exitCode: 1, endedAt: aNow, heardAt: aNow } as const
  const early = conclude(running(job, [failed, { heardAt: aNow - 9000 }]), aNow + 1)
  assert.deepEqual(early, [{ change: 'look-again', id: 'w-job', at: aNow + 3000 }])
  const told = conclude(running(job, [failed, { state: 'lost', heardAt: aNow - 9000 }]), aNow + 20_000)
  assert.ok(short(told).includes('attempt lost'))
  const alone = end(conclude(running(job, [failed, {}]), aNow + 3000))
  assert.ok(alone?.change === 'workload' && alone.exitCode === 1)
})

test('a job succeeds when all its ranks have', () => {
  const changes = conclude(running(aJob(), [{ state: 'exited', exitCode: 0, endedAt: aNow }]), aNow)
  assert.deepEqual(short(changes), [
    'attempt-ready',
    'attempt succeeded',
    'lease stopping',
    'retire',
    'replica-done',
    'workload succeeded',
  ])
})

test('an exit code named by retry.onExit is tried again after a while, so often and no more', () => {
  const job = aJob({ retry: { onExit: [17], times: 2 } })
  const ranks = [{ state: 'exited' as const, exitCode: 17, endedAt: aNow }]
  const first = conclude(running(job, ranks), aNow)
  const waits = first.find((change) => change.change === 'replica-waits')
  assert.ok(waits && waits.failures === 1 && waits.notBefore > aNow)
  assert.ok(short(first).includes('workload queued'))
  const tired = { replicas: [aReplica(job, { state: 'placed', failures: 2 })] }
  assert.equal(end(conclude(running(job, ranks, tired), aNow))?.change, 'workload')
})

test('a gang with a lost rank is lost as a whole and waits again at once', () => {
  const facts = running(aJob({ nodes: 2 }), [{}, { state: 'lost', heardAt: aNow - 30_000 }])
  const changes = conclude(facts, aNow)
  const waits = changes.find((change) => change.change === 'replica-waits')
  assert.deepEqual([waits?.losses, waits?.notBefore, waits?.avoid], [1, aNow, {}])
  assert.deepEqual(short(changes).slice(1), [
    'attempt lost',
    'lease stopping',
    'retire',
    'replica-waits',
    'workload queued',
  ])
})

type Keeping = { losses?: number; spec?: Parameters<typeof aJob>[0]; tier?: string }

/** What a gang on these nodes keeps whose ranks are these. */
function keeps(ranks: Partial<Rank>[], nodes: string[], { losses = 0, spec = {}, tier = 'on-demand' }: Keeping = {}) {
  const job = aJob({ ...spec, nodes: ranks.length })
  const facts = running(job, ranks, { replicas: [aReplica(job, { state: 'placed', losses })] })
  const slice = { cpuMilli: 1000, memoryMiB: 1024, diskMiB: 0, accelerators: 0 }
  for (const { lease } of facts.attempts) {
    lease.tier = tier
    lease.ranks = ranks.map((_, rank) => ({ rank, ...slice, ...(nodes[rank] && { node: nodes[rank] }) }))
  }
  return conclude(facts, aNow).find((change) => change.change === 'replica-waits')?.kept
}

test('a gang keeps the nodes that it did not lose, where the engine chose them', () => {
  const lost = { state: 'lost', heardAt: aNow - 30_000 } as const
  const named = ['n0', 'n1', 'n2']
  assert.deepEqual(keeps([{}, lost, {}], named), { lease: 'l-1', lost: [1] })
  assert.deepEqual(keeps([{}, lost, { ...lost, heardAt: aNow - 1 }], named), { lease: 'l-1', lost: [1, 2] })
  assert.equal(keeps([lost, lost, lost], named), undefined)
  assert.equal(keeps([{}, lost], ['n0', 'n0']), undefined, 'both were on the node that is lost')
  assert.equal(keeps([{}, lost, {}], []), undefined)
  assert.equal(keeps([{}, lost, {}], named, { losses: 3 }), undefined, 'it is lost there again and again')
  const spec = {
    deadline: '2026-01-02T00:00:00Z',
    duration: { expected: '4h' },
    checkpoint: { every: '10m' },
  }
  assert.deepEqual(keeps([{}, lost, {}], named, { spec }), { lease: 'l-1', lost: [1] })
  assert.equal(keeps([{}, lost, {}], named, { spec, tier: 'spot' }), undefined, 'it may have to go elsewhere')
})

test('a provider alone is not believed while the agent still reports', () => {
  const facts = running(aJob(), [{ state: 'lost', heardAt: aNow - 1000 }])
  const [look, ...others] = conclude(facts, aNow)
  assert.deepEqual([look, others], [{ change: 'look-again', id: 'w-job', at: aNow + silenceMs - 1000 }, []])
})

test('an order whose rank was lost, and neither began nor spoke, is not billed: it may never have left its line', () => {
  const job = { ...aJob(), wants: 'hold' as const }
  const stopping = anAttempt(job, {
    state: 'stopping',
    startedAt: null,
    lease: aLease({ state: 'stopping', startedAt: null }),
    ranks: [aRank({ state: 'lost', startedAt: null, heardAt: null, ready: false })],
  })
  const changes = (rank: Partial<Rank>) =>
    short(
      conclude(
        someFacts(job, { attempts: [{ ...stopping, ranks: stopping.ranks.map((one) => ({ ...one, ...rank })) }] }),
        aNow,
      ),
    )
  assert.ok(!changes({}).includes('lease starting'), changes({}).join())
  assert.ok(changes({ startedAt: aNow }).includes('lease starting'))
  assert.ok(changes({ heardAt: aNow }).includes('lease starting'))
})

test('a job that was lost too often fails', () => {
  const job = aJob({ retry: { onLoss: 1 } })
  const replicas = [aReplica(job, { state: 'placed', losses: 1 })]
  const ended = end(conclude(running(job, [{ state: 'lost', heardAt: null }], { replicas }), aNow))
  assert.ok(ended?.change === 'workload' && ended.to === 'failed' && /lost 2 times/.test(ended.reason))
})

test('a site that does not answer within its patience loses nothing, and people are told', () => {
  const away = { 'local/west': aSite({ reach: 'unreachable', since: aNow - 30_000 }) }
  const changes = conclude(running(aJob(), [{ heardAt: aNow - 30_000 }], { sites: away }), aNow)
  assert.deepEqual(changes, [
    {
      change: 'reason',
      id: 'w-job',
      reason: 'local/west does not answer since 23:59:30 UTC; left alone until 00:00:30 UTC',
    },
    { change: 'look-again', id: 'w-job', at: aNow + 30_000 },
  ])
})

test('beyond its patience, and with silent agents, the lease is lost and its retirement stays open', () => {
  const away = { 'local/west': aSite({ reach: 'unreachable', since: aNow - 60_000 }) }
  const changes = conclude(running(aJob(), [{ heardAt: aNow - 60_000 }], { sites: away }), aNow)
  assert.deepEqual(short(changes).slice(1), [
    'attempt lost',
    'lease lost',
    'retire',
    'replica-waits',
    'workload queued',
  ])
})

test('agents that report are believed, however long the site does not answer', () => {
  const away = { 'local/west': aSite({ reach: 'unreachable', since: aNow - 900_000 }) }
  assert.deepEqual(short(conclude(running(aJob(), [{ heardAt: aNow - 1000 }], { sites: away }), aNow)), ['reason'])
})

test('a site that refuses our credential is not away: only agents that fell silent tell that work there is lost', () => {
  const denied = { 'local/west': aSite({ reach: 'denied', since: aNow - 900_000 }) }
  const concluded = (heardAt: number | null) => conclude(running(aJob(), [{ heardAt }], { sites: denied }), aNow)
  assert.deepEqual(concluded(null), [
    {
      change: 'reason',
      id: 'w-job',
      reason: 'local/west refuses our credential since 23:45:00 UTC; what runs there is left alone',
    },
    { change: 'look-again', id: 'w-job', at: aNow + 540_000 },
  ])
  assert.ok(short(concluded(aNow - 60_000)).includes('lease lost'))
})

test('an attempt that does not get up is withdrawn and its site left alone for a while', () => {
  const job = { ...aJob(), state: 'starting' as const }
  const lease = aLease({ state: 'starting' })
  const attempt = anAttempt(job, { state: 'starting', ready: false, lease, ranks: [aRank({ state: 'expected' })] })
  const facts = someFacts(job, { attempts: [attempt] })
  assert.deepEqual(conclude(facts, aNow), [{ change: 'look-again', id: 'w-job', at: aNow + 120_000 }])
  const changes = conclude(facts, aNow + 120_000)
  assert.deepEqual(short(changes), ['attempt refused', 'lease stopping', 'retire', 'replica-waits', 'workload queued'])
  const waits = changes.find((change) => change.change === 'replica-waits')
  assert.ok((waits?.avoid['local/west'] ?? 0) > aNow + 120_000)
})

test('an attempt is withdrawn whose site shows a rank as lost though its agent waits there', () => {
  const job = { ...aJob(), state: 'starting' as const }
  const ranks = [aRank({ state: 'lost', heardAt: aNow + 120_000 })]
  const attempt = anAttempt(job, { state: 'starting', ready: false, lease: aLease({ state: 'starting' }), ranks })
  const facts = someFacts(job, { attempts: [attempt] })
  assert.deepEqual(short(conclude(facts, aNow + 119_999)), [])
  const changes = conclude(facts, aNow + 120_000)
  assert.deepEqual(short(changes), ['attempt refused', 'lease stopping', 'retire', 'replica-waits', 'workload queued'])
})

test('nodes have their time to come up from when they were ordered, not from when their order began to wait', () => {
  const job = { ...aJob(), state: 'starting' as const }
  const lease = aLease({ state: 'starting', startedAt: aNow + 100_000 })
  const attempt = anAttempt(job, { state: 'starting', ready: false, lease, ranks: [aRank({ state: 'expected' })] })
  const facts = someFacts(job, { attempts: [attempt] })
  assert.deepEqual(conclude(facts, aNow + 120_000), [{ change: 'look-again', id: 'w-job', at: aNow + 220_000 }])
  assert.ok(short(conclude(facts, aNow + 220_000)).includes('attempt refused'))
})

test('a large gang has longer to get up, where its site says nothing', () => {
  const job = { ...aJob(), state: 'starting' as const }
  const lease = aLease({ state: 'starting' })
  const ranks = Array.from({ length: 1000 }, (_, rank) => aRank({ rank, state: 'expected' }))
  const facts = someFacts(job, { attempts: [anAttempt(job, { state: 'starting', ready: false, lease, ranks })] })
  assert.deepEqual(conclude(facts, aNow + 199_999), [{ change: 'look-again', id: 'w-job', at: aNow + 200_000 }])
  assert.ok(short(conclude(facts, aNow + 200_000)).includes('attempt refused'))
})

test('an attempt has as long to get up as its site says, and as long as it is known', () => {
  const job = { ...aJob(), state: 'starting' as const }
  const lease = aLease({ state: 'starting' })
  const attempt = anAttempt(job, { state: 'starting', ready: false, lease, ranks: [aRank({ state: 'expected' })] })
  const facts = someFacts(job, { attempts: [attempt], sites: { 'local/west': aSite({ upWithinMs: 900_000 }) } })
  assert.deepEqual(conclude(facts, aNow + 899_999), [{ change: 'look-again', id: 'w-job', at: aNow + 900_000 }])
  const refused = conclude(facts, aNow + 900_000).find((change) => change.change === 'attempt')
  assert.match(
    (refused?.change === 'attempt' && refused.reason) || '',
    /not all nodes were up after 900 s on local\/west/,
  )
})

test('a gang of which a rank ended well before it said where it is does not wait for it for ever', () => {
  const job = { ...aJob(), state: 'starting' as const }
  const lease = aLease({ state: 'held' })
  const ranks = [
    aRank({ state: 'arrived' }),
    aRank({ rank: 1, state: 'exited', exitCode: 0, address: null, endedAt: aNow }),
  ]
  const facts = someFacts(job, { attempts: [anAttempt(job, { state: 'starting', ready: false, lease, ranks })] })
  assert.equal(end(conclude(facts, aNow + 119_999)), undefined)
  assert.ok(short(conclude(facts, aNow + 120_000)).includes('attempt refused'))
})

test('a service that exits is started again, whatever its code', () => {
  for (const exitCode of [0, 1]) {
    const changes = conclude(running(aService(), [{ state: 'exited', exitCode, endedAt: aNow }]), aNow)
    assert.ok(short(changes).includes('replica-waits'))
    assert.equal(end(changes), undefined)
    const queued = changes.find((change) => change.change === 'workload' && change.to === 'queued')
    assert.equal(queued && 'reason' in queued && queued.reason, `tried again: exited with ${exitCode}`)
  }
})

test('a service is ready when its readiness check passes', () => {
  const changes = conclude(running(aService(), [{ ready: false }]), aNow)
  assert.deepEqual(changes[0], { change: 'attempt-ready', id: 'a-1', ready: false })
})

test('an array ends when all its tasks have, and says how many failed', () => {
  const ranks = [{ state: 'exited' as const, exitCode: 0, endedAt: aNow }]
  const counts = { succeeded: 497, failed: 3, leased: 0, waiting: 0 }
  const array = anArray({ tasks: 500 })
  const ended = end(conclude(running(array, ranks, { tasks: counts }), aNow))
  assert.ok(ended?.change === 'workload' && ended.exitCode === 1 && ended.reason.startsWith('3 of 500 tasks'))
  const well = end(conclude(running(array, ranks, { tasks: { ...counts, succeeded: 500, failed: 0 } }), aNow))
  assert.ok(well?.change === 'workload' && well.to === 'succeeded')
})

test('an array whose workers have ended before its tasks gets a worker again', () => {
  const ranks = [{ state: 'exited' as const, exitCode: 0, endedAt: aNow }]
  const tasks = { succeeded: 4, failed: 0, leased: 4, waiting: 0 }
  const changes = short(conclude(running(anArray(), ranks, { tasks }), aNow))
  assert.ok(changes.includes('release-tasks') && changes.includes('replica-waits'))
  assert.ok(!changes.includes('replica-done'))
})

test('an array whose workers end again and again before its tasks is given up, and none of its replicas stays placed', () => {
  const ranks = [{ state: 'exited' as const, exitCode: 0, endedAt: aNow }]
  const tasks = { succeeded: 4, failed: 0, leased: 0, waiting: 4 }
  const array = anArray()
  const replicas = [aReplica(array, { state: 'placed', failures: 3 })]
  const changes = conclude(running(array, ranks, { tasks, replicas }), aNow)
  assert.ok(short(changes).includes('workload failed'), short(changes).join())
  assert.deepEqual(
    changes.filter(({ change }) => change === 'replica-done'),
    [{ change: 'replica-done', workload: array.id, replica: 0 }],
  )
})

test('ranks that are up and cannot begin hold their nodes for ten minutes and no longer, and one is told of its secrets', () => {
  const job = { ...aJob({ secrets: ['TOKEN'] }), state: 'starting' as const }
  const ranks = [aRank({ state: 'arrived', startedAt: null })]
  const attempt = anAttempt(job, { state: 'starting', ready: false, ranks })
  const at = (now: number): Change[] =>
    conclude(
      running(job, [], { attempts: [{ ...attempt, ranks: ranks.map((one) => ({ ...one, heardAt: now })) }] }),
      now,
    )
  const limit = aNow + startingPatienceMs + beginPatienceMs
  assert.ok(!short(at(limit - 1)).includes('workload stopping'))
  assert.deepEqual(looks(at(limit - 1)), { change: 'look-again', id: 'w-job', at: limit })
  const over = at(limit)
  assert.ok(short(over).includes('workload stopping'))
  const told = over.find((change) => change.change === 'workload')
  assert.match(told?.change === 'workload' ? told.reason : '', /could not begin for 10m: .*\(TOKEN\).*isobar secret/)
})
