import assert from 'node:assert/strict'
import { existsSync, globSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'

import { monotonicMs } from '#kit/clock.ts'
import { identify, lives } from '#kit/processes.ts'
import type { AgentOrder, RankEnd, RankStart } from '#model/agent-folder.ts'
import { exits, json, openAgents, until } from '#rigs/agents.ts'

import { type Gang, plainGo } from './scripted-control-plane.ts'

const address = (rank: number) => `127.9.9.${rank + 1}`

test('the ranks of a gang wait for each other and then know each other', async (context) => {
  const { controlPlane, start } = await openAgents(context)
  const gang: Gang = { ranks: 4, go: () => ({ run: 'echo $ISOBAR_RANK/$ISOBAR_NODES of $ISOBAR_NODE_ADDRESSES' }) }
  const first = [0, 1, 2].map((rank) => start(gang, { rank, address: address(rank) }))
  await until('three have arrived', () => [0, 1, 2].every((rank) => controlPlane.report('c', rank)))
  assert.deepEqual(
    first.map(({ folder }) => existsSync(join(folder, 'start.json'))),
    [false, false, false],
  )
  const all = [...first, start(gang, { rank: 3, address: address(3) })]
  await Promise.all(all.map(({ exited }) => exited))
  assert.deepEqual(
    await Promise.all(all.map(({ log }) => log())),
    [0, 1, 2, 3].map((rank) => `${rank}/4 of ${[0, 1, 2, 3].map(address).join(',')}\n`),
  )
})

const aPermit = (run: string, left: { wallMs?: number; monotonicMs?: number } = {}): AgentOrder['permit'] => ({
  go: { ...plainGo, peers: ['127.0.0.1'], run },
  until: { wallMs: Date.now() + (left.wallMs ?? 20_000), monotonicMs: monotonicMs() + (left.monotonicMs ?? 20_000) },
})

test('who has a permit starts before it is heard, reports that it runs, and is stopped when it is fenced', async (context) => {
  const { controlPlane, start } = await openAgents(context)
  await controlPlane.down()
  const { folder, exited, log } = start({ fenced: true }, { permit: aPermit('echo up; exec sleep 1000') })
  await until('it runs', async () => (await log()) === 'up\n')
  await controlPlane.up()
  await exited
  assert.equal(controlPlane.report('c')?.state, 'running')
  assert.deepEqual(json<RankEnd>(folder, 'end.json').exit, exits(null, 'SIGKILL'))
})

test('a permit is over when either clock says so', async (context) => {
  const { start } = await openAgents(context)
  const orders = [aPermit('exit 1', { wallMs: -1 }), aPermit('exit 1', { monotonicMs: -1 })]
  const all = orders.map((permit, rank) => start({ ranks: 2, go: () => ({ run: 'exit 0' }) }, { permit, rank }))
  await Promise.all(all.map(({ exited }) => exited))
  assert.deepEqual(
    all.map(({ folder }) => json<RankEnd>(folder, 'end.json').exit),
    [exits(0), exits(0)],
  )
})

test('the exit is on disk before it is reported, and the agent leaves only when that was heard', async (context) => {
  const { controlPlane, start } = await openAgents(context)
  const { folder, exited, agent } = start({ go: () => ({ run: 'read nothing; sleep 0.2; exit 7' }) })
  await until('it runs', () => controlPlane.report('c')?.state === 'running')
  await controlPlane.down()
  await until('it is recorded', () => existsSync(join(folder, 'end.json')))
  assert.deepEqual(json<RankEnd>(folder, 'end.json').exit, exits(7))
  assert.equal(agent.exitCode, null)
  await controlPlane.up()
  assert.deepEqual(await exited, [0, null])
  assert.deepEqual(controlPlane.report('c')?.exit, exits(7))
})

/** An agent whose rank runs until it may end, with 7, and none of whose reports is answered any more. */
async function startUnheard({ controlPlane, start, home }: Awaited<ReturnType<typeof openAgents>>) {
  const may = join(home, 'may-end')
  const started = start({ go: () => ({ run: `until [ -e ${may} ]; do sleep 0.01; done; exit 7` }) })
  await until('it runs', () => controlPlane.report('c')?.state === 'running')
  controlPlane.dropEvery = 1
  controlPlane.changed()
  return {
    ...started,
    letEnd: () => writeFileSync(may, ''),
    isEnded: () => until('its end is told', () => controlPlane.report('c')?.state === 'exited'),
    /** After the first of two more reports it has thought about what came of it. */
    async isDialling() {
      const from = controlPlane.syncs
      await until('it dialled twice more', () => controlPlane.syncs >= from + 2)
      assert.equal(started.agent.exitCode, null)
    },
  }
}

test('an agent that nobody answers ends where its rank has and its folder was removed', async (context) => {
  const { agent, folder, letEnd, isEnded, isDialling } = await startUnheard(await openAgents(context))
  letEnd()
  await isEnded()
  await isDialling()
  rmSync(folder, { recursive: true })
  await until('it has ended', () => agent.exitCode !== null)
  assert.equal(agent.exitCode, 0)
})

test('where its folder was only moved it dials on, and tells whoever is back', async (context) => {
  const { controlPlane, ...agents } = await openAgents(context)
  const { exited, folder, letEnd, isEnded, isDialling } = await startUnheard({ controlPlane, ...agents })
  letEnd()
  await isEnded()
  renameSync(folder, `${folder}-moved`)
  await isDialling()
  controlPlane.dropEvery = 0
  assert.deepEqual(await exited, [0, null])
  assert.deepEqual(controlPlane.report('c')?.exit, exits(7))
})

test('a rank that runs goes on where its folder was removed, and its end is told', async (context) => {
  const { controlPlane, ...agents } = await openAgents(context)
  const { exited, folder, letEnd, isDialling } = await startUnheard({ controlPlane, ...agents })
  rmSync(folder, { recursive: true })
  await isDialling()
  controlPlane.dropEvery = 0
  letEnd()
  assert.deepEqual(await exited, [0, null])
  assert.deepEqual(controlPlane.report('c')?.exit, exits(7))
})

test('what was told to stop has its grace, though the shell around it dies at once', async (context) => {
  const { controlPlane, start, home } = await openAgents(context)
  const saved = join(home, 'saved')
  const child = `sh -c 'trap "sleep 0.2; echo saved > ${saved}; exit 0" TERM; echo up; while :; do sleep 0.01; done'`
  const { log, exited } = start({ go: () => ({ run: `${child}\ntrue` }) })
  await until('the child is up', async () => (await log()) === 'up\n')
  const gang = controlPlane.gangs.get('c')
  if (gang) gang.stop = { graceMs: 10_000, reason: 'test' }
  controlPlane.changed()
  await exited
  assert.equal(readFileSync(saved, 'utf8'), 'saved\n')
  assert.deepEqual(controlPlane.report('c')?.exit, exits(null, 'SIGTERM'))
})

test('where a machine is taken away, its processes may hear of it before the agent does', async (context) => {
  const { controlPlane, start } = await openAgents(context)
  const { folder, agent, exited } = start({ go: () => ({ run: 'exec sleep 1000' }) }, { confined: true })
  // It is not written at once.
  const isWritten = () => readFileSync(join(folder, 'start.json'), 'utf8').endsWith('}')
  await until('it runs', () => existsSync(join(folder, 'start.json')) && isWritten())
  const group = json<RankStart>(folder, 'start.json').group ?? assert.fail()
  process.kill(-group.pid, 'SIGTERM')
  await until('it has ended', () => !lives(group))
  await sleep(300)
  agent.kill('SIGTERM')
  await exited
  assert.ok(existsSync(join(folder, 'taken.json')))
  assert.notEqual(controlPlane.report('c')?.state, 'exited')
})

test('a rank that somebody else asks to stop has an end of its own, soon after', async (context) => {
  const { controlPlane, start } = await openAgents(context)
  const { exited } = start({ go: () => ({ run: 'kill -TERM $$' }) }, { confined: true })
  await exited
  assert.deepEqual(controlPlane.report('c')?.exit, exits(null, 'SIGTERM'))
})

test('what ignores SIGTERM is killed after its grace, and so is what left the group', async (context) => {
  const { controlPlane, start } = await openAgents(context)
  const run = "trap '' TERM; setsid sleep 1000 & echo $!; while :; do sleep 0.05; done"
  const { log, agent, exited } = start({ go: () => ({ run }) }, { graceMs: 100 })
  const stray = Number(await until('it wrote', log))
  agent.kill('SIGTERM') // as a machine does that is taken away
  await exited
  assert.deepEqual(controlPlane.report('c')?.exit, exits(null, 'SIGKILL'))
  assert.equal(identify(stray), undefined)
})

test('what a rank left is ended before its end is told, whoever its parent is by now', async (context) => {
  const { controlPlane, start } = await openAgents(context)
  // As a daemon does it: its parent is gone, its group and its session are not those of the rank.
  const daemon = "setsid sh -c '(cd /; exec sleep 1000 <&- >&- 2>&-) & echo $! > daemon'"
  const other = "setsid env ISOBAR_RANK=1 sh -c 'echo $$ > other; exec sleep 1000' > /dev/null 2>&1 &"
  const run = [daemon, other, 'while ! [ -s other ]; do sleep 0.01; done', 'exit 3'].join('\n')
  const { exited, folder } = start({ go: () => ({ run }) })
  await exited
  const pidOf = (name: string) => Number(readFileSync(join(folder, 'work', name), 'utf8'))
  const [stray, foreign] = [pidOf('daemon'), pidOf('other')]
  context.after(() => process.kill(foreign, 'SIGKILL'))
  assert.deepEqual(controlPlane.report('c')?.exit, exits(3))
  assert.equal(identify(stray), undefined)
  assert.ok(identify(foreign), 'what another rank of the order runs is left alone')
})

test('what an agent compiled is kept for others while it lives', async (context) => {
  const { start, home } = await openAgents(context)
  const kept = join(home, 'compiled')
  const { agent } = start({ go: () => ({ run: 'exec sleep 1000' }) }, {}, { NODE_COMPILE_CACHE: kept })
  await until('it is kept', () => globSync('*/*', { cwd: kept }).length > 0)
  assert.equal(agent.exitCode, null)
})

test('a rank that is told to stop before it started never starts', async (context) => {
  const { controlPlane, start } = await openAgents(context)
  const { exited, folder } = start({ ranks: 2, stop: { graceMs: 0, reason: 'test' } })
  await exited
  assert.deepEqual(
    [controlPlane.report('c')?.exit, existsSync(join(folder, 'start.json'))],
    [exits(null, 'SIGTERM'), false],
  )
})

test('a fenced agent kills its rank at once, records that, and says no more', async (context) => {
  const { controlPlane, start } = await openAgents(context)
  const { exited, folder } = start({ go: () => ({ run: "trap '' TERM; while :; do sleep 0.05; done" }) })
  await until('it runs', () => existsSync(join(folder, 'start.json')))
  const gang = controlPlane.gangs.get('c')
  if (gang) gang.fenced = true
  controlPlane.changed()
  assert.deepEqual(await exited, [0, null])
  assert.deepEqual(json<RankEnd>(folder, 'end.json').exit, exits(null, 'SIGKILL'))
  assert.notEqual(controlPlane.report('c')?.state, 'exited')
  const { group } = json<RankStart>(folder, 'start.json')
  assert.ok(group && !lives(group))
})

test('an agent that nobody knows any more leaves its rank alone', async (context) => {
  const { controlPlane, start } = await openAgents(context)
  const { folder, exited } = start({ go: () => ({ run: 'sleep 0.3; exit 3' }) })
  await until('it runs', () => controlPlane.report('c')?.state === 'running')
  const gang = controlPlane.gangs.get('c')
  controlPlane.gangs.delete('c')
  controlPlane.changed()
  await until('it ended by itself', () => existsSync(join(folder, 'end.json')))
  if (gang) controlPlane.gangs.set('c', gang)
  await exited
  assert.deepEqual(controlPlane.report('c')?.exit, exits(3))
})

test('of two agents in one folder one stays, and the rank starts once', async (context) => {
  const { start, home } = await openAgents(context)
  const ran = join(home, 'ran')
  const gang = { go: () => ({ run: `echo x >> ${ran}` }) }
  const both = [start(gang), start(gang)]
  await Promise.all(both.map(({ exited }) => exited))
  await start(gang).exited
  assert.equal(readFileSync(ran, 'utf8'), 'x\n')
})
