import assert from 'node:assert/strict'
import { readdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'

import type { WorkloadDetail } from '#api/views.ts'
import { taggedProcesses } from '#kit/processes.ts'
import { leaseTag } from '#model/agent-folder.ts'
import { type MemoryBucket, openMemoryBucket } from '#rigs/bucket.ts'
import { aHouse, aWrittenJob, type TestHouse } from '#rigs/house.ts'

// Two sites that keep checkpoints in one bucket: what one of them loses goes on at the other. A real server, real processes.

const declared = (name: string, price: string, endpoint: string): object => ({
  provider: 'local',
  name,
  price,
  patience: '2s',
  nodes: 2,
  shape: { cpus: 1, memory: '256MB' },
  checkpoints: 's3://bucket/some/where',
  checkpointsEndpoint: endpoint,
  checkpointsRegion: 'here',
  checkpointsSecret: 'STORE',
})
/** Saves and waits; what goes on from there tells it and ends. */
const works = `
  if [ -n "\${ISOBAR_RESUME_DIR:-}" ]; then cat "$ISOBAR_RESUME_DIR"/rank-*; env | grep -c AWS_; exit 0; fi
  echo "saved by $ISOBAR_ATTEMPT/$ISOBAR_RANK" > "$ISOBAR_CHECKPOINT_DIR/rank-$ISOBAR_RANK"
  trap 'echo "stopped $ISOBAR_ATTEMPT/$ISOBAR_RANK" > "$ISOBAR_CHECKPOINT_DIR/rank-$ISOBAR_RANK"; exit 0' TERM
  sleep 600 & wait`

const isOver = ({ endedAt }: WorkloadDetail) => endedAt !== null
const isRunning = ({ state }: WorkloadDetail) => state === 'running'

let bucket: MemoryBucket
let house: TestHouse
before(async () => {
  bucket = await openMemoryBucket()
  const { endpoint } = bucket.store
  const sites = [declared('west', '$0.10/h', endpoint), declared('east', '$0.20/h', endpoint)]
  house = await aHouse(JSON.stringify({ sites }))
})
after(async () => {
  await house.close()
  await bucket.close()
})

/** Waits for long enough on a machine that has much else to do. */
async function until(what: string, is: () => boolean | Promise<boolean>): Promise<void> {
  for (const end = performance.now() + 100_000; !(await is()); await pause(50))
    assert.ok(performance.now() < end, `waited 100 s in vain until ${what}: ${[...bucket.objects.keys()].join(' ')}`)
}
const isSo = async (id: string, what: string, so: (workload: WorkloadDetail) => boolean): Promise<WorkloadDetail> => {
  await until(`it is ${what}`, async () => so(await house.look(id)))
  return house.look(id)
}

test('without the secret it waits and says which; with one that holds no keys it says what it should hold', async () => {
  const id = await house.start(aWrittenJob('waits', 'true'))
  const waits = (reason: RegExp) => isSo(id, 'waiting for its secret', (one) => reason.test(one.reason ?? ''))
  await waits(/the secret STORE of project default, which cannot be opened: isobar secret set STORE/)
  const file = join(house.home, 'keys')
  writeFileSync(file, 'no keys')
  await house.say('secret', 'set', 'STORE', '--file', file)
  await waits(/the secret STORE of project default, which holds no keys of an object store/)
  const { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY } = bucket.store.keys ?? {}
  writeFileSync(
    file,
    `[default]\naws_access_key_id = ${AWS_ACCESS_KEY_ID}\naws_secret_access_key = ${AWS_SECRET_ACCESS_KEY}\n`,
  )
  await house.say('secret', 'set', 'STORE', '--file', file)
  const done = await isSo(id, 'over', isOver)
  assert.equal(done.state, 'succeeded')
})

test('a gang that loses its site goes on at another from the bucket, and sees no keys', async () => {
  const id = await house.start(aWrittenJob('gang', works, { nodes: 2, retry: { onLoss: 3 } }))
  const { attemptList } = await isSo(id, 'running', isRunning)
  assert.equal(attemptList[0]?.site, 'local/west')
  await until('it is kept', () => [...bucket.objects.keys()].some((key) => key.includes(`/${id}/1/complete/`)))
  const token = readdirSync(join(house.home, 'local', 'west', 'orders')).find((name) => !name.startsWith('.')) ?? ''
  renameSync(join(house.home, 'local', 'west'), join(house.home, 'local', 'west.away'))
  for (const { pid } of await taggedProcesses(leaseTag, token)) process.kill(pid, 'SIGKILL')
  const done = await isSo(id, 'over', isOver)
  const last = done.attemptList.find(({ number }) => number === 2)
  assert.deepEqual([done.state, done.attempts, last?.site], ['succeeded', 2, 'local/east'])
  assert.match(await house.say('logs', id, '--rank', '0'), /saved by 1\/0\nsaved by 1\/1\n0\n/)
  renameSync(join(house.home, 'local', 'west.away'), join(house.home, 'local', 'west'))
})

test('what it saves when it is told to stop is in the bucket when it has ended', async () => {
  const id = await house.start(aWrittenJob('stops', works))
  await isSo(id, 'running', isRunning)
  await until('it is kept', () => [...bucket.objects.keys()].some((key) => key.includes(`/${id}/1/complete/`)))
  await house.say('stop', id, '--wait')
  const saved = [...bucket.objects]
    .filter(([key]) => key.includes(`/${id}/1/files/`))
    .map(([, bytes]) => bytes.toString())
  assert.ok(saved.includes('stopped 1/0\n'), saved.join())
})

test('a job that ended well and whose checkpoint is lost has failed, and says why', async () => {
  bucket.readOnly(true)
  const id = await house.start(aWrittenJob('lost', 'echo done > "$ISOBAR_CHECKPOINT_DIR/state"'))
  const done = await isSo(id, 'over', isOver)
  bucket.readOnly(false)
  assert.deepEqual([done.state, done.attemptList[0]?.ranks[0]?.exitCode], ['failed', 125])
  assert.match(
    await house.say('logs', id),
    /isobar: its last checkpoint is not kept: the keys may not write s3:.*AccessDenied.*\ngrant them s3:ListBucket/,
  )
})

test('the keys stand in no file of the house but the sealed one', () => {
  const secret = bucket.store.keys?.['AWS_SECRET_ACCESS_KEY'] ?? ''
  writeFileSync(join(house.home, 'keys'), '') // what the test itself wrote
  const files = readdirSync(house.home, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.parentPath.includes('/pg'))
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => statSync(path).size < 10_000_000)
  assert.ok(files.length > 3)
  assert.deepEqual(
    files.filter((path) => readFileSync(path, 'latin1').includes(secret)),
    [],
  )
})
