import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'

import { readLog } from '#kit/bounded-log.ts'
import { gangFiles, type GangOrder } from '#model/gang-folder.ts'
import type { GangAsk } from '#model/gang-relay.ts'

import { withdraw } from './carry.ts'
import { answerGang } from './relay.ts'
import { readRank } from './sight.ts'
import { prepareSite, type SiteFolder, siteFolder } from './site-folder.ts'

const shape = { name: 's', accelerators: 2, acceleratorMemoryMiB: 0, cpuMilli: 1000, memoryMiB: 1, diskMiB: 1 }
const order: GangOrder = {
  token: 'l-1',
  workload: 'w-1',
  attempt: 2,
  credential: 'never told',
  controlPlanes: ['http://127.0.0.1:1'],
  graceMs: 1000,
  ranks: ['a', 'b', 'a'].map((node, rank) => ({ rank, shape, node })),
}

async function aSite(t: TestContext): Promise<{ folder: SiteFolder; path: string }> {
  const home = mkdtempSync(join(tmpdir(), 'isobar-relay-'))
  t.after(() => rmSync(home, { recursive: true, force: true }))
  const folder = siteFolder({ directory: undefined, house: 'h', name: 'afar', home, shared: home })
  await prepareSite(folder)
  const path = folder.order(order.token)
  mkdirSync(path)
  writeFileSync(join(path, gangFiles.order), JSON.stringify(order))
  return { folder, path }
}

const claim = (by: string): GangAsk => ({ ask: 'claim', job: '7', by })
const tell = (more: Partial<Extract<GangAsk, { ask: 'tell' }>> = {}): GangAsk => ({
  ask: 'tell',
  rank: 1,
  agent: { pid: 5, started: 'then' },
  start: { startedAt: 10 },
  end: null,
  taken: false,
  output: null,
  ...more,
})
const end = (code: number) => ({ exit: { code, signal: null, outOfMemory: false }, startedAt: 10, endedAt: 20 })

test('of many jobs that ask for one order one has it, however often each asks, and the credential is not told', async (t) => {
  const { folder, path } = await aSite(t)
  const all = Array.from({ length: 8 }, () => randomUUID())
  const ask = (by: string) => answerGang(folder, order.token, claim(by))
  const first = await Promise.all([...all, ...all].map(ask))
  const holders = new Set([...all, ...all].filter((_, index) => first[index]?.order))
  assert.equal(holders.size, 1)
  for (const by of all) assert.equal((await ask(by)).order !== null, holders.has(by))
  assert.ok(first.every(({ claimedAt, order: given }) => given !== null || claimedAt !== null))
  assert.ok(!JSON.stringify(first).includes(order.credential))
  assert.deepEqual(readdirSync(path).sort(), [gangFiles.claim, gangFiles.order])
})

test('an order that was withdrawn is given to nobody, and nothing is known of one that is gone', async (t) => {
  const { folder, path } = await aSite(t)
  assert.equal(await withdraw(folder, order.token), true)
  const refused = await answerGang(folder, order.token, claim(randomUUID()))
  assert.deepEqual([refused.known, refused.order, refused.claimedAt], [true, null, null])
  rmSync(path, { recursive: true })
  for (const question of [claim(randomUUID()), tell(), { ask: 'join', rank: 0 } as const])
    assert.equal((await answerGang(folder, order.token, question)).known, false)
  assert.deepEqual(readdirSync(folder.order('')), [])
})

test('who came first is heard as long as it lives, until all of its ranks have ended', async (t) => {
  const { folder } = await aSite(t)
  const [first, second] = [randomUUID(), randomUUID()]
  await answerGang(folder, order.token, claim(first))
  const heardAt = async () => (await answerGang(folder, order.token, claim(second))).claimedAt
  const before = await heardAt()
  await new Promise((resolve) => setTimeout(resolve, 5))
  await answerGang(folder, order.token, { ask: 'lead' })
  assert.ok(before !== null && ((await heardAt()) ?? 0) > before)
  await answerGang(folder, order.token, { ask: 'over', endedAt: 30, said: 'srun: error' })
  assert.equal(await heardAt(), null)
})

test('a rank learns of those on its node, and where all meet', async (t) => {
  const { folder } = await aSite(t)
  const nodes = { addresses: { a: '10.0.0.1', b: '10.0.0.2' }, masterPort: 99 }
  await answerGang(folder, order.token, claim(randomUUID()))
  await answerGang(folder, order.token, { ask: 'lead', nodes })
  const joined = await answerGang(folder, order.token, { ask: 'join', rank: 2 })
  assert.deepEqual([joined.order?.ranks.map(({ rank }) => rank), joined.nodes], [[0, 2], nodes])
})

const piece = (from: number, text: string) => ({ from, bytes: Buffer.from(text).toString('base64') })

test('what a rank tells is shown as if it had been read there; twice, late or in part it changes nothing', async (t) => {
  const { folder, path } = await aSite(t)
  const mine = join(path, '1')
  const stateOf = async () => (await readRank(mine, 1)).state
  const ask = (question: GangAsk) => answerGang(folder, order.token, question)
  await ask(tell({ start: null }))
  assert.equal(await stateOf(), 'arrived')
  for (const output of [piece(0, 'one\n'), piece(0, 'one\n'), piece(4, 'two\n'), null]) await ask(tell({ output }))
  assert.equal(await stateOf(), 'running')
  await ask(tell({ end: end(255) }))
  await ask(tell({ end: end(0) }))
  await ask(tell())
  const seen = await readRank(mine, 1)
  assert.deepEqual([seen.state, seen.exitCode, seen.endedAt], ['exited', 255, 20])
  const { bytes } = await readLog(join(mine, 'output'), { from: 0, most: 100 })
  assert.equal(Buffer.from(bytes).toString(), 'one\ntwo\n')
  await ask(tell({ rank: 0, taken: true, end: end(143) }))
  assert.equal((await readRank(join(path, '0'), 0)).state, 'lost')
  await ask(tell({ rank: 3 }))
  assert.deepEqual(readdirSync(path).sort(), ['0', '1', gangFiles.order])
  assert.equal(JSON.parse(readFileSync(join(mine, 'agent.json'), 'utf8')).pid, 5)
})
