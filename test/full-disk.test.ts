import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'

import { callMain } from '#cli/captured.ts'
import { aReadyDatabase } from '#rigs/postgres.ts'
import { aServer, ask } from '#rigs/server.ts'
import { noSmallDisk, openSmallDisk, type SmallDisk } from '#rigs/small-disk.ts'

const skip = noSmallDisk ?? false

/** A disk of one megabyte, mounted until the test is over. */
function aSmallDisk(t: TestContext): SmallDisk | null {
  const disk = openSmallDisk(mkdtempSync(join(tmpdir(), 'isobar-disk-')), { sizeMB: 1 })
  if (disk) t.after(() => disk.close())
  else t.skip('nothing can be mounted here')
  return disk
}

async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  for (const deadline = performance.now() + 30_000; !(await isSo()); await sleep(50))
    assert.ok(performance.now() < deadline, `waited 30 s in vain: ${what}`)
}

const sitesAt = (root: string): string =>
  `sites: [{ provider: local, name: here, root: ${root}, nodes: 1, shape: { cpus: 1, memory: 256MB } }]\n`

const jobOf = (name: string): string =>
  `kind: job\nname: ${name}\nresources: { cpus: 1, memory: 64MB }\nrun: for i in $(seq 2000); do echo a line of the log $i; done\n`

test(
  'a server whose state directory is full says so, leaves nothing half done, and starts once there is room',
  { skip },
  async (t) => {
    const disk = aSmallDisk(t)
    if (!disk) return
    const url = await aReadyDatabase()
    disk.fill()
    await assert.rejects(aServer(t, { home: disk.path, url, port: 0 }), (error: Error) => {
      assert.match(error.message, /is full\.\nFree some space/)
      return true
    })
    assert.deepEqual(
      readdirSync(disk.path).filter((name) => name !== 'filler'),
      [],
    )
    disk.free()
    const server = await aServer(t, { home: disk.path, url, port: 0 })
    assert.equal((await ask(server, 'GET /v1/workloads')).status, 200)
    await server.close()
  },
)

test('a command that cannot start a server because the disk is full says so', { skip }, async (t) => {
  const disk = aSmallDisk(t)
  if (!disk) return
  const home = join(disk.path, 'home')
  const given = { env: { ...process.env, ISOBAR_HOME: home, ISOBAR_SERVER: '', ISOBAR_PORT: '0' }, cwd: tmpdir() }
  const says = /^error: .* the disk of the state directory .* is full\nnext: df -h .*home \(then free some space there/m
  disk.fill()
  assert.match((await callMain(['ps'], given)).stderr, says)
  disk.free()
  mkdirSync(join(home, 'logs'), { recursive: true })
  disk.fill()
  assert.match((await callMain(['ps'], given)).stderr, says, 'nor has it room to say why')
})

test('when the state directory fills up, work goes on and its logs wait until there is room', { skip }, async (t) => {
  const disk = aSmallDisk(t)
  if (!disk) return
  const root = mkdtempSync(join(tmpdir(), 'isobar-site-'))
  t.after(() => rmSync(root, { recursive: true, force: true }))
  writeFileSync(join(disk.path, 'sites.yaml'), sitesAt(join(root, 'here')))
  const server = await aServer(t, { home: disk.path, url: await aReadyDatabase(), port: 0 })
  disk.fill()
  const { json } = await ask(server, 'POST /v1/workloads', { text: jobOf('full') })
  const { id } = json.workloads[0]
  const look = async () => (await ask(server, `GET /v1/workloads/${id}`)).json
  await until('it succeeds', async () => (await look()).state === 'succeeded')
  disk.free()
  await until('its lease is gone', async () => (await look()).attemptList[0].lease.state === 'gone')
  const log = (await ask(server, `GET /v1/workloads/${id}/logs`)).text.trimEnd().split('\n')
  assert.deepEqual([log.length, log.at(-1)], [2000, 'a line of the log 2000'])
  await server.close()
})

test('a site whose disk is full takes no work and says why, and takes it once there is room', { skip }, async (t) => {
  const disk = aSmallDisk(t)
  if (!disk) return
  const home = mkdtempSync(join(tmpdir(), 'isobar-home-'))
  t.after(() => rmSync(home, { recursive: true, force: true }))
  writeFileSync(join(home, 'sites.yaml'), sitesAt(join(disk.path, 'here')))
  const server = await aServer(t, { home, url: await aReadyDatabase(), port: 0 })
  disk.fill()
  const first = (await ask(server, 'POST /v1/workloads', { text: jobOf('first') })).json.workloads[0].id
  const attempt = async (id: string) => (await ask(server, `GET /v1/workloads/${id}`)).json.attemptList[0]
  await until('it is refused', async () => (await attempt(first))?.state === 'refused')
  assert.match((await attempt(first)).reason, /the disk of .* is full .*free some of it/)
  assert.deepEqual(readdirSync(join(disk.path, 'here', 'orders')), [])
  assert.deepEqual(readdirSync(join(disk.path, 'here', 'claims')), [])
  disk.free()
  const second = (await ask(server, 'POST /v1/workloads', { text: jobOf('second') })).json.workloads[0].id
  await until('the next one is gone again', async () => (await attempt(second))?.lease?.state === 'gone')
  assert.equal((await attempt(second)).state, 'succeeded')
  await server.close()
})
