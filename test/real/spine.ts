import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, globSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'

import { taggedProcesses } from '#kit/processes.ts'

// A gang, a service and an array on three real sites: the demo tells it, and judges itself; here it is held to what it must
// have told, and to have left nothing.

/** Runs `isobar demo --real` with a folder of its own for all that it makes. */
function aDemo(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'isobar-spine-'))
  chmodSync(folder, 0o755) // daemons of other accounts pass
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const child = spawn(process.execPath, ['bin/isobar.js', 'demo', '--real'], {
    env: { ...process.env, TMPDIR: folder },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const said = { out: '', err: '' }
  child.stdout.on('data', (part) => (said.out += String(part)))
  child.stderr.on('data', (part) => (said.err += String(part)))
  const over = once(child, 'close').then(([code]) => code as number | null)
  let isOver = false
  void over.then(() => (isOver = true))
  const ended = async (): Promise<number | null> => {
    const code = await over
    // Whoever looks after a folder removes it last: after the mounts, the interface and the processes that belong to it.
    assert.deepEqual(readdirSync(folder, { recursive: true }), [], said.err)
    assert.ok(!readFileSync('/proc/mounts', 'utf8').includes(folder), 'something is mounted')
    // Who would have removed a folder had we been killed wakes up and finds it gone.
    for (const deadline = performance.now() + 60_000; ; await pause(100)) {
      const left = (await taggedProcesses('TMPDIR', folder)).map(({ pid }) => pid)
      if (left.length === 0) return code
      assert.ok(performance.now() < deadline, `these processes are left: ${left.join(' ')}`)
    }
  }
  return {
    said,
    ended,
    /** Where its PostgreSQL has its data. */
    database(): string {
      const [file = ''] = globSync(join(folder, 'isobar-cluster-*', 'home', 'pg', 'where.json'))
      return (JSON.parse(readFileSync(file, 'utf8')) as { home: string }).home
    },
    async says(what: RegExp): Promise<void> {
      while (!what.test(said.err)) {
        assert.ok(!isOver, `it has ended without a word of ${what}: ${said.err}`)
        await pause(100)
      }
    },
    interrupt: () => child.kill('SIGINT'),
  }
}

const claims = [
  'the training run finished on the third site',
  'what three sites computed, one after the other, is what one computes alone',
  'the service answered from another site each time that its cluster was lost, and from there alone in the end',
  'every task of the array counted once, though its cluster was lost in the middle of it',
  'the old attempts are fenced, and nothing of them is left at either cluster',
  'the bill adds up to the micro-dollar, by workload and by site',
]

test('a gang, a service and an array go on through the loss of a Kubernetes and of a Slurm cluster, and both are left clean', async (t) => {
  const demo = aDemo(t)
  const code = await demo.ended()
  const { out, err } = demo.said
  t.diagnostic(err)
  assert.equal(code, 0, `${out}${err}`)
  assert.deepEqual(
    [...err.matchAll(/ {2}(true|FALSE) +(.*) \(.*\)$/gm)].map(([, so, claim]) => [so, claim]),
    claims.map((claim) => ['true', claim]),
  )
  const steps = [...err.matchAll(/It has saved step (\d+) of 1000 at (\S+)\.$/gm)]
  assert.deepEqual(
    steps.map(([, , site]) => site),
    ['kubernetes/pods', 'slurm/jobs', 'local/here'],
  )
  const saved = steps.map(([, step]) => Number(step))
  assert.deepEqual(
    saved.toSorted((a, b) => a - b),
    saved,
    'each goes on where the one before was',
  )
  const answers = [...err.matchAll(/ web: its attempt (\d) answers from (\S+)\.$/gm)]
  assert.deepEqual(
    answers.map(([, attempt, site]) => `${attempt} ${site}`),
    ['1 kubernetes/pods', '2 slurm/jobs', '3 local/here'],
  )
  const outlived = [
    ...err.matchAll(/ {2}(\d+) (\w+) of the attempts before are there still, and nobody could end them\.$/gm),
  ]
  assert.deepEqual(
    outlived.map(([, , what]) => what),
    ['containers', 'ranks'],
  )
  assert.ok(
    outlived.every(([, number]) => Number(number) >= 3),
    'those of the gang, and the replica',
  )
  assert.match(out, /^train +succeeded +3 +2 /m)
  assert.match(out, /^rollouts +succeeded +2 +1 +1 worker, no task /m)
  assert.match(out, /^web +stopped +3 +2 +2 replicas /m)
})

test('an interrupted demo takes down all that it started', async (t) => {
  const demo = aDemo(t)
  await demo.says(/^ +[\d.]+s {2}Submitted/m)
  const database = demo.database()
  assert.ok(existsSync(database))
  demo.interrupt()
  assert.equal(await demo.ended(), 130, demo.said.err)
  assert.match(demo.said.err, /^error: interrupted; what the demo had started is gone$/m)
  assert.equal(existsSync(database), false)
})
