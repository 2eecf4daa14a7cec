import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'

import { parseAllDocuments } from 'yaml'

import { openHouse } from './captured.ts'
import { asLines, type LogLine } from './log-lines.ts'

const house = await openHouse()
after(() => house.close())

const objects = (text: string): unknown[] =>
  text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line))

test('with -o json each line of a log is an object on a line of its own, and nothing else is on stdout', async () => {
  const run = `printf '{"loss": 1}\\n\\n'; printf 'größer\\r\\n' >&2; printf 'no end'`
  const started = await house.isobar('run', '--name', 'lines', '--', run)
  assert.equal(started.code, 0, started.stderr)
  const of = { replica: 0, rank: 0, attempt: 1 }
  const wanted = [
    { ...of, text: '{"loss": 1}' },
    { ...of, text: '' },
    { ...of, text: 'größer\r' },
    { ...of, text: 'no end', partial: true },
  ]
  for (const options of [[], ['-f'], ['--rank', 'all'], ['-f', '--rank', 'all']])
    for (const format of ['json', 'ndjson']) {
      const { code, stdout } = await house.isobar('logs', 'lines', ...options, '-o', format)
      assert.deepEqual([code, objects(stdout)], [0, wanted], `${options.join(' ')} -o ${format}`)
    }
  const yaml = await house.isobar('logs', 'lines', '-o', 'yaml')
  assert.deepEqual(
    parseAllDocuments(yaml.stdout).map((document) => document.toJS()),
    wanted,
  )
  const texts = await house.isobar('logs', 'lines', '-o', 'jsonpath=.text')
  assert.equal(texts.stdout, '{"loss": 1}\n\ngrößer\r\nno end\n')
  assert.equal((await house.isobar('logs', 'lines')).stdout, '{"loss": 1}\n\ngrößer\r\nno end', 'for people as it was')
  const named = await house.isobar('logs', 'lines', '-o', 'name')
  assert.deepEqual([named.code, named.stdout], [2, ''])
  assert.match(named.stderr, /^error: lines of a log have no names\n[^]*next: isobar logs <workload> \(without -o/)
})

test('of several ranks each line says whose it is', async () => {
  const spec = {
    kind: 'job',
    name: 'ranks',
    nodes: 2,
    resources: { cpus: 0.5 },
    run: 'echo "I am $ISOBAR_RANK"; exit 3',
  }
  writeFileSync(join(house.home, 'ranks.json'), JSON.stringify(spec))
  assert.equal((await house.isobar('run', 'ranks.json')).code, 3)
  const { code, stdout } = await house.isobar('logs', '-f', 'ranks', '--rank', 'all', '-o', 'json')
  assert.equal(code, 3, 'the exit code of the run')
  assert.deepEqual(
    objects(stdout).toSorted((a, b) => JSON.stringify(a).localeCompare(JSON.stringify(b))),
    [0, 1].map((rank) => ({ replica: 0, rank, attempt: 1, text: `I am ${rank}` })),
  )
})

test('lines come while the run goes on', async () => {
  const started = await house.isobar('run', '--name', 'live', '--detach', '--', 'echo up; exec sleep 600')
  assert.equal(started.code, 0, started.stderr)
  const program = fileURLToPath(new URL('../../bin/isobar.js', import.meta.url))
  const argv = [program, 'logs', '-f', 'live', '-o', 'json']
  const child = spawn(process.execPath, argv, { env: house.env, stdio: ['ignore', 'pipe', 'ignore'] })
  const ended = new Promise((resolve) => child.once('exit', resolve))
  for await (const line of createInterface({ input: child.stdout })) {
    assert.deepEqual(JSON.parse(line), { replica: 0, rank: 0, attempt: 1, text: 'up' })
    child.kill('SIGINT')
  }
  assert.equal(await ended, 130)
  assert.equal((await house.isobar('stop', 'live', '--wait')).code, 0)
})

test('a long line comes in pieces, no character is cut in half, and an attempt ends its last line', async () => {
  const said: LogLine[] = []
  const lines = asLines(async (line) => void said.push(line))(7)
  const long = Buffer.from(`${'ü'.repeat(70_000)}\nnext`)
  for (let at = 0; at < long.length; at += 9_999) await lines.sink(long.subarray(at, at + 9_999), 1)
  await lines.end()
  await lines.sink(Buffer.from('again\n'), 2)
  assert.equal(said.map(({ text, partial }) => (partial ? text : `${text}\n`)).join(''), `${long.toString()}again\n`)
  assert.ok(said.length > 3 && said.every(({ rank, text }) => rank === 7 && !text.includes('\uFFFD')))
  assert.deepEqual(said.at(-1), { rank: 7, attempt: 2, text: 'again' })
})

test('what gives no data says so to who asks it for some', async () => {
  for (const name of ['demo', 'gateway', 'serve']) {
    const { code, stdout, stderr } = await house.isobar(name, '--output', 'yaml')
    assert.deepEqual([code, stdout], [2, ''], name)
    assert.match(
      stderr,
      new RegExp(`"message":"isobar ${name} gives no data, and has no --output".*isobar ${name} --help`),
    )
    const short = await house.isobar(name, '-o', 'name')
    assert.match(short.stderr, /gives no data, and has no -o\n[^]*exit code[^]*\nnext: isobar \w+ --help\n$/)
  }
})
