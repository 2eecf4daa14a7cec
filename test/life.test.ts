import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'

import type { WorkloadDetail } from '#api/views.ts'
import { signal, taggedProcesses } from '#kit/processes.ts'
import { aHouse, aWrittenJob, type TestHouse } from '#rigs/house.ts'
import { linesOf } from '#rigs/lines.ts'

// The ends that a spec or a person sets, and what is tried again, on a real server with real processes.

const shape = 'shape: { cpus: 1, memory: 256MB }'
const sites = `sites:
  - { provider: local, name: wide, price: $0.10/h, patience: 60s, nodes: 16, ${shape} }
  - { provider: local, name: racks, price: $0.10/h, patience: 60s, nodes: 4, topology: [2, 4], labels: { hall: b }, taints: [racks-only], ${shape} }
  - { provider: local, name: one, price: $0.10/h, patience: 60s, nodes: 1, ${shape} }
  - { provider: local, name: full, price: $0.10/h, patience: 60s, nodes: 1, ${shape} }
  - { provider: local, name: two, price: $0.10/h, patience: 60s, nodes: 2, ${shape} }
  - { provider: local, name: three, price: $0.10/h, patience: 60s, nodes: 2, ${shape} }
`
const aJob = (name: string, run: string, more: object = {}) =>
  aWrittenJob(name, run, { placement: { sites: ['local/wide'] }, ...more })
/** Runs until it is told to stop, and then saves what it has. */
const untilTold = `
  trap 'echo saved by $ISOBAR_ATTEMPT > $ISOBAR_CHECKPOINT_DIR/state; exit 0' TERM
  cat $ISOBAR_RESUME_DIR/state 2>/dev/null; echo up; sleep 60 & wait`
const inFuture = (ms: number): string => new Date(Date.now() + ms).toISOString()

const isOver = ({ endedAt }: WorkloadDetail) => endedAt !== null
const isRunning = ({ state }: WorkloadDetail) => state === 'running'

let house: TestHouse
before(async () => {
  house = await aHouse(sites)
})
after(() => house.close())

const savedOf = (id: string): string[] =>
  globSync(join(house.home, 'checkpoints', id, '**', 'state')).map((file) => readFileSync(file, 'utf8'))

describe('life', { concurrency: 12 }, () => {
  test('a leader and its workers start together, each with the commands, variables and resources of its role', async () => {
    const said = `$ISOBAR_RANK of $ISOBAR_NODES is a $ISOBAR_ROLE, $PACE`
    const spec = aJob('crew', `echo "${said}" > $ISOBAR_CHECKPOINT_DIR/$ISOBAR_RANK`, {
      env: { PACE: 'fast' },
      roles: [
        {
          name: 'leader',
          run: `until [ "$(ls $ISOBAR_CHECKPOINT_DIR | wc -l)" = 3 ]; do sleep 0.05; done
            cat $ISOBAR_CHECKPOINT_DIR/*; echo "${said}"`,
          env: { PACE: 'calm' },
          resources: { cpus: 0.5, memory: '64MB' },
        },
        { name: 'worker', nodes: 3 },
      ],
    })
    const { code, stdout, stderr } = await house.run(spec)
    assert.equal(code, 0, stderr)
    assert.deepEqual(stdout.match(/\d of 4 is a .*/g), [
      ...[1, 2, 3].map((rank) => `${rank} of 4 is a worker, fast`),
      '0 of 4 is a leader, calm',
    ])
    const [attempt] = (await house.look('crew')).attemptList
    assert.deepEqual(
      attempt?.ranks.map(({ role }) => role),
      ['leader', 'worker', 'worker', 'worker'],
    )
    assert.equal(attempt?.pricePerHour.text, '$0.35') // half a node, and three whole ones at $0.10
  })

  test('a replica on several nodes is ready when the first of them serves, whatever the others do for it', async () => {
    const { run: _, ...spec } = aJob('big-greeter', '', { kind: 'service', nodes: 2, ports: [8000] })
    const serve = `require('http').createServer((_, r) => r.end('hello')).listen(process.env.PORT, process.env.ISOBAR_NODE_ADDRESSES.split(',')[0])`
    const run = `test $ISOBAR_RANK = 0 || exec sleep 60; exec '${process.execPath}' -e "${serve}"`
    const id = await house.start({ ...spec, readiness: { path: '/', period: '100ms' }, run })
    const { endpoints } = await house.until(id, 'ready', ({ endpoints: at = [] }) => at.length > 0)
    assert.equal(await (await fetch(`http://${endpoints?.[0]}/`)).text(), 'hello')
    await house.say('stop', id)
    await house.until(id, 'stopped', isOver)
  })

  test('who has a domain to itself keeps others out of it, and those come when it has ended', async () => {
    const placement = { sites: ['local/racks'], nodeLabels: { hall: 'b' }, tolerations: ['racks-only'] }
    const id = await house.start(aJob('alone', untilTold, { placement, topology: { exclusive: 'nvlink' } }))
    await house.until(id, 'running', isRunning)
    const kept = await house.run(aJob('untolerated', 'true', { placement: { sites: ['local/racks'] }, expiry: '1s' }))
    assert.match(kept.stderr, /all its nodes have taints: racks-only/)
    const rest = await house.start(aJob('rest', 'true', { placement, nodes: 3 }))
    await house.until(rest, 'told why it waits', ({ reason }) => /needs 3 nodes; 2 are free/.test(reason))
    await house.say('stop', id)
    assert.equal((await house.until(rest, 'at its end', isOver)).state, 'succeeded')
  })

  test('what still waits at its expiry ends, was told so at its start, and says what to do', async () => {
    const placement = { sites: ['local/full'] }
    const holder = await house.start(aJob('holder', untilTold, { placement }))
    await house.until(holder, 'running', isRunning)
    const spec = aJob('stale', 'true', { placement, expiry: '2s' })
    const { code, stdout, stderr } = await house.run(spec)
    assert.deepEqual([code, stdout], [1, ''], stderr)
    assert.match(stderr, /^stale \(w-\w+\) is submitted: http:\S+, and expires at \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\n/)
    const { state, reason, attempts } = await house.look('stale')
    assert.deepEqual([state, reason, attempts], ['stopped', 'expired 2s after it was submitted', 0])
    assert.equal((await house.why('stale')).shown, 'next: isobar run <file> (with a later expiry in it)')
    assert.equal(
      (await house.cost('--by', 'workload')).rows.find(({ keys }) => keys[0] === 'stale'),
      undefined,
    )
    await house.say('stop', holder)
  })

  test('what runs at its expiry is stopped with its grace', async () => {
    const id = await house.start(aJob('brief', untilTold, { expiry: '8s' }))
    const { state, expiresAt, createdAt, endedAt } = await house.until(id, 'at its end', isOver)
    assert.equal(state, 'stopped')
    assert.equal(Date.parse(expiresAt ?? '') - Date.parse(createdAt), 8000)
    assert.ok(Date.parse(endedAt ?? '') >= Date.parse(expiresAt ?? ''))
    assert.deepEqual(savedOf(id), ['saved by 1\n'])
  })

  test('what runs at its deadline is stopped with its grace and fails with 124', async () => {
    const { code, stdout, stderr } = await house.run(aJob('late', untilTold, { deadline: inFuture(8000) }))
    assert.deepEqual([code, stdout], [124, 'up\n'], stderr)
    const { id, reason } = await house.look('late')
    assert.equal(reason, 'did not end by its deadline')
    assert.equal((await house.why(id)).shown, 'next: isobar run <file> (with a later deadline in it)')
    assert.deepEqual(savedOf(id), ['saved by 1\n'])
  })

  test('what cannot make its deadline is not started, says why, and fails at it', async () => {
    const id = await house.start(aJob('hopeless', 'true', { deadline: inFuture(8000), duration: { expected: '1h' } }))
    const waits = await house.until(id, 'refused', ({ reason }) => reason !== '')
    assert.match(waits.reason, /^It cannot end by its deadline of .*: it is expected to run for 1h\.$/)
    const { cause, shown } = await house.why(id)
    assert.deepEqual(
      [cause, shown],
      ['deadline', 'next: isobar run <file> (with a later deadline or a shorter duration.expected in it)'],
    )
    const { state, exitCode, attempts } = await house.until(id, 'at its end', isOver)
    assert.deepEqual([state, exitCode, attempts], ['failed', 124, 0])
  })

  test('what runs longer than its maximum is stopped with its grace and fails with 124', async () => {
    const { code, stdout, stderr } = await house.run(aJob('long', untilTold, { duration: { maximum: '3s' } }))
    assert.deepEqual([code, stdout], [124, 'up\n'], stderr)
    const { id, reason } = await house.look('long')
    assert.equal(reason, 'ran longer than its maximum of 3s')
    assert.equal((await house.why(id)).shown, 'next: isobar run <file> (with a longer duration.maximum in it)')
    assert.deepEqual(savedOf(id), ['saved by 1\n'])
  })

  test('an exit code of retry.onExit is tried again, as often as it says and no more', async () => {
    const { code, stdout, stderr } = await house.run(
      aJob('flaky', 'echo try $ISOBAR_ATTEMPT; exit 7', { retry: { onExit: [7], times: 2 } }),
    )
    assert.equal(code, 7, stderr)
    assert.equal(stdout, 'try 1\ntry 2\ntry 3\n')
    const { reason, attemptList } = await house.look('flaky')
    assert.equal(reason, 'exited with 7, after 2 retries')
    assert.deepEqual(
      attemptList.map(({ exitCode }) => exitCode),
      [7, 7, 7],
    )
  })

  test('an exit code that retry.onExit does not name ends a run, and one that succeeds at last succeeds', async () => {
    const retry = { onExit: [7], times: 5 }
    const other = await house.start(aJob('other', 'exit 8', { retry }))
    const better = await house.start(aJob('better', 'test $ISOBAR_ATTEMPT = 2 || exit 7', { retry }))
    const ends = [await house.until(other, 'at its end', isOver), await house.until(better, 'at its end', isOver)]
    assert.deepEqual(
      ends.map(({ state, exitCode, attempts }) => [state, exitCode, attempts]),
      [
        ['failed', 8, 1],
        ['succeeded', 0, 2],
      ],
    )
  })

  test('a run whose machine dies is tried again, but no more often than retry.onLoss says', async () => {
    const [lucky = '', unlucky = ''] = await Promise.all([
      house.start(aJob('lucky', untilTold, { placement: { sites: ['local/two'] } })),
      house.start(aJob('unlucky', untilTold, { placement: { sites: ['local/three'] }, retry: { onLoss: 0 } })),
    ])
    for (const id of [lucky, unlucky]) await house.until(id, 'running', isRunning)
    await Promise.all([loseMachines('two', lucky), loseMachines('three', unlucky)])
    const { state, reason, attempts } = await house.until(unlucky, 'at its end', isOver)
    assert.deepEqual([state, attempts], ['failed', 1])
    assert.equal(reason, 'local/three lost rank 0; lost once, and retry.onLoss is 0')
    const again = await house.until(lucky, 'running again', (one) => isRunning(one) && one.attempts === 2)
    assert.deepEqual(
      again.attemptList.map((attempt) => attempt.state),
      ['running', 'lost'],
    )
    await house.say('stop', lucky, '--wait')
    assert.equal((await house.look(lucky)).state, 'stopped')
  })

  test('held is held, released goes, and a higher priority goes first', async () => {
    const order = join(house.home, 'order')
    const queued = (name: string, more: object = {}) =>
      house.start(aJob(name, `echo ${name} >> ${order}`, { placement: { sites: ['local/one'] }, ...more }))
    const first = await house.start(aJob('blocker', untilTold, { placement: { sites: ['local/one'] } }))
    await house.until(first, 'running', isRunning)
    const low = await queued('low')
    const raised = await queued('raised')
    const high = await queued('high', { priority: 10 })
    const held = await queued('held', { priority: 100 })
    await house.say('hold', held)
    await house.until(held, 'held', ({ state }) => state === 'held')
    await house.say('priority', raised, '5')
    await house.say('hold', first)
    for (const id of [low, raised, high]) await house.until(id, 'at its end', isOver)
    assert.deepEqual(linesOf(order), ['high', 'raised', 'low'])
    const { state, attempts } = await house.look(held)
    assert.deepEqual([state, attempts], ['held', 0])
    assert.equal((await house.why(held)).shown, `next: isobar release ${held}`)
    await house.say('release', held)
    assert.equal((await house.until(held, 'at its end', isOver)).state, 'succeeded')

    assert.equal((await house.look(first)).state, 'held')
    assert.deepEqual(savedOf(first), ['saved by 1\n'])
    await house.say('release', first)
    await house.until(first, 'running', isRunning)
    await house.say('stop', first, '--wait')
    assert.equal(await house.say('logs', first), 'saved by 1\nup\n')
  })
})

/** Kills whatever runs at a site, agents first, as a machine dies that loses its power. */
async function loseMachines(site: string, id: string): Promise<void> {
  const [file, ...others] = globSync(join(house.home, 'local', site, 'orders', '*', '*', 'agent.json'))
  assert.ok(file && others.length === 0)
  const ranks = await taggedProcesses('ISOBAR_WORKLOAD')
  signal(JSON.parse(readFileSync(file, 'utf8')).pid, 'SIGKILL')
  for (const { pid, environment } of ranks) if (environment.get('ISOBAR_WORKLOAD') === id) signal(pid, 'SIGKILL')
}
