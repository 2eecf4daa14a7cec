import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'

import type { WorkloadDetail } from '#api/views.ts'
import { aHouse, aWrittenJob as aJob, type TestHouse } from '#rigs/house.ts'

// Work that leaves for other work, on a real server with real processes.

const sites = `sites:
  - { provider: local, name: one, price: $0.10/h, patience: 60s, nodes: 1, shape: { cpus: 1, memory: 256MB } }
  - { provider: local, name: two, price: $0.10/h, patience: 60s, nodes: 2, shape: { cpus: 1, memory: 256MB } }
`
/** Counts on from its checkpoint to 5; when it is told to stop it saves where it is, and takes a moment for that. */
const counts = `
  n=$(cat $ISOBAR_RESUME_DIR/n 2>/dev/null || echo 0)
  trap 'sleep 0.5; echo $n > $ISOBAR_CHECKPOINT_DIR/n; exit 0' TERM
  while [ $n -lt 5 ]; do n=$((n + 1)); echo "n $n by $ISOBAR_ATTEMPT"; if [ $n = 3 ] && [ $ISOBAR_ATTEMPT = 1 ]; then sleep 60 & wait; fi; done`

const isOver = ({ endedAt }: WorkloadDetail) => endedAt !== null
const isRunning = ({ state }: WorkloadDetail) => state === 'running'

let house: TestHouse
before(async () => {
  house = await aHouse(sites)
})
after(() => house.close())

const setProjects = async (text: string): Promise<void> => {
  const file = join(house.home, 'projects.yaml')
  writeFileSync(file, text)
  await house.say('projects', 'set', '--file', file)
}

test('work of lower priority is stopped with its grace for work of higher priority, and resumes when that has ended', async () => {
  await setProjects('name: lab\npreemption: { within: lower-priority }\n')
  const placement = { sites: ['local/one'] }
  const low = await house.start(aJob('low', counts, { project: 'lab', placement }))
  await house.until(low, 'running', isRunning)
  const high = await house.start(aJob('high', 'echo high', { project: 'lab', placement, priority: 9 }))
  const done = await house.until(high, 'at its end', isOver)
  assert.deepEqual([done.state, done.attempts], ['succeeded', 1])
  const again = await house.until(low, 'at its end', isOver)
  assert.deepEqual([again.state, again.attempts], ['succeeded', 2])
  const [second, first] = again.attemptList
  assert.deepEqual([first?.state, first?.reason], ['stopped', 'preempted for high of project lab'])
  assert.equal(second?.state, 'succeeded')
  const logs = await house.say('logs', low)
  assert.match(logs, /n 4 by 2\nn 5 by 2\n$/, 'it goes on from its checkpoint')
  assert.doesNotMatch(logs, /n [123] by 2/)
  const [ran] = done.attemptList
  assert.ok((ran?.startedAt ?? '') >= (first?.endedAt ?? '9'), 'one after the other')
  const told = (await house.events({ workload: high })).find(({ type }) => type === 'workload.waits')
  assert.match(told?.message ?? '', /^Room is made for it: low has to leave, and what it holds is kept for it\.$/)
})

test('a project takes back what another borrows of it, and nobody has to leave twice for the same', async () => {
  await setProjects(
    ['a', 'b']
      .map((name) => `name: ${name}\nparent: tree\nquota: { nodes: 1 }\npreemption: { reclaim: any }\n`)
      .reduce((all, one) => `${all}---\n${one}`, 'name: tree\n'),
  )
  const placement = { sites: ['local/two'] }
  const borrows = (name: string) => house.start(aJob(name, counts, { project: 'b', placement }))
  const [own, borrowed] = [await borrows('own'), await borrows('borrowed')]
  for (const id of [own, borrowed]) await house.until(id, 'running', isRunning)
  const back = await house.start(aJob('back', 'echo back; sleep 1', { project: 'a', placement }))
  assert.equal((await house.until(back, 'at its end', isOver)).state, 'succeeded')
  const ids = [own, borrowed]
  const stopped = (await Promise.all(ids.map(house.look))).flatMap(({ attemptList }) =>
    attemptList.filter(({ reason }) => reason === 'preempted for back of project a'),
  )
  assert.equal(stopped.length, 1)
  for (const id of ids) await house.say('stop', id, '--wait')
})
