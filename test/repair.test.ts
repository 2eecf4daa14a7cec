import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'

import type { WorkloadDetail } from '#api/views.ts'
import { signal, taggedProcesses } from '#kit/processes.ts'
import { leaseTag, rankTag } from '#model/agent-folder.ts'
import { aHouse, aWrittenJob, type TestHouse } from '#rigs/house.ts'

// A gang that loses a node comes back to its others, on a real server with real processes.

const shape = 'shape: { cpus: 1, memory: 256MB }'
const sites = `sites:
  - { provider: local, name: rack, price: $0.10/h, patience: 60s, nodes: 4, topology: [4], ${shape} }
  - { provider: local, name: tight, price: $0.10/h, patience: 60s, nodes: 4, topology: [2, 4], ${shape} }
`
/** Says where it runs from, and saves it; goes on from what was saved. */
const works = `
  cat $ISOBAR_RESUME_DIR/$ISOBAR_RANK 2>/dev/null; echo "rank $ISOBAR_RANK ran in $ISOBAR_ATTEMPT" > $ISOBAR_CHECKPOINT_DIR/$ISOBAR_RANK
  echo "up in $ISOBAR_ATTEMPT"; sleep 60 & wait`

const isRunning = ({ state }: WorkloadDetail) => state === 'running'
const runsAgain = (workload: WorkloadDetail) => isRunning(workload) && workload.attempts === 2
const isOver = ({ endedAt }: WorkloadDetail) => endedAt !== null

let house: TestHouse
before(async () => {
  house = await aHouse(sites)
})
after(() => house.close())

/** Kills the agent of one rank and whatever it started, as its machine dies that loses its power. */
async function loseNode(site: string, lease: string, rank: number): Promise<void> {
  const [file] = globSync(join(house.home, 'local', site, 'orders', lease, String(rank), 'agent.json'))
  assert.ok(file)
  const all = await taggedProcesses(leaseTag)
  signal(JSON.parse(readFileSync(file, 'utf8')).pid, 'SIGKILL')
  for (const { pid, environment } of all)
    if (environment.get(leaseTag) === lease && environment.get(rankTag) === String(rank)) signal(pid, 'SIGKILL')
}

const leaseOf = async (id: string): Promise<string> => (await house.look(id)).attemptList[0]?.lease?.id ?? ''
const nodesOf = async (id: string) => (await house.look(id)).attemptList[0]?.ranks.map(({ node }) => node)
/** Racks of the tight site are pairs: 0 and 1, 2 and 3. */
const rackOf = (node: string | null | undefined): number => Math.floor(Number(node?.at(-1)) / 2)
const placedAs = async (id: string) =>
  (await house.events({ workload: id })).findLast(({ type }) => type === 'attempt.placed')

test('a gang that loses a node goes on beside a free one, and nobody else gets what it keeps', async () => {
  const placement = { sites: ['local/rack'] }
  const gang = await house.start(aWrittenJob('gang', works, { nodes: 3, placement, topology: { within: 'nvlink' } }))
  await house.until(gang, 'running', isRunning)
  const old = await nodesOf(gang)
  // Two nodes are more than there are free, and it is more urgent than the gang.
  const urgent = await house.start(aWrittenJob('urgent', 'true', { nodes: 2, placement, priority: 100 }))
  await house.until(urgent, 'told why it waits', ({ reason }) => reason !== '')
  const began = performance.now()
  await loseNode('rack', await leaseOf(gang), 1)
  await house.until(gang, 'running again', runsAgain)
  const seconds = (performance.now() - began) / 1000
  const now = await nodesOf(gang)
  assert.deepEqual([now?.[0], now?.[2]], [old?.[0], old?.[2]])
  assert.ok(now?.[1] && !old?.includes(now[1]), `${now?.[1]} is the free one`)
  const told = await placedAs(gang)
  assert.deepEqual(told?.data['replaced'], [{ from: old?.[1], to: now?.[1] }])
  assert.match(told?.message ?? '', /3 nodes; it keeps 2 of its nodes; rack-\d takes the place of rack-\d$/)
  assert.match(
    await house.say('why', gang),
    /Attempt 2 .*It lost a node and keeps 2 of its nodes; rack-\d takes the place/,
  )
  assert.match(await house.say('logs', gang), /rank 0 ran in 1\nup in 2\n/, 'it goes on from its checkpoint')
  assert.equal((await house.look(urgent)).attempts, 0)
  assert.ok(seconds < 18, `it took ${seconds} s, of which 8 are silence`)
  await house.say('stop', gang)
  await house.until(urgent, 'at its end', isOver)
})

test('a spare node of its own is taken first, whoever waits for it', async () => {
  const placement = { sites: ['local/tight'] }
  const topology = { within: 'nvlink', spares: { count: 1, within: 'nvlink' } }
  const id = await house.start(aWrittenJob('spared', works, { placement, topology }))
  await house.until(id, 'running', isRunning)
  const [first] = (await nodesOf(id)) ?? []
  const wide = await house.start(aWrittenJob('wide', 'true', { nodes: 3, placement, priority: 100 }))
  await house.until(wide, 'told why it waits', ({ reason }) => reason !== '')
  await loseNode('tight', await leaseOf(id), 0)
  await house.until(id, 'running again', runsAgain)
  const [now] = (await nodesOf(id)) ?? []
  assert.deepEqual((await placedAs(id))?.data['replaced'], [{ from: first, to: now }])
  assert.deepEqual([rackOf(now), now === first], [rackOf(first), false])
  await house.until(wide, 'at its end', isOver)
  await house.say('stop', id, '--wait')
})
