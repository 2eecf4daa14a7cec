/**
 * Kills the control plane, then PostgreSQL, with SIGKILL at random moments while workloads start, run and end; then looks
 * whether any was lost or run twice, anything leaked, or the ledger is off. `npm run torture -- --minutes M --seed S`.
 */
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'

import { startEmbedded } from '#store/embedded/embedded.ts'
import { quiet, violations, type Expected } from './verify.ts'
import { openVictim, type Victim } from './victim.ts'

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '4' },
    seed: { type: 'string', default: '1' },
    kills: { type: 'string', default: '50' },
    only: { type: 'string', default: 'both' },
  },
})
const mostMs = Number(values.minutes) * 60_000
const kills = Number(values.kills)

/** A stream of numbers in [0, 1) that depends on the seed alone (a linear congruential generator). */
function createDraw(seed: number): () => number {
  let state = Math.imul(seed, 0x9e3779b1) >>> 0
  return () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32
}

const sites = `sites:
  - { provider: local, name: here, jurisdictions: [US], price: $3.60/h, patience: 60s, nodes: 24, shape: { cpus: 1, memory: 1GB } }
`

type Work = { text: string; expected: Expected[] }

/** Jobs of one and two ranks with exit codes of their own, and arrays, that mark each start and each end in one file. */
function someWork(home: string, count: number, draw: () => number): Work {
  const marks = join(home, 'marks')
  const mark = (what: string, when: string) => `echo "${what} ${when}" >> ${marks}`
  const expected: Expected[] = []
  const documents = Array.from({ length: count }, (_, i) => {
    const name = `w${i}`
    const seconds = (0.2 + draw() * 3).toFixed(2)
    const exitCode = i % 5 === 4 ? 7 : 0
    const env = `env: { TORTURE_HOME: ${JSON.stringify(home)} }`
    if (i % 20 === 19) {
      expected.push({ name, state: 'succeeded', exitCode: 0, ranks: 0, tasks: 20 })
      const what = `${name} task $ISOBAR_TASK_INDEX`
      return `kind: array\nname: ${name}\ntasks: 20\nparallelism: 4\n${env}\nresources: { cpus: 0.25, memory: 32MB }\nrun: |\n  ${mark(what, 'start')}\n  sleep 0.1\n  ${mark(what, 'end')}\n`
    }
    const ranks = i % 10 === 3 ? 2 : 1
    expected.push({ name, state: exitCode === 0 ? 'succeeded' : 'failed', exitCode, ranks, tasks: 0 })
    const what = `${name} rank $ISOBAR_RANK`
    return `kind: job\nname: ${name}\nnodes: ${ranks}\n${env}\nresources: { cpus: 0.5, memory: 64MB }\nrun: |\n  ${mark(what, 'start')}\n  sleep ${seconds}\n  ${mark(what, 'end')}\n  exit ${exitCode}\n`
  })
  return { text: documents.join('---\n'), expected }
}

type Killing = { name: string; strike(victim: Victim, draw: () => number): Promise<number | null> }

const controlPlane: Killing = {
  name: 'the control plane',
  async strike(victim, draw) {
    await sleep(draw() * 1500)
    await victim.kill()
    victim.start()
    // Now and then it is killed again before it is up.
    return draw() < 0.2 ? null : victim.ready(30_000)
  },
}

const postgres: Killing = {
  name: 'PostgreSQL',
  async strike(victim, draw) {
    await sleep(200 + draw() * 1000)
    if (victim.killPostgres() === null) return null
    const began = performance.now()
    const answered = async () => (await victim.ready(30_000)) !== null && victim.api('GET', '/v1/workloads?pageSize=1')
    while (performance.now() - began < 30_000) if (await answered().catch(() => false)) return performance.now() - began
    throw new Error('PostgreSQL was killed, and the control plane did not recover within 30 s')
  },
}

async function round(killing: Killing, seed: number): Promise<boolean> {
  const draw = createDraw(seed)
  const victim = openVictim(sites)
  const began = performance.now()
  try {
    victim.start()
    if ((await victim.ready(30_000)) === null) throw new Error('The control plane did not start')
    const { text, expected } = someWork(victim.home, 200, draw)
    await victim.api('POST', '/v1/workloads', { text, filename: 'torture.yaml', bundles: {} })
    const back: number[] = []
    let struck = 0
    for (; struck < kills && performance.now() - began < mostMs / 2; struck++) {
      const ms = await killing.strike(victim, draw)
      if (ms !== null) back.push(ms)
    }
    if ((await victim.ready(30_000)) === null) victim.start()
    await victim.ready(30_000)
    await settled(victim)
    const { url } = await startEmbedded(victim.home)
    await quiet(url)
    const wrong = await violations({ url, marks: join(victim.home, 'marks'), expected })
    const strays = await victim.strays()
    if (strays > 0) wrong.push(`${strays} processes are left`)
    const slowest = Math.max(...back)
    if (slowest > 5000) wrong.push(`it took ${Math.round(slowest)} ms to be back, and 5,000 are allowed`)
    report({ killing, struck, expected, back, wrong, ms: performance.now() - began })
    return wrong.length === 0
  } finally {
    await victim.close()
  }
}

/** Waits until every workload has ended and every lease is gone. */
async function settled(victim: Victim): Promise<void> {
  const deadline = performance.now() + 120_000
  for (;;) {
    const active = await victim.api<{ items: { name: string; summary: string; reason: string }[] }>(
      'GET',
      '/v1/workloads?state=active&pageSize=5',
    )
    const sitesNow = await victim.api<{ items: { leases: number }[] }>('GET', '/v1/sites')
    const leases = sitesNow.items.reduce((sum, site) => sum + site.leases, 0)
    if (active.items.length === 0 && leases === 0) return
    if (performance.now() > deadline)
      throw new Error(
        `Work did not end: ${JSON.stringify(active.items.map(({ name, summary, reason }) => ({ name, summary, reason })))}, ${leases} leases`,
      )
    await sleep(200)
  }
}

type Report = { killing: Killing; struck: number; expected: Expected[]; back: number[]; wrong: string[]; ms: number }

function report({ killing, struck, expected, back, wrong, ms }: Report): void {
  const sorted = back.toSorted((a, b) => a - b)
  const median = Math.round(sorted[Math.floor(sorted.length / 2)] ?? 0)
  console.log(
    `${killing.name} killed ${struck} times while ${expected.length} workloads ran, ${Math.round(ms / 1000)} s: ` +
      `back in ${median} ms (median), ${Math.round(sorted.at(-1) ?? 0)} ms (slowest); ${wrong.length} violations`,
  )
  for (const line of wrong.slice(0, 20)) console.log(`  ${line}`)
}

const seed = Number(values.seed)
const rounds = { 'control-plane': [controlPlane], postgres: [postgres], both: [controlPlane, postgres] }[values.only]
if (!rounds) throw new Error('--only is control-plane or postgres')
for (const [i, killing] of rounds.entries()) if (!(await round(killing, seed + i))) process.exitCode = 1
