import assert from 'node:assert/strict'
import { test } from 'node:test'

import { aHouse, type HouseStory } from '#rigs/house-story.ts'
import { aSite } from '#rigs/watched-world.ts'

const hourMs = 3_600_000
/** Looks are seconds apart where something happens, and else farther. */
const far = { lookMs: 20_000 }

const aCluster = (more: Parameters<typeof aHouse>[0] = {}) =>
  aHouse({ sites: [aSite('west', 8)], agents: ['west'], ...far, ...more })

const states = (house: HouseStory, id: string) => house.attempts(id).map(({ state }) => state)
const [tokenOf] = [
  (house: HouseStory, id: string) => house.cloud.gangs('west').find((one) => one.workload === id)?.token ?? '',
]

test('the agent of a job dies on a node that lives: the job goes on elsewhere once that node was given back', async () => {
  await using house = await aCluster()
  const id = await house.submit('alone', { nodes: 1, runMs: 2 * hourMs })
  const other = await house.submit('other', { nodes: 2, runMs: 2 * hourMs })
  await house.runUntil('both run', () => [id, other].every((one) => house.workload(one).state === 'running'))
  await house.runFor(200_000)
  const began = house.clock.now()
  house.ranks.strike({ site: 'west', how: 'die', tokens: [tokenOf(house, id)] })
  const isTold = () => /agent of rank 0 is not heard/.test(house.workload(id).reason)
  await house.runUntil('people are told', isTold, 160_000)
  await house.runUntil('it is given up', () => states(house, id)[0] === 'lost')
  assert.match(house.attempts(id)[0]?.reason ?? '', /was not heard since .* so its nodes were given back/)
  const tookMs = house.clock.now() - began
  assert.ok(tookMs > 300_000 && tookMs < 520_000, `it took ${tookMs} ms`)
  await house.runUntil('it runs again', () => states(house, id)[1] === 'running')
  assert.deepEqual(states(house, other), ['running'])
  for (const one of [id, other]) await house.asked('POST', `/v1/workloads/${one}/stop`)
  await house.toRest()
})

test('where nobody of a site is heard nothing is lost for a quarter of an hour, and all goes on when they are back', async () => {
  await using house = await aCluster()
  const ids = await house.submitAll(['one', 'two'], { nodes: 1, runMs: 2 * hourMs })
  await house.runUntil('both run', () => ids.every((one) => house.workload(one).state === 'running'))
  house.network.cut('west', true)
  await house.runFor(800_000)
  house.network.cut('west', false)
  await house.runFor(600_000)
  assert.deepEqual(
    ids.flatMap((id) => states(house, id)),
    ['running', 'running'],
  )
  assert.deepEqual(
    ids.map((id) => house.workload(id).reason),
    ['', ''],
  )
  for (const id of ids) await house.asked('POST', `/v1/workloads/${id}/stop`)
  await house.toRest()
})

test('tasks that a dead agent had are done by others, each once', async () => {
  await using house = await aCluster()
  const id = await house.submit('many', {
    kind: 'array',
    tasks: 40,
    parallelism: 16,
    resources: { cpus: 0.4 },
    retry: { onLoss: 5 },
    runMs: 300_000,
  })
  await house.runUntil('two work', () => states(house, id).filter((state) => state === 'running').length === 2)
  house.ranks.strike({ site: 'west', how: 'die', tokens: [tokenOf(house, id)] })
  await house.runUntil('it ends', () => house.workload(id).state === 'succeeded', 2 * hourMs)
  assert.equal(house.workload(id).tasksSucceeded, 40)
  assert.equal(states(house, id).filter((state) => state === 'lost').length, 1)
  await house.toRest()
})
