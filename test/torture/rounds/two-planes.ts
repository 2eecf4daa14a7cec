import { existsSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

import { heard, holdingsOf, moved, openPlanes } from '#test/torture/planes.ts'
import type { Round, Setting } from '#test/torture/round.ts'
import { quiet, violations, withClient } from '#test/torture/verify.ts'
import type { Victim } from '#test/torture/victim.ts'
import { marksOf, someWork, type Expected } from '#test/torture/work.ts'

const mostTakeOverMs = 10_000

/** One of two control planes dies for good: the other must have everything soon. Then it comes back, and the other one dies. */
export const twoPlanes: Round = {
  about: 'two control planes on one database: one dies for good, the other has everything within 10 s',
  run: async ({ scratch, draw, workloads, settleMs, slack }) => {
    const { planes, url, sites, close } = await openPlanes(scratch)
    try {
      const expected: Expected[] = []
      const wrong: string[] = []
      const told: string[] = []
      const back: number[] = []
      const order = draw() < 0.5 ? planes : planes.toReversed()
      for (const [turn, dying] of order.entries()) {
        const survivor = order[1 - turn]
        if (!survivor) break
        for (const [side, plane] of planes.entries()) {
          const count = Math.ceil(workloads / (turn === 0 ? 2 : 10))
          const work = someWork({ scratch, count, prefix: `t${turn}s${side}w`, draw, mostSeconds: 14 })
          expected.push(...work.expected)
          await plane.api('POST', '/v1/workloads', {
            body: { text: work.text, filename: 'torture.yaml', bundles: {} },
          })
        }
        // Agents hear of a control plane that came back at once.
        await sleep((turn === 0 ? 2_000 : 500) + draw() * 5_000)
        const took = await takeOver({ dying, survivor, url, scratch, turn, expected, slack })
        told.push(...took.told)
        wrong.push(...took.wrong)
        if (turn > 0) continue
        await sleep(draw() * 10_000)
        dying.start()
        const ms = (await dying.ready(30_000)) ?? Infinity
        back.push(ms)
        if (ms > 5_000 * slack) wrong.push(`the dead one was back in ${ms} ms, and 5,000 are allowed`)
      }
      await quiet(url, settleMs)
      wrong.push(...(await violations({ url, scratch, sites, expected, losses: false })))
      const what = `two control planes, each killed once while ${expected.length} workloads ran: ${told.join(', ')}`
      return { told: what, strikes: 2, back, wrong }
    } finally {
      await close()
    }
  },
}

type TakeOver = Pick<Setting, 'scratch' | 'slack'> & {
  dying: Victim
  survivor: Victim
  url: string
  turn: number
  expected: Expected[]
}

/** Kills one and measures how long until the other has its claims, hears its agents and starts what is new. */
async function takeOver({
  dying,
  survivor,
  url,
  scratch,
  turn,
  expected,
  slack,
}: TakeOver): Promise<{ told: string[]; wrong: string[] }> {
  const { id: heir } = await survivor.api<{ id: string }>('GET', '/v1/server')
  return withClient(url, async (client) => {
    const held = await holdingsOf(client, dying)
    await dying.kill()
    const began = performance.now()
    const { rows } = await client.query<{ at: number }>('select max(heard_at)::float8 as at from ranks')
    const diedAt = rows[0]?.at ?? 0
    const name = `new${turn}`
    const mark = `${name} attempt 1 rank 0`
    const text = `kind: job\nname: ${name}\npriority: 100\nenv: { TORTURE: ${scratch} }\nresources: { cpus: 0.1, memory: 16MB }\nrun: |\n  echo "${mark} start" >> ${marksOf(scratch)}\n  echo "${mark} end" >> ${marksOf(scratch)}\n`
    await survivor.api('POST', '/v1/workloads', { body: { text, filename: 'new.yaml', bundles: {} } })
    expected.push({ name, state: 'succeeded', exitCode: 0, ranks: 1, tasks: 0 })
    const waits = {
      'loops moved': () => moved(client, { ...held, heir }),
      'agents heard': () => heard(client, diedAt),
      'a new job ran': async () =>
        existsSync(marksOf(scratch)) && readFileSync(marksOf(scratch), 'utf8').includes(mark),
    }
    const took = new Map<string, number>()
    while (took.size < 3 && performance.now() - began < 30_000) {
      for (const [what, isSo] of Object.entries(waits))
        if (!took.has(what) && (await isSo())) took.set(what, performance.now() - began)
      await sleep(50)
    }
    const times = Object.keys(waits).map((what) => [what, took.get(what) ?? Infinity] as const)
    return {
      told: times.map(([what, ms]) => `${what} after ${Math.round(ms)} ms`),
      wrong: times
        .filter(([, ms]) => ms > mostTakeOverMs * slack)
        .map(([what, ms]) => `${what} only ${ms} ms after a control plane had died, and ${mostTakeOverMs} are allowed`),
    }
  })
}
