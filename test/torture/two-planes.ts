import { join } from 'node:path'
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

import type { Client } from 'pg'

import { startEmbedded } from '#store/embedded/embedded.ts'
import type { Round, Setting } from './round.ts'
import { quiet, violations, withClient } from './verify.ts'
import { openVictim, type Victim } from './victim.ts'
import { marksOf, someWork, type Expected } from './work.ts'

const mostTakeOverMs = 10_000

/**
 * Two control planes, each with a state directory of its own, share one database, one key and the sites. One dies for
 * good: the other must have everything soon. Then it comes back, and the other one dies.
 */
export const twoPlanes: Round = async ({ scratch, draw, settleMs, slack }) => {
  const database = await startEmbedded(join(scratch, 'database'))
  const folders = ['west', 'east'].map((name) => join(scratch, 'sites', name))
  mkdirSync(join(scratch, 'sites'))
  const planes = await Promise.all(['a', 'b'].map((name) => openPlane({ scratch, name, url: database.url, folders })))
  try {
    for (const plane of planes) plane.start()
    for (const plane of planes)
      if ((await plane.ready(30_000)) === null) throw new Error('A control plane did not start')
    const expected: Expected[] = []
    const wrong: string[] = []
    const told: string[] = []
    const order = draw() < 0.5 ? planes : planes.toReversed()
    for (const [turn, dying] of order.entries()) {
      const survivor = order[1 - turn]
      if (!survivor) break
      for (const [side, plane] of planes.entries()) {
        const count = turn === 0 ? 100 : 20
        const work = someWork({ scratch, count, prefix: `t${turn}s${side}w`, draw, mostSeconds: 14 })
        expected.push(...work.expected)
        await plane.api('POST', '/v1/workloads', { text: work.text, filename: 'torture.yaml', bundles: {} })
      }
      // Agents hear of a control plane that came back at once.
      await sleep((turn === 0 ? 2_000 : 500) + draw() * 5_000)
      const took = await takeOver({ dying, survivor, url: database.url, scratch, turn, expected, slack })
      told.push(...took.told)
      wrong.push(...took.wrong)
      if (turn > 0) continue
      await sleep(draw() * 10_000)
      dying.start()
      const back = await dying.ready(30_000)
      told.push(`back in ${Math.round(back ?? -1)} ms`)
      if (back === null || back > 5_000 * slack)
        wrong.push(`the dead one was back in ${back} ms, and 5,000 are allowed`)
    }
    await quiet(database.url, settleMs)
    wrong.push(...(await violations({ url: database.url, scratch, sites: folders, expected, losses: false })))
    return {
      told: `two control planes, each killed once while ${expected.length} workloads ran: ${told.join(', ')}`,
      wrong,
    }
  } finally {
    for (const plane of planes) await plane.close()
    await database.remove()
  }
}

type Opening = { scratch: string; name: string; url: string; folders: string[] }

const openPlane = ({ scratch, name, url, folders }: Opening): Promise<Victim> =>
  openVictim({
    home: join(scratch, name),
    sites: `sites:\n${folders.map((root, i) => `  - { provider: local, name: s${i}, root: ${root}, jurisdictions: [US], price: $3.60/h, patience: 60s, nodes: 16, shape: { cpus: 1, memory: 1GB } }\n`).join('')}`,
    environment: {
      DATABASE_URL: url,
      ISOBAR_KEY_FILE: join(scratch, 'key'),
      ISOBAR_SHARED: join(scratch, 'shared'),
    },
  })

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
  const { id } = await dying.api<{ id: string }>('GET', '/v1/server')
  const { id: heir } = await survivor.api<{ id: string }>('GET', '/v1/server')
  return withClient(url, async (client) => {
    const held = await client.query<{ name: string }>(
      "select name from claims where holder = $1 and expires_at > clock_timestamp() and name <> 'housekeeping'",
      [id],
    )
    await dying.kill()
    const began = performance.now()
    const { rows } = await client.query<{ at: number }>('select max(heard_at)::float8 as at from ranks')
    const diedAt = rows[0]?.at ?? 0
    const name = `new${turn}`
    const mark = `${name} attempt 1 rank 0`
    const text = `kind: job\nname: ${name}\npriority: 100\nenv: { TORTURE: ${scratch} }\nresources: { cpus: 0.1, memory: 16MB }\nrun: |\n  echo "${mark} start" >> ${marksOf(scratch)}\n  echo "${mark} end" >> ${marksOf(scratch)}\n`
    await survivor.api('POST', '/v1/workloads', { text, filename: 'new.yaml', bundles: {} })
    expected.push({ name, state: 'succeeded', exitCode: 0, ranks: 1, tasks: 0 })
    const waits = {
      'loops moved': () => moved(client, { names: held.rows.map((row) => row.name), id, heir }),
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

/** Whether nothing is claimed by the dead one any more, and the claims that are renewed all the time are the heir's. */
async function moved(client: Client, { names, id, heir }: { names: string[]; id: string; heir: string }) {
  const { rows } = await client.query<{ left: number }>(
    `select (select count(*) from claims where holder = $2 and expires_at > clock_timestamp() and name <> 'housekeeping')
          + (select count(*) from unnest($1::text[]) n where (n = 'admit' or n like 'observe:%') and not exists (
               select 1 from claims c where c.name = n and c.holder = $3 and c.expires_at > clock_timestamp()))
          + (select count(*) from operations where claimed_by = $2 and state = 'intended' and claimed_until > clock_timestamp())
          as left`,
    [names, id, heir],
  )
  return Number(rows[0]?.left) === 0
}

/** Whether all agents that run have reported to somebody who lives. */
async function heard(client: Client, since: number): Promise<boolean> {
  const { rows } = await client.query<{ left: number }>(
    `select count(*) as left from ranks r join leases l on l.id = r.lease
      where l.state = 'held' and r.state in ('arrived', 'running') and r.heard_at <= $1`,
    [since],
  )
  return Number(rows[0]?.left) === 0
}
