import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync, globSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

import type { WorkloadDetail } from '#api/views.ts'
import { aHouse, type TestHouse } from '#rigs/house.ts'

// Money on a real server with real processes. A second at `gold` costs a dollar, so that seconds are enough.

const sites = `sites:
  - { provider: local, name: gold, price: $3600/h, patience: 60s, nodes: 16, shape: { cpus: 1, memory: 256MB } }
  - { provider: local, name: cheap, price: $0.36/h, patience: 60s, nodes: 1, shape: { cpus: 1, memory: 256MB } }
  - { provider: local, name: dear, price: $36/h, patience: 60s, nodes: 1, shape: { cpus: 1, memory: 256MB } }
  - { provider: local, name: full, price: $36/h, patience: 60s, nodes: 1, shape: { cpus: 1, memory: 256MB } }
`
const goldPerMs = 1000 // micro-dollars
/** On top of its grace: an agent that hears of a stop and reports, a node that is taken back, on a busy machine. */
const retiredMs = 5000

const node = { cpus: 1, memory: '256MB' }
const at = (...names: string[]) => ({ sites: names.map((name) => `local/${name}`) })
const aJob = (name: string, run: string, more: object = {}) => ({
  kind: 'job',
  name,
  resources: node,
  placement: at('gold'),
  checkpoint: { grace: '1s' },
  run,
  ...more,
})
const allow = ['--max-cost', '50000']
const isOver = ({ endedAt }: WorkloadDetail) => endedAt !== null
const isRunning = ({ state }: WorkloadDetail) => state === 'running'
const isRetired = (workload: WorkloadDetail) =>
  isOver(workload) && workload.attemptList.every(({ lease }) => lease === null || lease.state === 'gone')

let house: TestHouse
before(async () => {
  house = await aHouse(sites)
})
after(() => house.close())

const checkpointOf = (id: string, name: string): string | undefined => {
  const [file] = globSync(join(house.home, 'checkpoints', id, '**', name))
  return file && readFileSync(file, 'utf8')
}

/** The exact cost of what ended, once all of it is in the ledger. */
async function billOf(id: string): Promise<number> {
  const { attemptList } = await house.until(id, 'retired', isRetired)
  const bill = attemptList.reduce((sum, { spent }) => sum + Number(spent.micros), 0)
  await house.until(id, 'entered', ({ spent }) => Number(spent.micros) === bill)
  return bill
}

describe('money', { concurrency: 8 }, () => {
  test('a budget warns once, then stops the run with its grace, and says how to go on', async () => {
    const run = `
      trap 'echo saved > $ISOBAR_CHECKPOINT_DIR/state; exit 0' TERM
      echo running; sleep 60 & wait`
    const budget = { limit: '$3', warnAt: 0.5, whenUsed: 'stop' }
    const { code, stdout, stderr } = await house.run(aJob('stops', run, { budget }), ...allow)
    assert.deepEqual([code, stdout], [1, 'running\n'], stderr)
    assert.match(stderr, /^stops stopped · ran [\d.]+s · cost \$\d\./m)
    const workload = await house.look('stops')
    assert.deepEqual([workload.state, workload.attempts], ['stopped', 1])
    assert.equal(workload.reason, 'its budget of $3.00 is used up')
    const { text, cause, shown } = await house.why('stops')
    assert.match(text, /its budget of \$3\.00 is used up/)
    assert.equal(cause, 'stopped')
    assert.equal(shown, 'next: isobar run <file> (with a higher budget.limit in it)')
    assert.equal(checkpointOf(workload.id, 'state'), 'saved\n')

    const told = (await house.events({ workload: workload.id })).map(({ type }) => type)
    assert.equal(told.filter((type) => type === 'budget.warned').length, 1)
    assert.ok(told.indexOf('budget.warned') < told.indexOf('workload.stopping'), told.join(' '))
    const bill = await billOf(workload.id)
    assert.ok(bill >= 3_000_000 && bill <= 3_000_000 + retiredMs * goldPerMs, `the bill is ${bill}`)
  })

  test('what does not listen to SIGTERM costs its grace on top of its budget, and no more', async () => {
    const run = `trap '' TERM; while :; do sleep 0.1; done`
    const id = await house.start(aJob('stubborn', run, { budget: { limit: '$1', whenUsed: 'stop' } }), ...allow)
    const bill = await billOf(id)
    assert.ok(bill >= 2_000_000 && bill <= 2_000_000 + retiredMs * goldPerMs, `the bill is ${bill}`)
    assert.equal((await house.look(id)).state, 'stopped')
  })

  test('without whenUsed: stop a budget lets a run end, and starts nothing more of it', async () => {
    const budget = { limit: '$1' }
    const whole = await house.start(aJob('whole', 'sleep 1.5', { budget }), ...allow)
    const again = await house.start(aJob('again', 'sleep 1.5; exit 7', { budget, retry: { onExit: [7] } }), ...allow)
    assert.ok((await billOf(whole)) > 1_000_000)
    assert.equal((await house.look(whole)).state, 'succeeded')
    const waits = await house.until(again, 'waiting for money', ({ reason }) => reason.startsWith('The budget'))
    assert.deepEqual([waits.state, waits.attempts], ['queued', 1])
    assert.match(waits.reason, /^The budget of again, \$1\.00, is used up\.$/)
    const { cause, shown } = await house.why(again)
    assert.deepEqual([cause, shown], ['budget', 'next: isobar run <file> (with a higher budget.limit in it)'])
    await house.say('stop', again, '--wait')
  })

  test("a project's budget that is used up keeps all its workloads out until it is raised, and what runs goes on", async () => {
    await house.say('projects', 'set', 'lab', '--budget', '$1')
    const raise = 'isobar projects set lab --budget <amount>'
    const done = join(house.home, 'lab-goes-on')
    const runs = await house.start(aJob('first', `sleep 2.5; echo on > ${done}`, { project: 'lab' }), ...allow)
    await house.until(runs, 'over the budget', ({ attemptList }) => Number(attemptList[0]?.spent.micros) > 1_000_000)
    const waiting = [
      await house.start(aJob('second', 'true', { project: 'lab' }), ...allow),
      await house.start(
        { ...aJob('third', 'true', { project: 'lab' }), kind: 'array', tasks: 2, resources: { cpus: 0.1 } },
        ...allow,
      ),
    ]
    for (const id of waiting) {
      const { state, reason } = await house.until(id, 'refused', (workload) => workload.reason !== '')
      assert.equal(state, 'queued')
      assert.match(reason, /^The budget of project lab, \$1\.00, is used up\.$/)
      const { cause, shown } = await house.why(id)
      assert.deepEqual([cause, shown], ['budget', `next: ${raise}`])
    }
    writeFileSync(join(house.home, 'lab.json'), JSON.stringify(aJob('fourth', 'true', { project: 'lab' })))
    const plan = await house.isobar('plan', 'lab.json')
    assert.deepEqual([plan.code, plan.stderr.trimEnd().split('\n').at(-1)], [7, `next: ${raise}`], plan.stderr)
    await house.until(runs, 'at its end', isOver)
    assert.ok(existsSync(done))
    await billOf(runs)
    for (const id of waiting) assert.equal((await house.look(id)).attempts, 0)
    await house.say('projects', 'set', 'lab', '--budget', '$100')
    for (const id of waiting) assert.equal((await house.until(id, 'at its end', isOver)).state, 'succeeded')
    const warned = (await house.events({ project: 'lab' })).filter(({ type }) => type === 'budget.warned')
    assert.deepEqual(
      warned.map(({ workload }) => workload),
      [null],
    )
  })

  test('--max-cost holds for what only waits: it is never placed where it costs more', async () => {
    const blockers = []
    for (const site of ['dear', 'cheap']) {
      const id = await house.start(aJob(`at-${site}`, 'sleep 60', { placement: at(site) }), ...allow)
      await house.until(id, 'running', isRunning)
      blockers.push(id)
    }
    const job = aJob('thrifty', 'true', { placement: at('dear', 'cheap') })
    const id = await house.start(job, '--max-cost', '1')
    await house.until(id, 'too dear', ({ reason }) => reason.includes('1 by price'))
    await house.say('stop', blockers[0] ?? '', '--wait')
    // Whoever comes later gets the free node: it was looked at, and not taken.
    const later = await house.start(aJob('lavish', 'true', { placement: at('dear') }), ...allow)
    await house.until(later, 'at its end', isOver)
    const { state: waits, attempts } = await house.look(id)
    assert.deepEqual([waits, attempts], ['queued', 0])
    await house.say('stop', blockers[1] ?? '', '--wait')
    const { state, attemptList } = await house.until(id, 'at its end', isOver)
    assert.deepEqual([state, attemptList.map(({ site }) => site)], ['succeeded', ['local/cheap']])
  })

  test('--max-cost that leaves too little for what waits is refused with the reason', async () => {
    const blocker = await house.start(aJob('at-full', 'sleep 60', { placement: at('full') }), ...allow)
    await house.until(blocker, 'running', isRunning)
    const spec = aJob('hopeless', 'true', { placement: at('full') })
    const { code, stdout, stderr } = await house.run(spec, '--max-cost', '1')
    assert.deepEqual([code, stdout], [7, ''])
    assert.match(stderr, /^error: What --max-cost leaves for hopeless is too little\. .*costs \$36\.00\/h a node/m)
    assert.match(stderr, /next: isobar offers\n$/)
    assert.equal((await house.isobar('describe', 'hopeless')).code, 3)
    await house.say('stop', blocker, '--wait')
  })

  test('a plan is made and applied in one line of shell, which is what its exit code 10 is made for', async () => {
    writeFileSync(join(house.home, 'small.json'), JSON.stringify(aJob('small', 'true')))
    const bin = fileURLToPath(new URL('../bin/isobar.js', import.meta.url))
    const isobar = `'${process.execPath}' '${bin}'`
    const line = `set -e; ${isobar} apply "$(${isobar} plan small.json -o name)" --max-cost 3600`
    const { stdout } = await promisify(execFile)('sh', ['-c', line], { cwd: house.home, env: house.env })
    assert.equal((await house.until(stdout.trim(), 'at its end', isOver)).state, 'succeeded')
    const nothing = await house.isobar('apply', '')
    assert.deepEqual([nothing.code, nothing.stdout], [2, ''], nothing.stderr)
  })

  test('an array has spent at its end what its workers cost, to the micro-dollar', async () => {
    const array = { kind: 'array', tasks: 24, parallelism: 16, resources: { cpus: 0.125, memory: '32MB' } }
    const id = await house.start({ ...aJob('many', 'sleep 0.05'), ...array }, ...allow)
    const bill = await billOf(id)
    const { state, attemptList, spent } = await house.look(id)
    assert.deepEqual([state, attemptList.length, Number(spent.micros)], ['succeeded', 2, bill])
    const { rows } = await house.cost('--by', 'workload')
    assert.equal(rows.find(({ keys }) => keys[0] === id)?.amount.micros, String(bill))
  })
})

test('the cost by workload, project, provider, site, tier and time adds up to the same', async () => {
  const { items } = JSON.parse(await house.say('ps', '--all', '-o', 'json')) as { items: { id: string }[] }
  const bills = []
  for (const { id } of items) bills.push(await billOf(id))
  const total = String(bills.reduce((sum, bill) => sum + bill, 0))
  for (const by of ['workload', 'project', 'provider', 'site', 'tier', 'day', 'hour', 'site,workload,tier,hour']) {
    const cost = await house.cost('--by', by)
    const sum = cost.rows.reduce((all, { amount }) => all + BigInt(amount.micros), 0n)
    assert.deepEqual([cost.total.micros, String(sum)], [total, total], by)
  }
  const [first] = await house.events({})
  const middle = new Date((Date.parse(first?.at ?? '') + Date.now()) / 2).toISOString()
  const halves = [await house.cost('--to', middle), await house.cost('--from', middle)]
  assert.ok(halves.every(({ rows }) => rows.length > 0))
  assert.equal(String(halves.reduce((sum, half) => sum + BigInt(half.total.micros), 0n)), total)
  const projects = await Promise.all(['default', 'lab'].map((project) => house.cost('--project', project)))
  assert.equal(String(projects.reduce((sum, one) => sum + BigInt(one.total.micros), 0n)), total)
})
