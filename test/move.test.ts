import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'

import type { WorkloadDetail } from '#api/views.ts'
import { aHouse, aWrittenJob, type TestHouse } from '#rigs/house.ts'

// Work that is moved so that a gang finds a domain, on a real server with real processes.

const sites = `sites:
  - { provider: local, name: racks, price: $0.10/h, patience: 60s, nodes: 4, topology: [2, 4], shape: { cpus: 1, memory: 256MB } }
`
/** Runs until it is told to stop and saves that; what goes on from there runs until it is stopped as well. */
const works = `
  trap 'echo "saved by $ISOBAR_ATTEMPT" > $ISOBAR_CHECKPOINT_DIR/state; exit 0' TERM
  cat $ISOBAR_RESUME_DIR/state 2>/dev/null; echo "up in $ISOBAR_ATTEMPT"; sleep 60 & wait`

const isOver = ({ endedAt }: WorkloadDetail) => endedAt !== null
const isRunning = ({ state }: WorkloadDetail) => state === 'running'

let house: TestHouse
before(async () => {
  house = await aHouse(sites, { ISOBAR_MOVES_PER_HOUR: '1' })
})
after(() => house.close())

const starts = (name: string, more: object = {}) => house.start(aWrittenJob(name, works, more))
const rackOf = async (id: string): Promise<number> => {
  const [rank] = (await house.look(id)).attemptList[0]?.ranks ?? []
  return Math.floor(Number(rank?.node?.at(-1)) / 2)
}

test('one of two that each keep a rack from a gang is moved to the other’s, saves its work and goes on', async () => {
  const saves = { checkpoint: { every: '1h', grace: '5s' } }
  // Three fill a rack and begin another; then one of the first rack ends.
  const first = await starts('first', saves)
  await house.until(first, 'running', isRunning)
  const gap = await starts('gap')
  await house.until(gap, 'running', isRunning)
  const last = await starts('last')
  await house.until(last, 'running', isRunning)
  assert.deepEqual([await rackOf(gap), await rackOf(last)], [await rackOf(first), 1 - (await rackOf(first))])
  await house.say('stop', gap)
  await house.until(gap, 'gone', ({ attemptList: [attempt] }) => attempt?.lease?.state === 'gone')

  const spec = aWrittenJob('gang', 'sleep 1', { nodes: 2, topology: { within: 'nvlink' } })
  const file = join(house.home, 'gang.yaml')
  writeFileSync(file, JSON.stringify(spec))
  const planned = await house.isobar('plan', file)
  assert.match(planned.stdout, /first moves elsewhere/, 'a plan says so before anybody is disturbed')
  const gang = await house.start(spec)
  const done = await house.until(gang, 'at its end', isOver)
  assert.deepEqual([done.state, done.attempts], ['succeeded', 1])
  const moved = await house.until(first, 'running again', (one) => isRunning(one) && one.attempts === 2)
  assert.equal(moved.attemptList[1]?.reason, 'moved to make room for gang of project default')
  assert.equal(await rackOf(first), await rackOf(last))
  assert.match(await house.say('logs', first), /saved by 1\nup in 2\n$/)
  assert.equal((await house.look(last)).attempts, 1, 'who does not say that it saves its work stays')
  const told = (await house.events({ workload: gang })).find(({ type }) => type === 'workload.waits')
  assert.equal(told?.message, 'Room is made for it: first moves elsewhere, and what it holds is kept for it.')
  for (const id of [first, last]) await house.say('stop', id, '--wait')
})
