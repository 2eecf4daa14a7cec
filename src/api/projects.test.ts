import assert from 'node:assert/strict'
import { test } from 'node:test'

import { anApi } from '#rigs/api.ts'
import { aProject } from '#test/builders.ts'

test('a project that cannot be is refused with the reason and the next command', async () => {
  await using api = await anApi()
  await api.house.store.projects.put(aProject({ name: 'labs' }))
  await api.house.store.projects.put(aProject({ name: 'research', parent: 'labs', borrowing: { nodes: 1 } }))
  const told: [name: string, body: object, status: number, detail: RegExp, next: RegExp][] = [
    ['x', { quota: { gpus: 8 } }, 400, /gpus/, /./],
    ['x', { quota: { domains: { rack: 1 } } }, 400, /rack/, /./],
    ['x', { preemption: { reclaim: 'all' } }, 400, /reclaim/, /./],
    ['x', { borrowing: { nodes: 1 } }, 400, /"x" has no parent, so there is nobody to borrow from/, /projects show x/],
    ['x', { parent: 'nobody' }, 404, /no project "nobody" that could be the parent of "x"/, /projects set nobody/],
    ['labs', { parent: 'research' }, 409, /research is part of labs is part of research/, /projects list/],
    ['research', { parent: null }, 400, /remove borrowing and lending/, /projects show research/],
  ]
  for (const [name, body, status, detail, next] of told) {
    const { json, ...answer } = await api.call(`PUT /v1/projects/${name}`, body)
    assert.equal(answer.status, status, JSON.stringify(body))
    assert.match(json.detail, detail)
    assert.match(json.next[0], next)
  }
})
