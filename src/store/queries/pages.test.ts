import assert from 'node:assert/strict'
import { test } from 'node:test'

import { assert as check, asyncProperty, boolean, constantFrom, integer, record, uniqueArray, array } from 'fast-check'

import { orderFields, type ListedWorkload, type Order, type Store } from '#store/store.ts'
import { aStore } from '#rigs/postgres.ts'
import { submitted } from '#rigs/story.ts'
import { aJob, aNow } from '#test/builders.ts'

/** The whole order, written down once more: among equals the newest first, and by id in the direction of the age. */
function inOrder(rows: ListedWorkload[], order: Order): ListedWorkload[] {
  const age = order.find(({ by }) => by === 'createdAt') ?? { by: 'createdAt' as const, descending: true }
  const columns = [...order, ...(order.includes(age) ? [] : [age]), { by: 'id' as const, descending: age.descending }]
  return rows.toSorted((a, b) => {
    for (const { by, descending } of columns) {
      if (a[by] === b[by]) continue
      return a[by] < b[by] === descending ? 1 : -1
    }
    return 0
  })
}

async function inPages(store: Store, label: string, { size, order }: { size: number; order: Order }) {
  const rows: ListedWorkload[] = []
  for (;;) {
    const after = rows.at(-1)
    const page = await store.workloads.list({ label: ['round', label] }, { size, order, ...(after && { after }) })
    rows.push(...page)
    if (page.length < size) return rows
  }
}

const ids = (rows: ListedWorkload[]): string[] => rows.map(({ id }) => id)
const jobs = (names: string[]) => names.map((name) => aJob({ name, labels: { round: '1' } }))

const row = record({
  name: constantFrom('a', 'b', 'bb', 'c'),
  project: constantFrom('default', 'x', 'y'),
  priority: integer({ min: -2, max: 2 }),
  age: integer({ min: 0, max: 3 }),
})
const anOrder = uniqueArray(record({ by: constantFrom(...orderFields), descending: boolean() }), {
  selector: ({ by }) => by,
})

test('however a list is ordered, its pages together are the whole list in that order, nothing twice and nothing missing', async () => {
  await using store = await aStore()
  let round = 0
  const rows = array(row, { minLength: 1, maxLength: 40 })
  const property = asyncProperty(rows, anOrder, integer({ min: 1, max: 12 }), async (made, order, size) => {
    const label = `${++round}`
    for (const [age, those] of Map.groupBy(made, (one) => one.age))
      await submitted(
        store,
        those.map(({ age: _age, ...one }) => aJob({ ...one, labels: { round: label } })),
        aNow + age,
      )
    const whole = await store.workloads.list({ label: ['round', label] }, { size: 1000, order })
    assert.equal(new Set(ids(whole)).size, made.length)
    assert.deepEqual(ids(whole), ids(inOrder(whole, order)))
    assert.deepEqual(ids(await inPages(store, label, { size, order })), ids(whole))
  })
  await check(property, { numRuns: 60 })
})

test('what comes and goes while somebody pages neither hides nor repeats anything else', async () => {
  await using store = await aStore()
  const first = await submitted(store, jobs(['b', 'd', 'f', 'h']))
  const order: Order = [{ by: 'name', descending: false }]
  const page = await store.workloads.list({}, { size: 2, order })
  await submitted(store, jobs(['a', 'c', 'e']), aNow + 1)
  await store.apply([{ change: 'workload', id: first[1] ?? '', to: 'stopped', reason: 'the last of the page' }])
  await store.workloads.forget([first[1] ?? ''])
  const after = page.at(-1)
  assert.ok(after)
  const rest = await store.workloads.list({}, { size: 9, order, after })
  assert.deepEqual(
    [page, rest].map((rows) => rows.map(({ name }) => name).join('')),
    ['bd', 'efh'],
  )
})
