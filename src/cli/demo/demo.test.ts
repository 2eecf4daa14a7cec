import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, globSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

import { CliFault, renderFault } from '#cli/fault.ts'
import { taggedProcesses } from '#kit/processes.ts'
import { programIn } from './real.ts'

const bin = fileURLToPath(new URL('../../../bin/isobar.js', import.meta.url))

test('where servers are missing, demo --real starts nothing and ends with what to do about each', () => {
  const temporary = mkdtempSync(join(tmpdir(), 'isobar-real-'))
  try {
    // Whatever this machine has, Go is not beside Node.
    const env = { ...process.env, PATH: dirname(process.execPath), TMPDIR: temporary, npm_command: '' }
    const { status, stdout, stderr } = spawnSync(process.execPath, [bin, 'demo', '--real'], { env, encoding: 'utf8' })
    assert.equal(status, 1, stderr)
    assert.equal(stdout, '')
    const lines = stderr.trimEnd().split('\n')
    assert.equal(lines[0], 'error: not all of the real servers are on this machine')
    assert.match(stderr, /^a real node needs /m)
    assert.match(stderr, /^there is no Go on this machine/m)
    assert.match(lines.at(-1) ?? '', /^next: .*install Go: https:\/\/go\.dev\/doc\/install/)
  } finally {
    rmSync(temporary, { recursive: true })
  }
})

test('an installation without rigs says that it has none', () => {
  const folder = mkdtempSync(join(tmpdir(), 'isobar-real-'))
  try {
    assert.throws(
      () => programIn(folder),
      (error) =>
        error instanceof CliFault &&
        /^error: this installation .*\n.*a checkout.*\n {2}or: npm ci && .*\nnext: isobar demo\n$/.test(
          renderFault(error),
        ),
    )
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('an interrupted demo takes down all that it started', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'isobar-interrupted-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const env = { ...process.env, TMPDIR: folder }
  const child = spawn(process.execPath, [bin, 'demo'], { env, stdio: ['ignore', 'ignore', 'pipe'] })
  const over = once(child, 'close')
  let said = ''
  let database = ''
  child.stderr.on('data', (part) => {
    said += String(part)
    if (database !== '' || !said.includes('rollouts: ')) return
    const [file = ''] = globSync(join(folder, 'isobar-demo-*', 'pg', 'where.json'))
    database = (JSON.parse(readFileSync(file, 'utf8')) as { home: string }).home
    assert.ok(existsSync(database))
    child.kill('SIGINT')
  })
  const [code] = (await over) as [number | null]
  assert.equal(code, 130, said)
  assert.match(said, /^error: interrupted; what the demo had started is gone$/m)
  assert.deepEqual(readdirSync(folder), [])
  // What was killed may take a moment to be gone.
  for (const deadline = performance.now() + 20_000; ; await pause(20)) {
    const left = (await taggedProcesses('TMPDIR', folder)).map(({ pid }) => pid)
    if (left.length === 0) break
    assert.ok(performance.now() < deadline, `these processes are left: ${left.join(' ')}`)
  }
  assert.equal(existsSync(database), false)
})

test('demo knows no other option', () => {
  const { status, stderr } = spawnSync(process.execPath, [bin, 'demo', '--reel'], { encoding: 'utf8' })
  assert.equal(status, 2)
  assert.match(stderr, /--real/)
})
