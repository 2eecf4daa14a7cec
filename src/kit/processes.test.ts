import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'

import { groupLives, identify, lives, taggedProcesses, taggedProcessesSync } from './processes.ts'

const onLinux = { skip: process.platform !== 'linux' && 'needs /proc' }

test('a process is itself as long as it lives, and a later one of its number is not', async () => {
  const child = spawn('sleep', ['100'], { detached: true })
  await once(child, 'spawn')
  const who = identify(child.pid ?? 0)
  assert.ok(who && lives(who) && groupLives(who.pid))
  assert.equal(lives({ ...who, started: 'before' }), false)
  child.kill('SIGKILL')
  await once(child, 'exit')
  assert.deepEqual([lives(who), identify(who.pid), groupLives(who.pid)], [false, undefined, false])
})

test('a zombie is not alive', onLinux, async () => {
  // The shell becomes a program that never asks how its child ended.
  const parent = spawn('sh', ['-c', 'true & echo $!; exec sleep 100'], { stdio: ['ignore', 'pipe', 'ignore'] })
  const [line] = (await once(parent.stdout, 'data')) as [Buffer]
  const deadline = performance.now() + 5000
  while (identify(Number(line))) assert.ok(performance.now() < deadline)
  parent.kill('SIGKILL')
  await once(parent, 'exit')
})

const mark = 'ISOBAR_TEST_MARK'

async function found(): Promise<(number | string | undefined)[][]> {
  const all = await taggedProcesses(mark)
  return all.map(({ pid, environment }) => [pid, environment.get(mark)]).sort()
}

test('processes are found by what their environment began with', onLinux, async () => {
  // More than one read takes.
  const long = { LONG: 'x'.repeat(60_000) }
  const children = ['a', 'b'].map((value) =>
    spawn('sleep', ['100'], { env: { ...long, ...process.env, [mark]: value } }),
  )
  await Promise.all(children.map((child) => once(child, 'spawn')))
  const both = children.map((child, index) => [child.pid, ['a', 'b'][index]]).sort()
  assert.deepEqual(await Promise.all([found(), found()]), [both, both])
  // Asked at the same time, so that one scan is for all of them.
  const values = ['none', 'b', 'a', 'b']
  const each = await Promise.all(values.map((value) => taggedProcesses(mark, value)))
  assert.deepEqual(
    each,
    values.map((value) => taggedProcessesSync(mark, value)),
  )
  const [a, b] = children.map(({ pid }) => [pid])
  assert.deepEqual(
    each.map((some) => some.map(({ pid }) => pid)),
    [[], b, a, b],
  )
  assert.equal(each[1]?.[0]?.environment.get('LONG'), long.LONG)
  for (const child of children) {
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
  assert.deepEqual(await found(), [])
})
