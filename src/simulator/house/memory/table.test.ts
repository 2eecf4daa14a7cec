import assert from 'node:assert/strict'
import { test } from 'node:test'

import * as fc from 'fast-check'

import { aJob } from '#test/builders.ts'
import { createFakeClock } from '#simulator/fake-clock.ts'
import { createMemoryStore } from './store.ts'
import { Index, type Journal, Table, undo } from './table.ts'

type Row = { id: number; group: number; rank: number }

const aTable = () => {
  const journal: Journal = []
  const byGroup = new Index<Row>(['group', 'rank'], ({ group }) => (group === 0 ? null : String(group)), [
    ({ rank }) => rank,
    ({ id }) => id,
  ])
  return { journal, byGroup, table: new Table<Row>(journal, ({ id }) => String(id), [byGroup]) }
}

const aChange = fc.record({
  what: fc.constantFrom('insert', 'update', 'remove'),
  id: fc.nat(8),
  group: fc.nat(2),
  rank: fc.nat(3),
})

function change({ table }: ReturnType<typeof aTable>, { what, ...row }: Row & { what: string }): void {
  const present = table.get(String(row.id))
  if (what === 'insert' && !present) table.insert(row)
  if (what === 'update' && present) table.update(present, { group: row.group, rank: row.rank })
  if (what === 'remove' && present) table.remove(present)
}

const copyOf = ({ table, byGroup }: ReturnType<typeof aTable>) =>
  structuredClone({
    rows: [...table.all()].sort((a, b) => a.id - b.id),
    groups: [1, 2].map((group) => byGroup.get(String(group))),
  })

test('an index holds the rows of its table in order, and all that was changed can be taken back', () => {
  fc.assert(
    fc.property(fc.array(aChange), fc.array(aChange), (before, after) => {
      const made = aTable()
      for (const one of before) change(made, one)
      made.journal.length = 0
      const was = copyOf(made)
      for (const one of after) change(made, one)
      const { rows, groups } = copyOf(made)
      for (const [i, group] of groups.entries()) {
        const expected = rows.filter((row) => row.group === i + 1).sort((a, b) => a.rank - b.rank || a.id - b.id)
        assert.deepEqual(group, expected)
      }
      const [first] = groups
      const place = [first?.[0]?.rank ?? 0]
      assert.equal(made.byGroup.before('1', place), first?.filter(({ rank }) => rank < (place[0] ?? 0)).length)
      assert.equal(made.byGroup.behind('1', place), first?.filter(({ rank }) => rank <= (place[0] ?? 0)).length)
      undo(made.journal)
      assert.deepEqual(copyOf(made), was)
    }),
    { seed: 1 },
  )
})

test('a call that fails halfway leaves nothing behind and tells nobody, and neither does a rehearsal', async () => {
  const clock = createFakeClock()
  const store = createMemoryStore({ clock })
  const nudges: string[] = []
  store.onNudge((nudge) => nudges.push(nudge))
  const job = aJob({}, { id: 'w-1' })
  await assert.rejects(store.workloads.submit([job, job], clock.now()), /w-1 already/)
  await store.rehearsal().workloads.submit([job], clock.now())
  await Promise.resolve()
  assert.equal(await store.workloads.get('w-1'), null)
  assert.deepEqual(await store.events.latest({ most: 10 }), [])
  assert.deepEqual(nudges, [])
  await store.workloads.submit([job], clock.now())
  await Promise.resolve()
  assert.deepEqual(nudges, ['events', 'follow', 'come'])
})

test('what is given cannot be changed in the store through what was asked or answered', async () => {
  const clock = createFakeClock()
  const store = createMemoryStore({ clock })
  const job = aJob({ labels: { team: 'x' } }, { id: 'w-1' })
  await store.workloads.submit([job], clock.now())
  job.spec.labels['team'] = 'y'
  const first = await store.workloads.get('w-1')
  assert.throws(() => Object.assign(first?.spec.labels ?? {}, { team: 'z' }), TypeError)
  if (first) first.reason = 'changed'
  const again = await store.workloads.get('w-1')
  assert.deepEqual([again?.spec.labels, again?.reason], [{ team: 'x' }, ''])
})
