import { execFileSync } from 'node:child_process'
import { closeSync, constants, openSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

import type { Client } from 'pg'

import { embeddedUrl } from '#test/torture/one-plane.ts'
import { heard } from '#test/torture/planes.ts'
import type { Round } from '#test/torture/round.ts'
import { quiet, violations, withClient } from '#test/torture/verify.ts'
import { openVictim, type Victim } from '#test/torture/victim.ts'
import { marksOf, type Expected } from '#test/torture/work.ts'

/** Of what other rounds run. */
const timesMore = 5
/** Measured: an agent takes 13 MB that it shares with nobody, its shell half a one, and the kernel some for both. */
const mostOfOneMB = 17
/** Left to everybody else. */
const sparedMB = 3_000
const perNode = 4
const mostStartMs = 400_000
const mostBackMs = 5_000
const mostHeardMs = 15_000

/** All are live at once, and the control plane dies again and again; they end while it is dead. */
export const thousand: Round = {
  about: `${timesMore} times as many jobs, live all at once: each survives each SIGKILL of the control plane, is heard, ends, is billed`,
  run: async ({ scratch, draw, workloads, kills, strikeMs, settleMs, slack }) => {
    const asked = workloads * timesMore
    const count = Math.min(asked, Math.floor((availableMB() - sparedMB) / mostOfOneMB))
    const home = join(scratch, 'a')
    const root = join(scratch, 'site')
    const site = `{ provider: local, name: here, root: ${root}, jurisdictions: [US], price: $3.60/h, patience: 60s, upWithin: 10m, nodes: ${Math.ceil(count / perNode)}, shape: { cpus: 1, memory: 1GB } }`
    const victim = await openVictim({ home, sites: `sites:\n  - ${site}\n` })
    const gate = openGate(scratch)
    try {
      victim.start()
      if ((await victim.ready(30_000)) === null) throw new Error('The control plane did not start')
      const url = await embeddedUrl(home)
      const began = performance.now()
      const expected = await submit({ victim, scratch, count, run: gate.wait })
      const { back, wrong, told } = await withClient(url, async (client) => {
        await allLive(client, count)
        const startSeconds = Math.round((performance.now() - began) / 1000)
        const struck = await strike({ victim, client, count, draw, kills, strikeMs, slack })
        return { ...struck, told: `live after ${startSeconds} s, ${struck.told}` }
      })
      await victim.kill()
      gate.open()
      await sleep(draw() * 5_000)
      victim.start()
      await quiet(url, Math.max(settleMs, count * 300))
      wrong.push(...(await violations({ url, scratch, sites: [root], expected, losses: false })))
      const room = count < asked ? ` (there is memory for no more; ${asked} were asked for)` : ''
      const what = `${count} jobs${room} ${told}; all ended while it was dead`
      return { told: what, strikes: back.length + 1, back, wrong }
    } finally {
      gate.close()
      await victim.close()
    }
  },
}

type Submitting = { victim: Victim; scratch: string; count: number; run: string }

async function submit({ victim, scratch, count, run }: Submitting): Promise<Expected[]> {
  const expected: Expected[] = []
  for (let at = 0; at < count; at += 100) {
    const names = Array.from({ length: Math.min(100, count - at) }, (_, i) => `j${at + i}`)
    const texts = names.map((name) => {
      const mark = (when: string) => `echo "${name} attempt $ISOBAR_ATTEMPT rank 0 ${when}" >> ${marksOf(scratch)}`
      const script = [mark('start'), run, mark('end')].map((line) => `  ${line}\n`).join('')
      return `kind: job\nname: ${name}\nenv: { TORTURE: ${JSON.stringify(scratch)} }\nresources: { cpus: ${1 / perNode}, memory: 64MB }\nrun: |\n${script}`
    })
    await victim.api('POST', '/v1/workloads', {
      body: { text: texts.join('---\n'), filename: 'thousand.yaml', bundles: {} },
    })
    expected.push(...names.map((name) => ({ name, state: 'succeeded', exitCode: 0, ranks: 1, tasks: 0 }) as const))
  }
  return expected
}

const running = async (client: Client): Promise<number> => {
  const { rows } = await client.query<{ count: number }>(
    `select count(*)::int as count from ranks r join leases l on l.id = r.lease join attempts a on a.id = l.attempt
      where l.state = 'held' and r.state = 'running' and a.number = 1`,
  )
  return rows[0]?.count ?? 0
}

async function allLive(client: Client, count: number): Promise<void> {
  for (const until = performance.now() + mostStartMs; (await running(client)) < count; await sleep(200))
    if (performance.now() > until) throw new Error(`only ${await running(client)} of ${count} jobs were live in time`)
}

type Strikes = {
  victim: Victim
  client: Client
  count: number
  draw: () => number
  kills: number
  strikeMs: number
  slack: number
}

/** Kills the control plane and starts it again, until all agents have been heard, again and again. */
async function strike({ victim, client, count, draw, kills, strikeMs, slack }: Strikes) {
  const back: number[] = []
  const heardAfter: number[] = []
  const wrong: string[] = []
  for (const until = performance.now() + strikeMs; back.length < kills && performance.now() < until;) {
    await sleep(draw() * 1_000)
    await victim.kill()
    const { rows } = await client.query<{ at: number }>('select max(heard_at)::float8 as at from ranks')
    victim.start()
    const began = performance.now()
    back.push((await victim.ready(60_000)) ?? Infinity)
    while (!(await heard(client, rows[0]?.at ?? 0)) && performance.now() - began < 60_000) await sleep(50)
    heardAfter.push(performance.now() - began)
    const live = await running(client)
    if (live !== count) wrong.push(`${live} of ${count} jobs are live after the control plane was killed`)
  }
  const slowest = { back: Math.max(0, ...back), heard: Math.max(0, ...heardAfter) }
  if (slowest.back > mostBackMs * slack)
    wrong.push(`it took ${slowest.back} ms to be back, and ${mostBackMs} are allowed`)
  if (slowest.heard > mostHeardMs * slack)
    wrong.push(`all agents were heard after ${slowest.heard} ms, and ${mostHeardMs} are allowed`)
  const told = `and the control plane was killed ${back.length} times: all agents heard after ${Math.round(slowest.heard)} ms at the latest`
  return { back, wrong, told }
}

/** What jobs wait for without taking time of a processor: a pipe that nobody writes to, until it is opened for good. */
function openGate(scratch: string) {
  const pipe = join(scratch, 'gate')
  const opened = join(scratch, 'opened')
  execFileSync('mkfifo', [pipe])
  let opening: NodeJS.Timeout | undefined
  const letThrough = () => {
    try {
      closeSync(openSync(pipe, constants.O_WRONLY | constants.O_NONBLOCK))
    } catch {
      // Nobody waits there.
    }
  }
  return {
    wait: `[ -e ${opened} ] || read _ < ${pipe} || true`,
    open() {
      writeFileSync(opened, '')
      // Who looked just before it was opened comes a moment later.
      opening = setInterval(letThrough, 200)
    },
    close: () => clearInterval(opening),
  }
}

function availableMB(): number {
  const found = /^MemAvailable:\s+(\d+) kB/m.exec(readFileSync('/proc/meminfo', 'utf8'))
  return Number(found?.[1] ?? 0) / 1024
}
