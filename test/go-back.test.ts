import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'

import type { WorkloadDetail } from '#api/views.ts'
import { aHouse, aWrittenJob, type TestHouse } from '#rigs/house.ts'

// A job with a deadline goes back to spot capacity, on a real server with real processes.

const declared = `sites:
  - { provider: local, name: lasting, price: $3/h, patience: 60s, nodes: 2, shape: { cpus: 1, memory: 256MB } }
  - { provider: local, name: cheap, tier: spot, price: $1/h, patience: 60s, nodes: 1, shape: { cpus: 1, memory: 256MB } }
`
/** Runs until it is told to stop and saves that; what goes on from there runs until it is stopped as well. */
const works = `
  trap 'echo "saved by $ISOBAR_ATTEMPT" > $ISOBAR_CHECKPOINT_DIR/state; exit 0' TERM
  cat $ISOBAR_RESUME_DIR/state 2>/dev/null; echo "up in $ISOBAR_ATTEMPT"; sleep 60 & wait`

const isRunning = ({ state }: WorkloadDetail) => state === 'running'

let house: TestHouse
before(async () => {
  house = await aHouse(declared, { ISOBAR_MOVES_PER_HOUR: '1' })
})
after(() => house.close())

test('who keeps a deadline on on-demand capacity goes back to spot capacity when it may, and on from its checkpoint', async () => {
  const allowed = async (sites: string[]) => {
    const file = join(house.home, 'project.yaml')
    writeFileSync(file, JSON.stringify({ name: 'default', policy: { sites } }))
    await house.say('projects', 'set', '--file', file)
  }
  const spec = aWrittenJob('due', works, {
    checkpoint: { every: '10m', grace: '5s' },
    duration: { expected: '4h' },
    deadline: new Date(Date.now() + 12 * 3_600_000).toISOString(),
  })
  await allowed(['local/lasting'])
  const due = await house.start(spec)
  const first = await house.until(due, 'running', isRunning)
  assert.deepEqual([first.attemptList[0]?.site, first.attemptList[0]?.tier], ['local/lasting', 'on-demand'])
  await allowed(['local/lasting', 'local/cheap'])
  const back = await house.until(due, 'running again', (one) => isRunning(one) && one.attempts === 2)
  const [last, left] = back.attemptList.toSorted((a, b) => b.number - a.number)
  assert.deepEqual([last?.site, last?.tier], ['local/cheap', 'spot'])
  assert.match(left?.reason ?? '', /^goes back to spot capacity, which local\/cheap has: \$[\d.]+ are expected/)
  assert.match(await house.say('logs', due), /saved by 1\nup in 2\n$/)
  const { text } = await house.why(due)
  assert.match(text, /Attempt 2 .*local\/cheap \(spot, .*by the plan for its deadline/)
  assert.match(text, /Attempt 1 .*goes back to spot capacity, which local\/cheap has/)
  await house.say('stop', due, '--wait')
})
