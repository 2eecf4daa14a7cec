import assert from 'node:assert/strict'
import { test } from 'node:test'

import { sql } from 'kysely'

import { clockAt } from '#rigs/clock.ts'
import { aStore } from '#rigs/postgres.ts'
import { aPlacing, held, submitted } from '#rigs/story.ts'
import { openDatabase } from '#store/database.ts'
import type { Placed, Store } from '#store/store.ts'
import { aJob, anArray, aNow } from '#test/builders.ts'

const dayMs = 86_400_000
const endedMs = 90 * dayMs
const tables = [
  'workloads',
  'replicas',
  'attempts',
  'leases',
  'ranks',
  'operations',
  'plans',
  'tasks',
  'spent',
  'entries',
]

/** How many rows each table has. */
async function rows(url: string): Promise<Record<string, number>> {
  const database = await openDatabase({ url })
  const counts = sql.join(
    tables.map((table) => sql`select ${sql.lit(table)} as name, count(*) as n from ${sql.table(table)}`),
    sql` union all `,
  )
  const { rows: found } = await database.read((on) => sql<{ name: string; n: number }>`${counts}`.execute(on))
  await database.close()
  return Object.fromEntries(found.map(({ name, n }) => [name, n]))
}

/** An attempt ends, and nothing is left of its lease. */
const over = (store: Store, { attemptId: id, leaseId }: Placed) =>
  store.apply([
    { change: 'attempt', id, to: 'failed', reason: '' },
    { change: 'lease', id: leaseId, to: 'stopping' },
    { change: 'lease', id: leaseId, to: 'gone' },
  ])

async function paid(store: Store): Promise<void> {
  const leases = await store.ledger.unmetered(100)
  await store.ledger.add(
    leases.map((lease) => ({
      ...lease,
      lease: lease.id,
      from: lease.startedAt ?? 0,
      to: lease.endedAt ?? 0,
      amountMicros: 5n,
    })),
  )
}

async function pruned(store: Store, now: number): Promise<string[]> {
  while (await store.prune({ now, endedMs }));
  const ids = await store.workloads.expired({ before: now - endedMs, most: 10 })
  await store.workloads.forget(ids)
  return ids
}

test('what ended long ago is deleted in batches, with all that hangs on it but its entries', async () => {
  let now = aNow
  await using store = await aStore({ clock: clockAt(() => now) })
  const [job = '', array = ''] = await submitted(store, [aJob(), anArray({ tasks: 25_000 })])
  const placed = [aPlacing(job), aPlacing(array)]
  await held(store, placed)
  const lease = placed[1]?.leaseId ?? ''
  const leased: number[] = []
  for (let i = 0; i < 3; i++)
    leased.push(...(await store.agents.tasks(lease, { ended: [], held: leased, wanted: 10_000 }, now)).leased)
  assert.equal(leased.length, 25_000)
  now += 1000
  for (const one of placed) await over(store, one)
  for (const id of [job, array]) await store.apply([{ change: 'workload', id, to: 'failed', reason: '' }])
  const before = await rows(store.url)
  // Not before its time, and not before it is paid.
  assert.deepEqual(await pruned(store, now + endedMs), [])
  assert.deepEqual(await rows(store.url), before)
  assert.deepEqual(await pruned(store, now + endedMs + 1), [])
  assert.equal((await rows(store.url))['attempts'], 2)
  await paid(store)
  assert.deepEqual((await pruned(store, now + endedMs + 1)).toSorted(), [job, array].toSorted())
  assert.deepEqual(await rows(store.url), {
    ...Object.fromEntries(tables.map((table) => [table, 0])),
    entries: 2,
    spent: 1,
  })
  assert.equal((await store.ledger.spent('project', ['default'])).get('default'), 10n)
})

test('a live workload loses its attempts of long ago, and keeps what it needs', async () => {
  let now = aNow
  await using store = await aStore({ clock: clockAt(() => now) })
  const [id = ''] = await submitted(store, [aJob()])
  const first = aPlacing(id)
  await held(store, [first])
  now += 1000
  await over(store, first)
  await paid(store)
  const again = { losses: 0, failures: 1, notBefore: 0, avoid: {} }
  await store.apply([{ change: 'replica-waits', workload: id, replica: 0, ...again }])
  const second = aPlacing(id)
  now += endedMs + 1
  await held(store, [second], now)
  assert.deepEqual(await pruned(store, now), [])
  const attempts = await store.workloads.attempts(id)
  assert.deepEqual(
    attempts.map(({ number, lease }) => [number, lease?.id]),
    [[2, second.leaseId]],
  )
  assert.deepEqual(
    (await store.plans.ofWorkload(id)).map((plan) => plan.id),
    [second.planId],
  )
  assert.equal((await rows(store.url))['entries'], 1)
})
