import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'

import { callMain } from './captured.ts'

const oneSite = 'sites: [{ provider: local, name: here, nodes: 1, shape: { cpus: 2, memory: 2GB } }]\n'

test('a state directory is removed with its database, but not while workloads live, nor without a word', async (t) => {
  const home = mkdtempSync(join(tmpdir(), 'isobar-remove-'))
  const env = { ...process.env, ISOBAR_HOME: home, ISOBAR_PORT: '0', ISOBAR_SERVER: '', DATABASE_URL: '' }
  t.after(async () => {
    await callMain(['server', 'stop', '--remove', '--yes'], { env, cwd: home })
    rmSync(home, { recursive: true, force: true })
  })
  const isobar = (...argv: string[]) => callMain(argv, { env, cwd: home })
  const spec = join(home, 'job.yaml')
  writeFileSync(join(home, 'sites.yaml'), oneSite)
  writeFileSync(spec, 'kind: job\nname: stays\nworkdir: work\nresources: { cpus: 1, memory: 64MB }\nrun: sleep 1000\n')
  mkdirSync(join(home, 'work'))
  const begun = await isobar('run', spec, '--detach')
  assert.equal(begun.code, 0, begun.stderr)
  rmSync(spec)
  rmSync(join(home, 'work'), { recursive: true })
  const where: { home: string } = JSON.parse(readFileSync(join(home, 'pg', 'where.json'), 'utf8'))

  const live = await isobar('server', 'stop', '--remove', '--yes')
  assert.equal(live.code, 5)
  assert.match(live.stderr, /1 workload and \d leases? are not over/)
  assert.equal((await isobar('server', 'status')).code, 0, 'the server runs on')

  assert.equal((await isobar('stop', 'stays')).code, 0)
  await isobar('wait', 'stays')
  let unasked = await isobar('server', 'stop', '--remove')
  for (const until = performance.now() + 20_000; unasked.code === 5 && performance.now() < until;)
    unasked = await isobar('server', 'stop', '--remove') // its lease is being retired
  assert.equal(unasked.code, 2)
  assert.match(unasked.stderr, /--remove --yes\n$/)
  const removed = await isobar('server', 'stop', '--remove', '--yes')
  assert.equal(removed.code, 0, removed.stderr)
  assert.match(removed.stderr, /sites\.yaml stays/)
  assert.deepEqual(readdirSync(home), ['sites.yaml'])
  assert.ok(!existsSync(where.home))
  assert.match((await isobar('server', 'stop', '--remove', '--yes')).stderr, /there is no state/)
})
