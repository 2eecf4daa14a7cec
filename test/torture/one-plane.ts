import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

import { startEmbedded } from '#store/embedded/embedded.ts'
import { killAgent } from './processes.ts'
import type { Round, Setting } from './round.ts'
import { quiet, violations } from './verify.ts'
import { openVictim, type Victim } from './victim.ts'
import { someWork } from './work.ts'

const sites = `sites:
  - { provider: local, name: here, jurisdictions: [US], price: $3.60/h, patience: 60s, nodes: 24, shape: { cpus: 1, memory: 1GB } }
`
const mostBackMs = 5_000

type Strike = { victim: Victim } & Setting

/** One control plane with its private PostgreSQL; `strike` hurts something and says how long until all was back. */
function onePlane(name: string, strike: (at: Strike) => Promise<number | null>, losses = false): Round {
  return async (setting) => {
    const { scratch, draw, kills, strikeMs, settleMs, slack } = setting
    const victim = await openVictim({ home: join(scratch, 'a'), sites })
    try {
      victim.start()
      if ((await victim.ready(30_000)) === null) throw new Error('The control plane did not start')
      const { text, expected } = someWork({ scratch, count: 200, draw })
      await victim.api('POST', '/v1/workloads', { text, filename: 'torture.yaml', bundles: {} })
      const back: number[] = []
      let struck = 0
      for (const until = performance.now() + strikeMs; struck < kills && performance.now() < until; struck++) {
        const ms = await strike({ victim, ...setting })
        if (ms !== null) back.push(ms)
      }
      if ((await victim.ready(30_000)) === null) victim.start()
      if ((await victim.ready(30_000)) === null) throw new Error('The control plane did not start again')
      const database = await startEmbedded(victim.home)
      database.leave()
      await quiet(database.url, settleMs)
      const site = join(victim.home, 'local', 'here')
      const wrong = await violations({ url: database.url, scratch, sites: [site], expected, losses })
      const slowest = Math.max(0, ...back)
      if (slowest > mostBackMs * slack)
        wrong.push(`it took ${Math.round(slowest)} ms to be back, and ${mostBackMs} are allowed`)
      const told = `${name} killed ${struck} times while ${expected.length} workloads ran`
      return {
        told:
          back.length === 0
            ? told
            : `${told}: back in ${median(back)} ms (median), ${Math.round(slowest)} ms (slowest)`,
        wrong,
      }
    } finally {
      await victim.close()
    }
  }
}

export const controlPlane = onePlane('the control plane', async ({ victim, draw }) => {
  await sleep(draw() * 1500)
  await victim.kill()
  victim.start()
  // Now and then it is killed again before it is up.
  return draw() < 0.2 ? null : victim.ready(30_000)
})

export const postgres = onePlane('PostgreSQL', async ({ victim, draw }) => {
  await sleep(200 + draw() * 1000)
  if (victim.killPostgres() === null) return null
  const began = performance.now()
  const answered = async () => (await victim.ready(30_000)) !== null && victim.api('GET', '/v1/workloads?pageSize=1')
  while (performance.now() - began < 30_000) if (await answered().catch(() => false)) return performance.now() - began
  throw new Error('PostgreSQL was killed, and the control plane did not recover within 30 s')
})

export const agents = onePlane(
  'an agent',
  async ({ scratch, draw }) => {
    await sleep(draw() * 600)
    for (const until = performance.now() + 3_000; performance.now() < until; await sleep(50))
      if (await killAgent(scratch, draw)) return null
    return null
  },
  true,
)

function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  return Math.round(sorted[Math.floor(sorted.length / 2)] ?? 0)
}
