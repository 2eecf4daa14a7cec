import assert from 'node:assert/strict'
import { test } from 'node:test'

import { aStore } from '#rigs/postgres.ts'
import { aProject } from '#test/builders.ts'

test('all of a project comes back as it was put', async () => {
  await using store = await aStore()
  const project = aProject({
    name: 'research',
    parent: 'default',
    weight: 3,
    quota: { cpuMilli: 500, domains: { nvlink: 4 } },
    borrowing: { accelerators: 8 },
    lending: { nodes: 2 },
    budgetMicros: 5,
    policy: { jurisdictions: ['EU'] },
    preemption: { within: 'lower-priority', reclaim: 'any', perHour: 3 },
  })
  assert.equal(await store.projects.put(project), null)
  assert.deepEqual(await store.projects.list(), [aProject(), project])
  const changed = { ...project, parent: null, borrowing: {}, lending: {}, preemption: aProject().preemption }
  assert.equal(await store.projects.put(changed), null)
  assert.deepEqual((await store.projects.list())[1], changed)
})

test('what would be no tree is not written', async () => {
  await using store = await aStore()
  const [a, b] = [aProject({ name: 'a', parent: 'default' }), aProject({ name: 'b', parent: 'a' })]
  assert.deepEqual(await store.projects.put(b), { problem: 'no-parent', name: 'b', parent: 'a' })
  assert.equal(await store.projects.put(a), null)
  assert.equal(await store.projects.put(b), null)
  const before = await store.projects.list()
  const circle = await store.projects.put(aProject({ parent: 'b' }))
  assert.equal(circle?.problem, 'circle')
  assert.deepEqual(await store.projects.list(), before)
})

test('of two changes that would close a circle together one is refused', async () => {
  await using store = await aStore()
  for (const name of ['a', 'b']) await store.projects.put(aProject({ name }))
  const put = (name: string, parent: string) => store.projects.put(aProject({ name, parent }))
  const answers = await Promise.all([put('a', 'b'), put('b', 'a')])
  assert.deepEqual(answers.map((answer) => answer?.problem ?? 'put').sort(), ['circle', 'put'])
})
