import assert from 'node:assert/strict'
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

import { isAlive, readServerFile } from './home.ts'

// Commands of real processes that meet, or start, the real server.

const bin = fileURLToPath(new URL('../../bin/isobar.js', import.meta.url))
const home = mkdtempSync(join(tmpdir(), 'isobar-start-'))
const env = { ...process.env, ISOBAR_HOME: home, ISOBAR_PORT: '0', ISOBAR_SERVER: '', DATABASE_URL: '' }

function isobar(argv: string[], more: Record<string, string> = {}) {
  const child = spawn(process.execPath, [bin, ...argv], { env: { ...env, ...more }, stdio: ['ignore', 'pipe', 'pipe'] })
  return { child, ended: ended(child) }
}

async function ended(child: ChildProcess): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const text = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const)
    child[name]?.on('data', (part: Buffer) => (text[name] += part.toString()))
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve))
  return { code, ...text }
}

after(async () => {
  await isobar(['server', 'stop']).ended
  rmSync(home, { recursive: true, force: true })
})

test('two commands at once start one server, and both meet it', async () => {
  const [one, two] = await Promise.all([
    isobar(['server', 'start', '-o', 'json']).ended,
    isobar(['ps', '-o', 'json']).ended,
  ])
  assert.equal(one.code, 0, one.stderr)
  assert.equal(two.code, 0, two.stderr)
  assert.deepEqual(JSON.parse(two.stdout), { items: [] })
  const log = readFileSync(join(home, 'logs', 'server.log'), 'utf8')
  assert.equal(log.split('\n').filter((line) => line.includes('"msg":"serving"')).length, 1)
})

test('a server that was killed is started again by the next command', async () => {
  const before = readServerFile(home)
  assert.ok(before)
  process.kill(before.pid, 'SIGKILL')
  const { code, stderr } = await isobar(['ps']).ended
  assert.equal(code, 0, stderr)
  // It answers at its old address before it says where it is.
  for (const end = performance.now() + 20_000; readServerFile(home)?.pid === before.pid; await pause(20))
    assert.ok(performance.now() < end, 'no other server is there')
  assert.ok(isAlive(readServerFile(home)?.pid ?? 0))
})

test('status starts nothing', async () => {
  const other = mkdtempSync(join(tmpdir(), 'isobar-none-'))
  const { code, stdout, stderr } = await isobar(['server', 'status'], { ISOBAR_HOME: other }).ended
  assert.equal(code, 3)
  assert.equal(stdout, '')
  assert.match(stderr, /next: isobar server start\n$/)
  assert.equal(readServerFile(other), undefined)
  rmSync(other, { recursive: true })
})

test('a server that cannot start says why, and how to mend it', async () => {
  const other = mkdtempSync(join(tmpdir(), 'isobar-broken-'))
  writeFileSync(join(other, 'sites.yaml'), 'sites: 7\n')
  const { code, stderr } = await isobar(['ps'], { ISOBAR_HOME: other }).ended
  assert.equal(code, 2)
  assert.match(
    stderr,
    /^error: the server cannot start: .*sites\.yaml:1:1: .*\n {2}sites: 7\n {2}\^\nnext: .*sites: \[.*\n$/m,
  )
  rmSync(other, { recursive: true, force: true })
})

test('a state directory that cannot be one is named with the way out', async () => {
  const file = join(home, 'a-file')
  writeFileSync(file, '')
  const { code, stderr } = await isobar(['ps'], { ISOBAR_HOME: file }).ended
  assert.equal(code, 1)
  assert.match(
    stderr,
    /^error: the state directory .*a-file cannot be used\n.*\nnext: .*export ISOBAR_HOME=<directory>\n$/,
  )
  const doctor = await isobar(['doctor'], { ISOBAR_HOME: file }).ended
  assert.match(doctor.stdout, /^no +state directory /m)
})

test('a state directory where there can be no folder is told at once', { skip: !existsSync('/proc/self') }, () => {
  for (const command of ['ps', 'serve']) {
    const given = { env: { ...env, ISOBAR_HOME: '/proc/nope' }, timeout: 20_000 }
    const { status, stderr } = spawnSync(process.execPath, [bin, command], given)
    assert.equal(status, 1, stderr.toString())
    assert.match(stderr.toString(), /state directory \/proc\/nope cannot be used[^]*ISOBAR_HOME=<directory>\n$/)
  }
})

test('the server that a token or the version of another belongs to is named', async () => {
  const file = readFileSync(join(home, 'server.json'), 'utf8')
  writeFileSync(join(home, 'server.json'), JSON.stringify({ ...JSON.parse(file), version: '9.9.9' }))
  const { code, stdout, stderr } = await isobar(['ps', '-o', 'json']).ended
  writeFileSync(join(home, 'server.json'), file)
  assert.equal(code, 0)
  assert.doesNotThrow(() => JSON.parse(stdout))
  assert.match(stderr, /warning: the server is version 9\.9\.9.*isobar server stop/)
})

test('output that cannot be written is an error', { skip: !existsSync('/dev/full') }, () => {
  const full = openSync('/dev/full', 'w')
  const { status, stderr } = spawnSync(process.execPath, [bin, 'help'], { env, stdio: ['ignore', full, 'pipe'] })
  closeSync(full)
  assert.equal(status, 1)
  assert.match(stderr.toString(), /^error: the output cannot be written \(ENOSPC.*\)\nnext: df -h\n$/)
})

test('a reader that has enough ends the command quietly', async () => {
  const { child, ended: over } = isobar(['help', 'output'])
  child.stdout?.destroy()
  assert.equal((await over).code, 0)
})
