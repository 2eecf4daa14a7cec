import assert from 'node:assert/strict'
import { test } from 'node:test'

import type { Decision } from '#model/plan.ts'
import { aStore } from '#rigs/postgres.ts'
import { aClaim, aPlacing, held, submitted } from '#rigs/story.ts'
import type { Placed, Store } from '#store/store.ts'
import { aJob, aNow } from '#test/builders.ts'

const again = { change: 'replica-waits', replica: 0, losses: 1, failures: 0, notBefore: 0, avoid: {} } as const

/** A gang that was lost with rank 1, and of which nothing runs any more. */
async function aLoss(store: Store): Promise<{ id: string; placed: Placed }> {
  const [id = ''] = await submitted(store, [aJob({ nodes: 2 })])
  const placed = aPlacing(id, { nodes: 2 })
  for (const rank of placed.decision.placement?.ranks ?? []) rank.node = `n${rank.rank}`
  await held(store, [placed])
  const { attemptId, leaseId: lease } = placed
  await store.apply([
    { change: 'attempt', id: attemptId, to: 'lost', reason: '' },
    { change: 'lease', id: lease, to: 'stopping' },
    { change: 'retire', lease, site: 'local/west' },
    { ...again, workload: id, kept: { lease, lost: [1] } },
    { change: 'workload', id, to: 'queued', reason: '' },
  ])
  return { id, placed }
}

const snapshot = (store: Store) => store.placement.snapshot({ now: aNow, most: 9 })
const gone = (store: Store, { leaseId }: Placed) => store.apply([{ change: 'lease', id: leaseId, to: 'gone' }])

const refused = (workload: string, more: Partial<Decision> = {}): Decision => ({
  workload,
  replica: 0,
  placement: null,
  alternatives: [],
  rejections: [],
  refusal: { cause: 'not-repaired', text: 'it starts anew', next: [] },
  ...more,
})

test('what a lost gang keeps is there until it is placed again, whether or not anything runs there', async () => {
  await using store = await aStore()
  const { id, placed } = await aLoss(store)
  const [leaving] = (await snapshot(store)).leases
  assert.deepEqual(leaving?.keptFor, { replica: 0, lost: [1], isGone: false })
  assert.deepEqual([leaving.leaves, leaving.endsAt], [false, null], 'nobody else is to count on its leaving')
  await gone(store, placed)
  const { leases, waiting } = await snapshot(store)
  assert.deepEqual([leases.length, leases[0]?.id, leases[0]?.keptFor?.isGone], [1, placed.leaseId, true])
  assert.deepEqual(waiting[0]?.replica.kept, { lease: placed.leaseId, lost: [1] })
  assert.deepEqual([...(await store.sites.kept())], [['local/west', 1]])

  const next = aPlacing(id, { nodes: 2 })
  next.decision.repair = { kept: 1, replaced: [{ from: 'n1', to: 'n2' }] }
  assert.ok(await store.placement.commit(await aClaim(store), [next], [], aNow))
  const after = await snapshot(store)
  assert.deepEqual(
    after.leases.map((lease) => [lease.id, lease.keptFor]),
    [[next.leaseId, null]],
  )
  assert.equal((await store.sites.kept()).size, 0)
  const told = (await store.events.latest({ most: 9, workload: id })).findLast(({ type }) => type === 'attempt.placed')
  assert.match(told?.message ?? '', /2 nodes; it keeps 1 of its nodes; n2 takes the place of n1$/)
  assert.deepEqual([told?.data.kept, told?.data.replaced], [1, [{ from: 'n1', to: 'n2' }]])
})

test('who does not come back leaves its nodes, and that alone changes nothing that is kept by now', async () => {
  await using store = await aStore()
  const { id, placed } = await aLoss(store)
  await gone(store, placed)
  const say = async (lets: string) => store.placement.commit(await aClaim(store), [], [refused(id, { lets })], aNow)
  await say('l-older')
  assert.equal((await snapshot(store)).leases.length, 1)
  await say(placed.leaseId)
  const { leases, waiting } = await snapshot(store)
  assert.deepEqual([leases, waiting[0]?.replica.kept], [[], null])
})

test('nothing is kept for who is held back, stopped, or tried again for another reason', async () => {
  await using store = await aStore()
  const losses = [await aLoss(store), await aLoss(store), await aLoss(store)]
  for (const { placed } of losses) await gone(store, placed)
  const [first, second, third] = losses.map(({ id }) => id)
  assert.equal((await snapshot(store)).leases.length, 3)
  await store.apply([{ change: 'workload', id: first ?? '', to: 'held', reason: '' }])
  await store.apply([{ change: 'workload', id: second ?? '', to: 'stopped', reason: '' }])
  await store.apply([{ ...again, workload: third ?? '' }])
  assert.deepEqual((await snapshot(store)).leases, [])
})
