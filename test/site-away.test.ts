import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'

import { identify, signal } from '#kit/processes.ts'
import { linesOf } from '#rigs/lines.ts'
import { aReadyDatabase, aStore } from '#rigs/postgres.ts'
import { aHome, aServer, ask } from '#rigs/server.ts'

// A site is its folder, so one that is renamed away does not answer; what runs there goes on.

const sitesText = (patience: string) => `sites:
  - { provider: local, name: near, price: $1/h, patience: ${patience}, nodes: 1, shape: { cpus: 1, memory: 256MB } }
  - { provider: local, name: far, price: $2/h, patience: 60s, nodes: 1, shape: { cpus: 1, memory: 256MB } }
`

const job = (marks: string) => `kind: job
name: stays
resources: { cpus: 1, memory: 64MB }
checkpoint: { grace: 1s }
run: |
  echo "$ISOBAR_ATTEMPT $$ $ISOBAR_CHECKPOINT_DIR" >> ${marks}
  while :; do echo x >> $ISOBAR_CHECKPOINT_DIR/beats; sleep 0.05; done
`

async function open(t: TestContext, patience: string) {
  const home = aHome(t)
  writeFileSync(join(home, 'sites.yaml'), sitesText(patience))
  const url = await aReadyDatabase()
  const server = await aServer(t, { home, url, port: 0 })
  const marks = join(home, 'marks')
  const { json } = await ask(server, 'POST /v1/workloads', { text: job(marks) })
  const { id } = json.workloads[0]
  const near = join(home, 'local', 'near')
  const started = () => linesOf(marks).map((line) => line.split(' '))
  const look = async () => (await ask(server, `GET /v1/workloads/${id}`)).json
  const reachable = async () => (await look()).conditions.find(({ type }: { type: string }) => type === 'Reachable')
  await until('it runs', () => started().length === 1)
  return {
    async [Symbol.asyncDispose]() {
      if (existsSync(`${near}.away`)) renameSync(`${near}.away`, near)
      await ask(server, `POST /v1/workloads/${id}/stop`)
      await until('all is retired', async () => (await look()).attemptList.every(isOver))
    },
    started,
    look,
    reachable,
    near,
    url,
    leave: () => renameSync(near, `${near}.away`),
    comeBack: () => renameSync(`${near}.away`, near),
  }
}

const isOver = ({ lease }: { lease: { state: string } | null }) => lease === null || lease.state === 'gone'

async function until(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
  for (const deadline = performance.now() + 40_000; !(await isSo()); await sleep(50))
    assert.ok(performance.now() < deadline, `waited 40 s in vain: ${what}`)
}

test('a site that does not answer for less than its patience loses nothing', async (t) => {
  await using house = await open(t, '60s')
  const { started, look, reachable, leave, comeBack } = house
  const [first] = started()
  const pid = Number(first?.[1])
  leave()
  await until('it is shown', async () => (await reachable()).status === 'unknown')
  assert.match((await reachable()).message, /local\/near does not answer/)
  assert.ok(identify(pid))
  comeBack()
  await until('it is seen again', async () => (await reachable()).status === 'true')
  const { attemptList, state } = await look()
  assert.deepEqual([state, attemptList.length, attemptList[0].lease.state], ['running', 1, 'held'])
  assert.ok(identify(pid))
  assert.equal(started().length, 1, 'nothing was started twice')
})

test('beyond its patience the work goes elsewhere, and when the site is back the old ranks are killed and write no more', async (t) => {
  await using house = await open(t, '1s')
  const { started, look, near, url, leave, comeBack } = house
  const [, pidText, folder = ''] = started()[0] ?? []
  const [order = ''] = readdirSync(join(near, 'orders'))
  const agent = Number(JSON.parse(readFileSync(join(near, 'orders', order, '0', 'agent.json'), 'utf8')).pid)
  // Frozen, the agent is as silent as one behind a broken network; its rank runs on.
  signal(agent, 'SIGSTOP')
  // News for all agents ends the long poll that it left open, which would count as heard for twenty seconds.
  await using other = await aStore({ url })
  await other.claims.announce({ id: 'other', url: 'http://127.0.0.1:1' }, [])
  leave()
  await until('the second attempt runs', () => started().length === 2)
  await other.claims.withdraw('other')
  const second = started()[1]
  assert.equal(second?.[0], '2')
  assert.notEqual(second?.[2], folder, 'each attempt writes into a folder of its own')
  const beats = () => statSync(join(folder, 'beats')).size
  const before = beats()
  await until('the old rank still runs and writes', () => beats() > before && identify(Number(pidText)) !== undefined)
  const old = async () => (await look()).attemptList.find(({ number }: { number: number }) => number === 1)
  assert.equal((await old()).lease.state, 'lost')
  comeBack()
  await until('the old lease is gone', async () => (await old()).lease.state === 'gone')
  assert.equal(identify(Number(pidText)), undefined, 'the old rank is dead')
  const last = beats()
  await sleep(300)
  assert.equal(beats(), last)
  assert.deepEqual(readdirSync(join(near, 'orders')), [])
  assert.equal(started().length, 2)
  assert.equal((await look()).state, 'running')
})
