import assert from 'node:assert/strict'
import { test } from 'node:test'

import * as fc from 'fast-check'

import { costMicros } from '#kit/money.ts'
import type { Entry } from '#model/entry.ts'
import { clockAt } from '#rigs/clock.ts'
import { aStore } from '#rigs/postgres.ts'
import { aPlacing, held, submitted } from '#rigs/story.ts'
import { aJob, aNow, aProject } from '#test/builders.ts'

const anEntry = (lease: { id: string; workload: string }, from: number, to: number): Entry => ({
  lease: lease.id,
  workload: lease.workload,
  project: 'default',
  provider: 'local',
  site: 'west',
  tier: 'on-demand',
  from,
  to,
  amountMicros: costMicros(7_777_777n, to - aNow) - costMicros(7_777_777n, from - aNow),
})

test('money adds up to the last micro-dollar, wherever it is cut and however often it is told', async () => {
  await using store = await aStore({ clock: clockAt(() => aNow) })
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(fc.integer({ min: 1, max: 3_600_000 }), { minLength: 1, maxLength: 8 }),
      async (cuts) => {
        const [id = ''] = await submitted(store, [aJob()])
        const placed = aPlacing(id)
        await held(store, [placed])
        const lease = { id: placed.leaseId, workload: id }
        const until = Math.max(...cuts)
        for (let from = aNow; from < aNow + until;) {
          const to = aNow + (cuts.toSorted((a, b) => a - b).find((cut) => aNow + cut > from) ?? until)
          // Two meters at once, and one that looks further than it should.
          await Promise.all([
            store.ledger.add([anEntry(lease, from, to)]),
            store.ledger.add([anEntry(lease, from, to)]),
          ])
          await store.ledger.add([anEntry(lease, Math.max(aNow, from - 5), to)])
          from = to
        }
        const total = costMicros(7_777_777n, until)
        assert.equal((await store.ledger.spent('workload', [id])).get(id) ?? 0n, total)
        const [line] = await store.ledger.cost({ workload: id }, [])
        assert.deepEqual([line?.amountMicros, line?.leaseMs], [total, BigInt(until)])
      },
    ),
    { numRuns: 15 },
  )
})

test('a lease has time to bill until it is metered to its end', async () => {
  let now = aNow
  await using store = await aStore({ clock: clockAt(() => now) })
  const [id = '', idle = ''] = await submitted(store, [aJob(), aJob()])
  const placed = aPlacing(id)
  await held(store, [placed])
  assert.ok(idle)
  const lease = { id: placed.leaseId, workload: id }
  const open = async () => (await store.ledger.unmetered(9)).map(({ meteredUntil }) => meteredUntil)
  assert.deepEqual(await open(), [aNow])
  now += 1000
  await store.apply([{ change: 'lease', id: lease.id, to: 'lost' }])
  await store.ledger.add([anEntry(lease, aNow, aNow + 400)])
  assert.deepEqual(await open(), [aNow + 400])
  await store.ledger.add([anEntry(lease, aNow + 400, aNow + 1000)])
  assert.deepEqual(await open(), [])
})

test('a meter that looked before the begin of a lease moved back adds nothing, and leaves no gap', async () => {
  await using store = await aStore({ clock: clockAt(() => aNow) })
  const [id = ''] = await submitted(store, [aJob()])
  const placed = aPlacing(id)
  await held(store, [placed])
  const lease = { id: placed.leaseId, workload: id }
  await store.ledger.add([anEntry(lease, aNow + 300, aNow + 400)])
  const open = async () => (await store.ledger.unmetered(9)).map(({ meteredUntil }) => meteredUntil)
  assert.deepEqual(await open(), [aNow])
  await store.ledger.add([anEntry(lease, aNow, aNow + 400)])
  assert.deepEqual(await open(), [aNow + 400])
})

test('two meters that looked before and after the turn of an hour leave no time between their entries', async () => {
  await using store = await aStore({ clock: clockAt(() => aNow) })
  const [id = ''] = await submitted(store, [aJob()])
  const placed = aPlacing(id)
  await held(store, [placed])
  const lease = { id: placed.leaseId, workload: id }
  const hour = aNow + 3_600_000
  await store.ledger.add([anEntry(lease, aNow, hour - 5)])
  // The other read the lease before that was written.
  await store.ledger.add([anEntry(lease, aNow, hour), anEntry(lease, hour, hour + 3)])
  assert.deepEqual(
    (await store.ledger.unmetered(9)).map(({ meteredUntil }) => meteredUntil),
    [hour - 5],
  )
  await store.ledger.add([anEntry(lease, hour - 5, hour), anEntry(lease, hour, hour + 9)])
  const [line] = await store.ledger.cost({ workload: id }, [])
  assert.equal(line?.leaseMs, 3_600_009n)
})

test('cost is grouped by any of its words, by day and by hour', async () => {
  await using store = await aStore({ clock: clockAt(() => aNow) })
  const [id = ''] = await submitted(store, [aJob()])
  const placed = aPlacing(id)
  await held(store, [placed])
  const lease = { id: placed.leaseId, workload: id }
  const day = 86_400_000
  await store.ledger.add([anEntry(lease, aNow, aNow + 10), anEntry(lease, aNow + day, aNow + day + 20)])
  assert.deepEqual(
    (await store.ledger.cost({}, ['site', 'day'])).map(({ keys, leaseMs }) => [...keys, leaseMs]),
    [
      ['local/west', '2026-01-01', 10n],
      ['local/west', '2026-01-02', 20n],
    ],
  )
  const [hour] = await store.ledger.cost({ from: aNow + day, project: 'default' }, [
    'hour',
    'workload',
    'tier',
    'provider',
  ])
  assert.deepEqual(hour?.keys, ['2026-01-02T00:00Z', id, 'on-demand', 'local'])
  assert.deepEqual(await store.ledger.cost({ to: aNow }, ['project']), [])
})

test('a project is warned once of a budget, and of another budget anew', async () => {
  await using store = await aStore()
  const project = aProject({ budgetMicros: 5 })
  await store.projects.put(project)
  const warned = () => store.ledger.warnOnce('default', aNow)
  assert.deepEqual([await warned(), await warned()], [true, false])
  await store.projects.put({ ...project, weight: 2 })
  assert.equal(await warned(), false)
  await store.projects.put({ ...project, budgetMicros: 6 })
  assert.equal(await warned(), true)
})

test('a workload is warned once of its budget, whoever decides it', async () => {
  await using store = await aStore()
  const [id = ''] = await submitted(store, [aJob({ budget: { limit: '$2' } })])
  const event = { type: 'budget.warned', workload: id, project: 'default', message: 'low', data: {} }
  for (let i = 0; i < 2; i++) await store.apply([{ change: 'warn', event }])
  const events = await store.events.latest({ most: 10, workload: id })
  assert.equal(events.filter(({ type }) => type === 'budget.warned').length, 1)
  const [facts] = await store.follow.due({ now: aNow + 60_000, most: 1, claimMs: 1 })
  assert.equal(facts?.warned, true)
})

test('what a lease has cost counts at once for whoever has a budget, and as much when it is entered', async () => {
  await using store = await aStore({ clock: clockAt(() => aNow) })
  const [bounded = '', other = ''] = await submitted(store, [aJob({ budget: { limit: '$2' } }), aJob()])
  const [one, two] = [aPlacing(bounded, { priceMicros: 7_777_777 }), aPlacing(other)]
  await held(store, [one, two])
  const now = aNow + 1501
  const ofWorkload = async () =>
    (await store.follow.due({ now, most: 10, claimMs: 0 })).find(({ workload }) => workload.id === bounded)?.spentMicros
  const ofProject = async () => (await store.placement.snapshot({ now, most: 10 })).spent.get('project/default')
  const cost = costMicros(7_777_777n, 1501)
  assert.deepEqual([await ofWorkload(), await ofProject()], [cost, undefined])
  await store.projects.put(aProject({ budgetMicros: 5 }))
  assert.equal(await ofProject(), cost + 1501n)
  await store.ledger.add([anEntry({ id: one.leaseId, workload: bounded }, aNow, aNow + 1000)])
  assert.deepEqual([await ofWorkload(), await ofProject()], [cost, cost + 1501n])
})

test('a lease that ends while it is metered is billed exactly to its end', async () => {
  await using store = await aStore({ clock: clockAt(() => aNow) })
  const [first = '', second = ''] = await submitted(store, [aJob(), aJob()])
  const [one, two] = [aPlacing(first), aPlacing(second)]
  await held(store, [one, two])
  const end = (id: string) =>
    store.apply([
      { change: 'lease', id, to: 'stopping' },
      { change: 'lease', id, to: 'gone' },
    ])
  // Metered first, then ended by somebody whose clock was read a moment earlier.
  await store.ledger.add([anEntry({ id: one.leaseId, workload: first }, aNow, aNow + 1000)])
  await end(one.leaseId)
  assert.equal((await store.workloads.attempts(first))[0]?.lease?.endedAt, aNow + 1000)
  // Ended first, while the meter had counted on.
  await end(two.leaseId)
  await store.ledger.add([anEntry({ id: two.leaseId, workload: second }, aNow, aNow + 1000)])
  assert.equal((await store.ledger.spent('workload', [second])).get(second) ?? 0n, 0n)
  assert.deepEqual(await store.ledger.unmetered(10), [])
})

test('what is spent is told with the time that the ledger does not have yet, if that is asked for', async () => {
  await using store = await aStore({ clock: clockAt(() => aNow) })
  const [id = ''] = await submitted(store, [aJob()])
  const placed = aPlacing(id, { priceMicros: 7_777_777 })
  await held(store, [placed])
  await store.ledger.add([anEntry({ id: placed.leaseId, workload: id }, aNow, aNow + 1000)])
  const now = aNow + 600_123
  for (const [kind, name] of [
    ['workload', id],
    ['project', 'default'],
  ] as const) {
    assert.equal((await store.ledger.spent(kind, [name])).get(name), costMicros(7_777_777n, 1000))
    assert.equal((await store.ledger.spent(kind, [name], now)).get(name), costMicros(7_777_777n, 600_123))
  }
})

test('who is due first for an entry is read first, however long ago the last one of another was', async () => {
  let now = aNow
  await using store = await aStore({ clock: clockAt(() => now) })
  const [old = '', young = ''] = await submitted(store, [aJob(), aJob()])
  const [first, second] = [aPlacing(old), aPlacing(young)]
  await held(store, [first])
  now += 3_600_000
  await store.ledger.add([anEntry({ id: first.leaseId, workload: old }, aNow, now)])
  now += 60_000 // the older one is due in nine minutes, the younger one in ten seconds
  await held(store, [second])
  assert.deepEqual(
    (await store.ledger.unmetered(9)).map(({ workload }) => workload),
    [young, old],
  )
})
