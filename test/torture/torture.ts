/**
 * Hurts real control planes at random moments while workloads start, run and end; then looks whether any was lost or run
 * twice, anything leaked, or the ledger is off. `npm run torture -- --help`.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'

import { createRandom } from '#kit/random.ts'
import { agents, controlPlane, postgres } from './one-plane.ts'
import { killAll } from './processes.ts'
import type { Round, Setting } from './round.ts'
import { twoPlanes } from './two-planes.ts'

const rounds: Record<string, Round> = { 'control-plane': controlPlane, postgres, agents, 'two-planes': twoPlanes }

const help = `usage: npm run torture -- [options]

Each round runs workloads on real processes, hurts something, and checks what must hold. Exit code 0 only if all does.

rounds:
  control-plane   SIGKILL of the control plane at random moments; back within 5 s
  postgres        SIGKILL of PostgreSQL; back within 5 s
  agents          SIGKILL of agents: their gangs are lost whole and tried again, with one success each
  two-planes      two control planes on one database: one dies for good, the other has everything within 10 s

options:
  --only <round>    this round alone; may be given several times
  --kills <n>       strikes of a round (50)
  --minutes <n>     time for striking in all (4); waiting for the rest of the work comes on top, at most 2 a round
  --seed <n>        what is drawn depends on it alone (1)
  --slack <n>       how many times longer than promised a recovery may take (1); more for a busy machine
  --keep            keep the folder of a round that failed
TORTURE_VERBOSE=1 shows what the control planes log.
`

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '4' },
    seed: { type: 'string', default: '1' },
    kills: { type: 'string', default: '50' },
    only: { type: 'string', multiple: true },
    slack: { type: 'string', default: '1' },
    keep: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
})

async function torture(): Promise<void> {
  const names = values.only ?? Object.keys(rounds)
  const unknown = names.find((name) => !(name in rounds))
  const numbers = [values.minutes, values.seed, values.kills, values.slack].map(Number)
  if (values.help || unknown !== undefined || numbers.some((value) => !(value >= 0))) {
    if (unknown !== undefined) console.error(`there is no round ${unknown}\n`)
    process.exitCode = values.help ? 0 : 2
    return void (values.help ? console.log(help) : console.error(help))
  }
  const [minutes = 0, seed = 0, kills = 0, slack = 1] = numbers
  for (const name of names)
    if (!(await run(name, { seed, kills, strikeMs: (minutes * 60_000) / names.length, slack }))) process.exitCode = 1
}

async function run(
  name: string,
  asked: Pick<Setting, 'kills' | 'strikeMs' | 'slack'> & { seed: number },
): Promise<boolean> {
  const began = performance.now()
  const scratch = mkdtempSync(join(tmpdir(), 'isobar-torture-'))
  const { next: draw } = createRandom(`${name} ${asked.seed}`)
  const { told, wrong } = await (rounds[name] as Round)({ scratch, draw, settleMs: 120_000, ...asked }).catch(
    (error: unknown) => ({ told: name, wrong: [error instanceof Error ? error.message : String(error)] }),
  )
  await killAll(scratch)
  const failed = wrong.length > 0
  console.log(
    `${failed ? 'FAILED' : 'ok'} ${name} (seed ${asked.seed}, ${Math.round((performance.now() - began) / 1000)} s): ${told}; ${wrong.length} violations`,
  )
  for (const line of wrong.slice(0, 20)) console.log(`  ${line}`)
  if (failed && values.keep) console.log(`  kept: ${scratch}`)
  else rmSync(scratch, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 })
  return !failed
}

await torture()
// A round that failed may have left something open.
process.exit()
