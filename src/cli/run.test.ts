import assert from 'node:assert/strict'
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

import { WorkloadDetail } from '#api/views.ts'
import { callMain, openHouse, type Captured, type House } from './captured.ts'
import { readServerFile } from './home.ts'

// Running and following, with the real server, the real local provider and real processes.

const bin = fileURLToPath(new URL('../../bin/isobar.js', import.meta.url))
let house: House
const isobar = (...argv: string[]): Promise<Captured> => house.isobar(...argv)

before(async () => {
  house = await openHouse()
})
after(() => house.close())

const start = (...argv: string[]): { child: ChildProcess; ended: Promise<Captured>; seen: () => string } => {
  const child = spawn(process.execPath, [bin, ...argv], {
    env: house.env,
    cwd: house.home,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const text = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const)
    child[name]?.on('data', (part: Buffer) => (text[name] += part.toString()))
  const code = new Promise<number>((resolve) => {
    child.once('close', (ended) => resolve(ended ?? -1))
  })
  return { child, ended: code.then((ended) => ({ code: ended, ...text })), seen: () => text.stdout }
}

async function until(so: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 30_000
  while (!(await so())) {
    if (Date.now() > deadline) throw new Error('it did not come about')
    await sleep(25)
  }
}

test('a run ends with its own exit code; its output is stdout, and the bill comes last', async () => {
  const { code, stdout, stderr } = await isobar('run', '--name', 'hello', '--', 'echo hi; echo there; exit 3')
  assert.equal(code, 3, stderr)
  assert.equal(stdout, 'hi\nthere\n')
  const lines = stderr.trimEnd().split('\n')
  assert.match(lines[0] ?? '', /^hello \((w-\w+)\) is submitted: http:\/\/127\.0\.0\.1:\d+\/v1\/workloads\/\1$/)
  assert.match(lines[1] ?? '', /^follow it: isobar logs -f w-\w+, end it: isobar stop w-\w+$/)
  assert.match(
    lines.at(-1) ?? '',
    /^hello failed with exit code 3 · ran [\d.]+s · cost \$0\.\d+ at \$0\.10\/h · 1 attempt$/,
  )
  assert.match(stderr, /local\/here +on-demand/)
})

test('the log and the exit code stay, and a signal is 128 and its number', async () => {
  assert.equal((await isobar('logs', 'hello')).stdout, 'hi\nthere\n')
  const followed = await isobar('logs', '-f', 'hello')
  assert.deepEqual([followed.code, followed.stdout], [3, 'hi\nthere\n'])
  assert.equal((await isobar('logs', '-f', 'hello', '--exit-code', 'local')).code, 0)
  assert.equal((await isobar('logs', 'hello', '--from', '3')).stdout, 'there\n')
  assert.equal((await isobar('logs', 'hello', '--rank', '1')).code, 3)
  assert.equal((await isobar('logs', 'hello', '--rank', 'one')).code, 2)
  assert.equal((await isobar('run', '--', 'kill -9 $$')).code, 137)
  const local = await isobar('run', '--exit-code=local', '--', 'exit 4')
  assert.equal(local.code, 0)
})

test('with -o json stdout is one document, and the log goes to stderr', async () => {
  const { code, stdout, stderr } = await isobar('run', '-o', 'json', '--', 'echo', 'a  b', "it's")
  assert.equal(code, 0, stderr)
  assert.match(stderr, /^a {2}b it's$/m)
  const { workloads } = JSON.parse(stdout)
  assert.equal(WorkloadDetail.parse(workloads[0]).state, 'succeeded')
})

test('several jobs are followed side by side, and the first exit code that is not 0 counts', async () => {
  const spec = ['one', 'two']
    .map(
      (name, i) => `kind: job\nname: ${name}\nresources: { cpus: 0.5 }\nrun: |\n  echo from ${name}\n  exit ${i * 5}\n`,
    )
    .join('---\n')
  const { code, stdout, stderr } = await callMain(['run', '-'], { env: house.env, cwd: house.home, input: spec })
  assert.equal(code, 5, stderr)
  assert.deepEqual(stdout.split('\n').sort(), ['', '[one] from one', '[two] from two'])
})

const python = spawnSync('python3', ['--version']).status === 0

test('what init writes for a service serves as it is', { skip: !python && 'there is no python3 here' }, async () => {
  const written = await isobar('init', 'service', '--name', 'fresh', '-o', 'json')
  assert.deepEqual(JSON.parse(written.stdout), {
    file: join(house.home, 'service.yaml'),
    kind: 'service',
    name: 'fresh',
  })
  assert.equal((await isobar('run', 'service.yaml')).code, 0)
  const ready = await isobar('wait', 'fresh', '--for', 'ready', '--timeout', '20s')
  const stopped = await isobar('stop', 'fresh', '--wait')
  assert.match(stopped.stderr, / at \$0\.10\/h each · \d+ attempts/)
  assert.equal(ready.code, 0, ready.stderr)
})

test('an array names the tasks that failed, and what with', async () => {
  const input =
    'kind: array\nname: patchy\ntasks: 6\nresources: { cpus: 0.1, memory: 32MB }\nrun: exit $((ISOBAR_TASK_INDEX % 3))\n'
  const { stdout } = await callMain(['run', '-', '-d'], { env: house.env, cwd: house.home, input })
  assert.equal((await isobar('wait', stdout.trim(), '--timeout', '30s', '--exit-code=remote')).code, 1)
  const { stdout: told } = await isobar('describe', 'patchy')
  assert.match(
    told,
    /^Failed: +task 1 \(exited with 1\), 2 \(exited with 2\), 4 \(exited with 1\), 5 \(exited with 2\)$/m,
  )
})

test('a workdir is taken along as it was', async () => {
  mkdirSync(join(house.home, 'work'))
  writeFileSync(join(house.home, 'work', 'data.txt'), 'first\n')
  writeFileSync(
    join(house.home, 'work', 'job.yaml'),
    'kind: job\nname: reader\nresources: { cpus: 0.5 }\nworkdir: .\nrun: cat data.txt\n',
  )
  assert.equal((await isobar('run', 'work/job.yaml')).stdout, 'first\n')
  writeFileSync(join(house.home, 'work', 'data.txt'), 'second\n')
  assert.equal((await isobar('run', 'work/job.yaml', '--name', 'reader-2')).stdout, 'second\n')
})

test('a plan is applied as it stands', async () => {
  writeFileSync(join(house.home, 'small.yaml'), 'kind: job\nname: small\nresources: { cpus: 0.5 }\nrun: echo small\n')
  const plan = await isobar('plan', 'small.yaml', '-o', 'name')
  assert.equal(plan.code, 10, plan.stderr)
  const file = await isobar('apply', 'small.yaml')
  assert.deepEqual([file.code, file.stderr.trimEnd().split('\n').at(-1)], [2, 'next: isobar plan small.yaml'])
  const applied = await isobar('apply', plan.stdout.trim())
  assert.equal(applied.code, 0, applied.stderr)
  assert.equal((await isobar('wait', applied.stdout.trim(), '--exit-code', 'remote', '--timeout', '20s')).code, 0)
  assert.equal((await isobar('apply', plan.stdout.trim())).stdout, applied.stdout, 'applied twice, started once')
})

test('what something has spent is told the same in every line, also before the ledger has it', async () => {
  const { stdout } = await isobar('run', '--detach', '--name', 'dear-nap', '--', 'sleep 60')
  const id = stdout.trim()
  await isobar('wait', id, '--for', 'running', '--timeout', '20s')
  await sleep(1000)
  const described = (await isobar('describe', id)).stdout
  const [, soFar, ofAttempt] =
    /^Price: .*\/h, \$(\S+) so far$[^]*^ 1  running .*\$(\S+)  +–  +–$/m.exec(described) ?? []
  assert.ok(Number(soFar) > 0 && Number(soFar) === Number(ofAttempt), described)
  const stopped = await isobar('stop', id, '--wait')
  const [, shown] = /\$(\S+)\n$/.exec(stopped.stdout) ?? []
  const [, billed] = / cost \$(\S+) /.exec(stopped.stderr) ?? []
  assert.ok(Number(billed) > 0 && Number(shown) === Number(billed), stopped.stdout + stopped.stderr)
})

test('what is applied and waits is not followed, but asked why', async () => {
  writeFileSync(join(house.home, 'large.yaml'), 'kind: job\nname: large\nresources: { cpus: 4000 }\nrun: echo\n')
  const plan = await isobar('plan', 'large.yaml', '-o', 'name')
  assert.equal(plan.code, 6, plan.stderr)
  const { stdout, stderr } = await isobar('apply', plan.stdout.trim())
  const id = stdout.trim()
  assert.equal(stderr, `next: isobar why ${id} (large)\n`)
  const stopped = await isobar('stop', id, '--wait')
  assert.equal(stopped.code, 0, stopped.stderr)
})

const job = (name: string, more: string): string =>
  `kind: job\nname: ${name}\nresources: { cpus: 0.1 }\nrun: echo hi\n${more}`

test('what can never start as things are is not submitted, and the fix is named', async () => {
  const at = { env: house.env, cwd: house.home }
  const never: [string, RegExp][] = [
    [job('pictured', 'image: python:3\n'), /\n {2}or: isobar sites\n[^]*next: isobar run <file> \(without image in it/],
    [job('wide', 'nodes: 500\n'), /wide: Waiting does not help: [^]*next: isobar offers\n$/],
    [`${job('fits', '')}---\n${job('many', 'nodes: 500\n')}`, /^error: many can never start as things are/m],
  ]
  for (const [input, says] of never)
    for (const options of [[], ['--detach']]) {
      const { code, stdout, stderr } = await callMain(['run', '-', ...options], { ...at, input })
      assert.deepEqual([code, stdout], [6, ''], stderr)
      assert.match(stderr, says)
      assert.match(stderr, /nothing was submitted/)
    }
  for (const name of ['pictured', 'wide', 'fits', 'many']) assert.equal((await isobar('describe', name)).code, 3, name)
  const said = await callMain(['run', '-', '-o', 'json'], { ...at, input: job('wide', 'nodes: 500\n') })
  const { reason, next } = JSON.parse(said.stderr)
  assert.equal(reason, 'no-capacity')
  assert.match(next.at(-1).command, /^isobar apply p-\w+$/)

  const [, apply = ''] = /(p-\w+)/.exec(next.at(-1).command) ?? []
  assert.equal((await isobar('apply', apply)).code, 0, 'who means it may')
  assert.equal((await isobar('stop', 'wide', '--wait')).code, 0)
})

test('above the price that was allowed nothing starts without an amount, not even with --yes', async () => {
  const ask = ['run', '--name', 'dear', '--confirm-above', '$0.01', '--', 'echo']
  for (const argv of [ask, ['run', '--yes', ...ask.slice(1)]]) {
    const { code, stdout, stderr } = await isobar(...argv)
    assert.equal(code, 7, stderr)
    assert.equal(stdout, '')
    assert.match(stderr, /this costs \$0\.10 an hour/)
    assert.match(stderr, /next: isobar run --name dear --max-cost 1 -- echo\n$/)
  }
  assert.equal((await isobar('run', '--max-cost', '0.02', '--', 'echo')).code, 7)
  const rich = await isobar('run', '-d', '--nodes', '2', '-e', 'KEY=hush', '--max-cost', '0.02', '--', 'echo', 'a  b')
  assert.match(rich.stderr, /next: isobar run -e KEY=… --nodes 2 --detach --max-cost 1 -- echo 'a {2}b'\n$/)
  assert.equal((await isobar('describe', 'dear')).code, 3)
  const mine = { env: house.env, cwd: house.home, tty: { stdin: true, stdout: false, stderr: true } }
  const asked = await callMain(ask, { ...mine, input: 'y\n' })
  assert.equal(asked.code, 7, asked.stderr)
  assert.match(
    asked.stderr,
    /^dear +job .* local\/here [\s\S]*Type \$0\.10 to start it: [\s\S]*next: isobar run --name dear/m,
  )
  const quiet = await callMain(ask, { ...mine, env: { ...house.env, ISOBAR_PROMPT_DISABLED: '1' }, input: '0.1\n' })
  assert.equal(quiet.code, 7, 'nothing is asked')
  const answered = await callMain(ask, { ...mine, input: '0.1\n' })
  assert.equal(answered.code, 0, answered.stderr)
  assert.equal(answered.stderr.split('WHY').length, 2, 'the plan is shown once')
  const allowed = await isobar('run', '--max-cost', '1', ...ask.slice(1))
  assert.equal(allowed.code, 0, allowed.stderr)
})

test('Ctrl-C stops following, tells how to come back, and the run goes on', async () => {
  const { child, ended, seen } = start('run', '--name', 'long', '--', 'echo begun; sleep 60')
  await until(() => seen() === 'begun\n')
  child.kill('SIGINT')
  const { code, stderr } = await ended
  assert.equal(code, 130)
  assert.match(stderr, /^long goes on\nfollow it: isobar logs -f w-\w+, end it: isobar stop w-\w+\n$/m)
  assert.equal((await isobar('describe', 'long', '-o', 'jsonpath=.state')).stdout, 'running\n')
  assert.equal((await isobar('wait', 'long', '--for', 'ready', '--timeout', '5s')).code, 0)
  const stopped = await isobar('stop', 'long', '--wait')
  assert.match(stopped.stderr, /^long stopped/m)
})

test('whoever follows a run goes on with it when the server was killed, and misses no byte', async () => {
  const { ended, seen } = start(
    'run',
    '--name',
    'steady',
    '--',
    'for i in 1 2 3 4 5 6 7 8; do echo line $i; sleep 0.3; done; exit 6',
  )
  await until(() => seen().includes('line 2'))
  const server = readServerFile(house.home)
  assert.ok(server)
  process.kill(server.pid, 'SIGKILL')
  const { code, stdout, stderr } = await ended
  assert.equal(code, 6, stderr)
  assert.equal(stdout, [1, 2, 3, 4, 5, 6, 7, 8].map((i) => `line ${i}\n`).join(''))
  assert.match(stderr, /Connecting again/)
})

test('waiting can be interrupted, and says so', async () => {
  const { stdout } = await isobar('run', '--name', 'endless', '--detach', '--', 'sleep 60')
  const others = process.listenerCount('SIGINT')
  const waiting = isobar('wait', stdout.trim())
  await until(() => process.listenerCount('SIGINT') > others)
  process.listeners('SIGINT').at(-1)?.('SIGINT')
  const { code, stderr } = await waiting
  assert.deepEqual([code, stderr], [130, 'error: interrupted; what runs goes on\n'])
  await isobar('stop', 'endless', '--wait')
})

test('events come one a line as they happen', async () => {
  const { child, ended, seen } = start('events', '-w', '-o', 'ndjson')
  await isobar('run', '--name', 'eventful', '--', 'true')
  await until(() => /eventful.*succeeded/.test(seen()))
  child.kill('SIGINT')
  const { code, stdout } = await ended
  assert.equal(code, 130)
  const cursors = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line).cursor)
  assert.equal(new Set(cursors).size, cursors.length)
})

const terminal = existsSync('/usr/bin/script')

test('on a terminal the price is asked for, and only the amount itself starts it', { skip: !terminal }, () => {
  const run = `'${process.execPath}' '${bin}' run --name asked --confirm-above 0.01 -- echo yes`
  const typed = (input: string) =>
    spawnSync('/usr/bin/script', ['-qec', run, '/dev/null'], {
      env: house.env,
      cwd: house.home,
      input,
      timeout: 30_000,
    })
  const wrong = typed('y\n')
  assert.equal(wrong.status, 7, wrong.stdout.toString())
  assert.match(wrong.stdout.toString(), /Type \$0\.10 to start it:/)
  const right = typed('0.10\n')
  assert.equal(right.status, 0, right.stdout.toString())
  assert.match(right.stdout.toString(), /^yes\r$/m)
})

test('cost shows people the dearest first, and programs what the API gave', async () => {
  const { stdout } = await isobar('cost')
  const shown = [...stdout.matchAll(/ \$(0\.\d+)/g)].map(([, amount]) => Number(amount))
  assert.ok(shown.length > 3)
  assert.deepEqual(
    shown,
    shown.toSorted((a, b) => b - a),
  )
  const { rows } = JSON.parse((await isobar('cost', '-o', 'json')).stdout)
  const keys = rows.map((row: { keys: string[] }) => row.keys[0])
  assert.deepEqual(keys, keys.toSorted())
})
