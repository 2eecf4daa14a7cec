/**
 * Hurts real control planes at random moments while workloads start, run and end; then looks whether any was lost or run
 * twice, anything leaked, or the ledger is off. `npm run torture -- --help`.
 */
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'

import { createRandom } from '#kit/random.ts'
import { undoAll } from './at-exit.ts'
import { plant, planted } from './planted.ts'
import { dropDatabases, killAll } from './processes.ts'
import { type Outcome, type Setting, Skipped } from './round.ts'
import { rounds } from './rounds.ts'
import { tableOf, type Ran } from './table.ts'

const help = `usage: npm run torture -- [options]

Each round runs workloads on real processes, hurts something, and checks what must hold. Exit code 0 only if all does.

rounds:
${Object.entries(rounds)
  .map(([name, { about }]) => `  ${name.padEnd(17)} ${about}`)
  .join('\n')}

options:
  --minutes <n>     round after round, each with a seed of its own, until so many minutes are over; without it, each once
  --only <round>    this round alone; may be given several times
  --kills <n>       strikes of a round at the most (50)
  --seconds <n>     how long a round may strike (30); waiting for the rest of the work comes on top, at most 2 minutes
  --workloads <n>   how many a round runs, about (200)
  --seed <n>        what is drawn depends on it alone (1); of a second round of a kind, on the next number
  --slack <n>       how many times longer than promised a recovery may take (1); more for a busy machine
  --planted <fault> plant a fault in the product, run a short round, and fail unless that sees it; all of them with "all"
  --keep            keep the folder of a round that failed
TORTURE_VERBOSE=1 shows what the control planes log.

faults to plant:
${Object.keys(planted)
  .map((fault) => `  ${fault}`)
  .join('\n')}
`

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '0' },
    seconds: { type: 'string', default: '30' },
    seed: { type: 'string', default: '1' },
    kills: { type: 'string', default: '50' },
    workloads: { type: 'string', default: '200' },
    only: { type: 'string', multiple: true },
    slack: { type: 'string', default: '1' },
    planted: { type: 'string', multiple: true },
    keep: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
})

let scratch = ''

async function torture(): Promise<void> {
  const names = values.only ?? Object.keys(rounds)
  const faults = values.planted?.flatMap((fault) => (fault === 'all' ? Object.keys(planted) : fault)) ?? []
  const unknown = names.find((name) => !(name in rounds)) ?? faults.find((fault) => !(fault in planted))
  const asked = [values.minutes, values.seconds, values.seed, values.kills, values.workloads, values.slack]
  const numbers = asked.map(Number)
  if (values.help || unknown !== undefined || numbers.some((value) => !(value >= 0))) {
    if (unknown !== undefined) console.error(`there is no ${unknown}\n`)
    process.exitCode = values.help ? 0 : 2
    return void (values.help ? console.log(help) : console.error(help))
  }
  const [minutes = 0, seconds = 0, seed = 0, kills = 0, workloads = 0, slack = 1] = numbers
  if (faults.length > 0) return tortureWith(faults, seed)
  const until = performance.now() + minutes * 60_000
  const all: Ran[] = []
  for (let pass = 0; pass === 0 || performance.now() < until; pass++)
    for (const name of names) {
      if (minutes > 0 && performance.now() > until) break
      all.push(await run(name, { seed: seed + pass, kills, workloads, strikeMs: seconds * 1000, slack }))
    }
  console.log(`\n${tableOf(all)}`)
  if (all.some(({ wrong }) => wrong.length > 0)) process.exitCode = 1
}

/** Short, and not long waited for: what is wrong is to be seen. */
const glance = { kills: 4, workloads: 16, strikeMs: 5_000, settleMs: 25_000, slack: 20 }

/** Plants one fault after the other. Fails unless each is seen, by what it breaks. */
async function tortureWith(faults: string[], seed: number): Promise<void> {
  const unseen: string[] = []
  for (const fault of faults) {
    const { round = '', says = /^$/, workloads = glance.workloads } = planted[fault] ?? {}
    console.log(`\nplanted: ${fault}`)
    const takeBack = plant(fault)
    const { wrong } = await run(round, { seed, ...glance, workloads }).finally(takeBack)
    const seen = wrong.some((line) => says.test(line))
    console.log(seen ? 'seen' : 'MISSED')
    if (!seen) unseen.push(fault)
  }
  console.log(`\n${faults.length - unseen.length} of ${faults.length} planted faults are seen`)
  if (unseen.length > 0) process.exitCode = 1
}

async function run(
  name: string,
  asked: Omit<Setting, 'scratch' | 'draw' | 'settleMs'> & { seed: number; settleMs?: number },
): Promise<Ran> {
  const began = performance.now()
  scratch = mkdtempSync(join(tmpdir(), 'isobar-torture-'))
  chmodSync(scratch, 0o755) // PostgreSQL's own account must pass when we are root
  const { next: draw } = createRandom(`${name} ${asked.seed}`)
  const outcome = await outcomeOf(name, { scratch, draw, settleMs: 120_000, ...asked })
  await killAll(scratch)
  undoAll()
  const { told, wrong, skipped } = outcome
  const seconds = Math.round((performance.now() - began) / 1000)
  const failed = wrong.length > 0
  const verdict = failed ? 'FAILED' : skipped === undefined ? 'ok' : 'SKIPPED'
  console.log(
    `${verdict} ${name} (seed ${asked.seed}, ${seconds} s): ${skipped ?? `${told}; ${wrong.length} violations`}`,
  )
  for (const line of wrong.slice(0, 20)) console.log(`  ${line}`)
  if (failed && values.keep) console.log(`  kept: ${scratch}`)
  else remove(scratch)
  return { name, seed: asked.seed, seconds, ...outcome }
}

const remove = (folder: string): void =>
  rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 })

async function outcomeOf(name: string, setting: Setting): Promise<Outcome & { skipped?: string }> {
  const nothing = { told: name, strikes: 0, back: [], wrong: [] }
  try {
    return (await rounds[name]?.run(setting)) ?? nothing
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    return error instanceof Skipped ? { ...nothing, skipped: why } : { ...nothing, wrong: [why] }
  }
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.once(signal, async () => {
    await killAll(scratch)
    undoAll()
    dropDatabases(scratch)
    await sleep(1_000) // the round may just be starting another one
    dropDatabases(scratch)
    await killAll(scratch)
    await sleep(300)
    remove(scratch)
    process.exit(1)
  })
await torture()
// A round that failed may have left something open.
process.exit()
