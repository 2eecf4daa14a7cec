import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'

import { aDatabase } from '#rigs/postgres.ts'

import { callMain, openHouse, type House } from './captured.ts'

let house: House
const other = mkdtempSync(join(tmpdir(), 'isobar-db-'))

before(async () => {
  house = await openHouse()
  const { code, stderr } = await house.isobar('projects', 'set', 'kept', '--weight', '7')
  assert.equal(code, 0, stderr)
})
after(async () => {
  await house.close()
  await callMain(['server', 'stop'], { env: { ...house.env, ISOBAR_HOME: other } })
  rmSync(other, { recursive: true, force: true })
})

test('a database tells what it holds, while its server runs', async () => {
  const { code, stdout, stderr } = await house.isobar('db', 'status', '-o', 'json')
  assert.equal(code, 0, stderr)
  assert.equal(Number(JSON.parse(stdout).rows.projects), 2)
  assert.match((await house.isobar('db', 'status')).stdout, /^projects: +2 rows$/m)
})

test('a backup of a house in use, restored elsewhere, holds the same', async () => {
  const file = join(other, 'it.backup')
  const written = await house.isobar('db', 'backup', file)
  assert.equal(written.code, 0, written.stderr)
  assert.equal(statSync(file).mode & 0o077, 0)
  assert.notEqual((await house.isobar('db', 'backup', file)).code, 0, 'nothing is overwritten')
  const elsewhere = { env: { ...house.env, ISOBAR_HOME: other }, cwd: other }
  const restored = await callMain(['db', 'restore', 'it.backup', '-o', 'json'], elsewhere)
  assert.equal(restored.code, 0, restored.stderr)
  assert.match(restored.stderr, /next: put the key that was kept with it at .*key, then isobar server start$/m)
  assert.equal(Number(JSON.parse(restored.stdout).rows.projects), 2)
  const projects = await callMain(['projects', '-o', 'jsonpath=.items[*].weight'], elsewhere)
  assert.deepEqual(projects.stdout.trim().split('\n').sort(), ['1', '7'], projects.stderr)
})

test('what would pull the floor from under a server is refused with its address', async () => {
  const file = join(house.home, 'x.backup')
  writeFileSync(file, '')
  for (const argv of [
    ['db', 'restore', file],
    ['db', 'move', '--to', 'postgres://127.0.0.1:1/x'],
  ]) {
    const { code, stderr } = await house.isobar(...argv)
    assert.equal(code, 5, stderr)
    assert.match(stderr, /process \d+ at http:.*\nnext: .*isobar server stop\n$/)
  }
  assert.equal((await house.isobar('db', 'move', '--to', 'mysql://x')).code, 2)
  assert.equal((await house.isobar('db', 'move')).code, 2)
})

test('a house that moved to another PostgreSQL goes on there, with its past, its money and its secrets', async () => {
  const at = (url: string) => ({ env: { ...house.env, DATABASE_URL: url }, cwd: house.home })
  const spec = join(house.home, 'uses.yaml')
  writeFileSync(spec, 'kind: job\nname: uses\nresources: { cpus: 0.5 }\nsecrets: [WORD]\nrun: test "$WORD" = sesame\n')
  assert.equal((await callMain(['secret', 'set', 'WORD'], { ...at(''), input: 'sesame' })).code, 0)
  assert.equal((await house.isobar('run', spec)).code, 0)
  await until(async () => (await house.isobar('sites', '-o', 'jsonpath=.items[*].leases')).stdout === '0\n')
  const { stdout: id } = await house.isobar('describe', 'uses', '-o', 'jsonpath=.id')
  // Its last entry is written a moment after its lease is gone.
  await until(async () => (await house.isobar('cost', '--by', 'workload', '-o', 'name')).stdout.includes(id.trim()))
  const spent = await house.isobar('cost', '-o', 'jsonpath=.total.micros')
  assert.equal((await house.isobar('server', 'stop')).code, 0)
  const url = await aDatabase()
  const moved = await house.isobar('db', 'move', '--to', url)
  assert.equal(moved.code, 0, moved.stderr)
  const isobar = (...argv: string[]) => callMain(argv, at(url))
  assert.equal((await isobar('cost', '-o', 'jsonpath=.total.micros')).stdout, spent.stdout)
  assert.equal((await isobar('describe', 'uses', '-o', 'jsonpath=.state')).stdout, 'succeeded\n')
  assert.equal((await isobar('run', spec, '--name', 'again')).code, 0)
  assert.equal((await isobar('server', 'stop')).code, 0)
})

async function until(so: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; !(await so()); tries++) {
    assert.ok(tries < 200, 'it did not come about')
    await sleep(50)
  }
}
